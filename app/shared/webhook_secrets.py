"""Each caller's secret for the signatures of webhooks, `whsec_…`: made here when it is first wanted, and never by hand.

    current       what a receiver should know
    replaced      signs beside it for a day, so that receivers can be told in their own time

They are kept as they are, because signing needs them. One set a caller: each secret by the time until which it signs.
"""

import base64
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.shared import keys

REPLACED_SECONDS = 24 * 3600
_MOST_REPLACED = 4
_PREFIX = "whsec_"
_BYTES = 32

# Takes the caller's secrets, a new one, now, until when replaced ones sign, how many of these are kept at most.
# Answers all that sign, with their times, the current one last.
_LUA = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
local current = redis.call('ZRANGEBYSCORE', KEYS[1], '+inf', '+inf')[1]
"""
_ROTATE = f"""{_LUA}
if current ~= ARGV[1] then
  if current then redis.call('ZADD', KEYS[1], ARGV[3], current) end
  redis.call('ZADD', KEYS[1], '+inf', ARGV[1])
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -2 - ARGV[4])
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
"""
_FIND = f"""{_LUA}
if not current then redis.call('ZADD', KEYS[1], '+inf', ARGV[1]) end
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
"""


@dataclass(frozen=True)
class Secrets:
    """A caller's `current` secret, and those that it has replaced, each with the time until which it signs."""

    current: str
    replaced: Sequence[tuple[str, float]]

    @property
    def signing(self) -> Sequence[str]:
        """All that sign, the current one first."""
        return [self.current, *(secret for secret, _ in self.replaced)]


async def secrets_of(redis: AsyncRedis, caller: str) -> Secrets:
    """The caller's secrets; made now where there are none."""
    return _read(await redis.register_script(_FIND)([keys.WEBHOOK_SECRETS + caller], _arguments()))


async def rotate(redis: AsyncRedis, caller: str) -> Secrets:
    """The caller's secrets, the current one new."""
    return _read(await redis.register_script(_ROTATE)([keys.WEBHOOK_SECRETS + caller], _arguments()))


def signing_secrets(redis: Redis, caller: str) -> Sequence[str]:
    """What signs a caller's webhooks, for workers."""
    found = redis.register_script(_FIND)([keys.WEBHOOK_SECRETS + caller], _arguments())
    return _read(cast("list[str]", found)).signing


def _arguments() -> list[str]:
    now = time.time()
    new = _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    return [new, repr(now), repr(now + REPLACED_SECONDS), str(_MOST_REPLACED)]


def _read(found: Sequence[str]) -> Secrets:
    *replaced, (current, _) = zip(found[::2], map(float, found[1::2]), strict=True)
    return Secrets(current, replaced[::-1])
