"""How often a name may ask: `60/minute`, counted in Redis over all API processes. Only this module imports `limits`.

The window moves: at no moment have there been more requests in the last minute than that. A name's last requests are
kept for it, so a limit is at most 10,000 requests.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from app.shared import keys

MOST_REQUESTS = 10_000
_LONGEST_SECONDS = 31 * 24 * 3600


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    seconds: int
    item: RateLimitItem

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """`60/minute`, `1000 per 1 hour`. Raises ValueError with a line that says what it must look like."""
        try:
            item = parse(text)
        except ValueError:
            raise ValueError(f"'{text}' is no rate; it must look like 60/minute, 1000/hour, 5/10 second") from None
        rate = cls(item.amount, item.get_expiry(), item)
        if not (1 <= rate.requests <= MOST_REQUESTS and 1 <= rate.seconds <= _LONGEST_SECONDS):
            raise ValueError(f"'{text}': a rate has 1 to {MOST_REQUESTS} requests, in a second to a month")
        return rate


@dataclass(frozen=True)
class Standing:
    """Where a name stands with one of its rates; `seconds` until there is room for one more request, or all of it."""

    rate: Rate
    allowed: bool
    remaining: int
    seconds: int


class RateLimiter:
    """Raises redis' own errors."""

    def __init__(self, redis: Redis) -> None:
        pool = cast("Any", redis.connection_pool)
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix=keys.LIMITS, connection_pool=pool)
        self._limiter = MovingWindowRateLimiter(storage)

    async def count(self, name: str, rates: Sequence[Rate]) -> Sequence[Standing]:
        """Counts a request of this name; the first rate that does not allow it is the last of the answer."""
        standings: list[Standing] = []
        for rate in rates:
            allowed = await self._limiter.hit(rate.item, name)
            reset, remaining = await self._limiter.get_window_stats(rate.item, name)
            standings.append(Standing(rate, allowed, remaining, max(1, math.ceil(reset - time.time()))))
            if not allowed:
                break
        return standings
