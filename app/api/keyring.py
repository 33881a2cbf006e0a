"""The keys that this process knows, so that no request has to ask Redis for its own.

They are read anew whenever one is made or revoked, which Redis says, and every few seconds, because that may be missed.
While Redis is away the keys known last count on. Before the first reading nobody can tell who may come in, not even
whether there is any key.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.shared import keys
from app.shared.api_key import NO_LIMITS, ApiKey, Limits, id_within, is_whole, readable
from app.shared.errors import StoreUnavailable, Unauthorized
from app.shared.rates import Rate

_REFRESH_SECONDS = 2.0
_RETRY_SECONDS = 0.5
_USE_SECONDS = 60.0

# Takes id, moment, … A key that was revoked meanwhile leaves nothing behind.
_NOTE_USES = f"""
for i = 1, #ARGV, 2 do
  if redis.call('HEXISTS', '{keys.API_KEYS}', ARGV[i]) == 1 then
    redis.call('HSET', '{keys.API_KEYS_USED}', ARGV[i], ARGV[i + 1])
  end
end
"""

log = structlog.get_logger(__name__)


Mode = Literal["required", "this_machine_only", "missing", "unknown"]
"""Who is served: whoever has a key; there is none yet, and this machine or nobody; Redis has not told yet."""


class Keyring:
    """Every key by its id. `open_here`: without any key this machine may be served, because no other can reach it."""

    def __init__(self, redis: Redis, *, open_here: bool) -> None:
        self._redis = redis
        self._open_here = open_here
        self._keys: Mapping[str, ApiKey] | None = None
        self._are_kept = False  # there may be some that this release cannot read
        self._limits: Mapping[str, Limits] = {}
        self._rates: Mapping[str, Sequence[Rate]] = {}
        self._used: dict[str, float] = {}
        self._noted: dict[str, float] = {}
        self._note_uses = redis.register_script(_NOTE_USES)

    @property
    def is_empty(self) -> bool:
        """Whether there is no key. Raises StoreUnavailable as long as that is not known."""
        if self._keys is None:
            raise StoreUnavailable("nobody can tell yet which keys there are: Redis does not answer")
        return not self._are_kept

    @property
    def mode(self) -> Mode:
        """Who is served now."""
        if self._keys is None:
            return "unknown"
        if self._are_kept:
            return "required"
        return "this_machine_only" if self._open_here else "missing"

    def find(self, token: str | None) -> ApiKey:
        """The key that a request carries. Raises Unauthorized."""
        if not token:
            raise Unauthorized("send a key as 'Authorization: Bearer <key>' or as 'X-API-Key: <key>'")
        key = self._keys.get(id_within(token)) if self._keys else None
        if key is None or not key.is_opened_by(token):
            wrong = "the key is not one of this service's" if is_whole(token) else "that is no key, or not a whole one"
            raise Unauthorized(f"{wrong}; `kavox keys create` makes one")
        now = time.time()
        if key.has_expired(now):
            raise Unauthorized("the key has expired; `kavox keys create` makes a new one")
        self._used[key.id] = now
        return key

    def limits_of(self, name: str) -> Limits:
        """What callers of this name are held to."""
        return self._limits.get(name, NO_LIMITS)

    @property
    def has_rates(self) -> bool:
        """Whether the requests of any name are counted."""
        return bool(self._rates)

    def rates_of(self, name: str) -> Sequence[Rate]:
        """How often callers of this name may ask."""
        return self._rates.get(name, ())

    async def load(self) -> None:
        """Reads all keys. Raises redis' own errors."""
        kept = cast("dict[str, str]", await self._redis.hgetall(keys.API_KEYS))
        known = {key.id: key for key in readable(kept)}
        now, limits = time.time(), defaultdict(list)
        for key in known.values():
            if not key.has_expired(now):
                limits[key.name].append(key.limits)
        self._keys, self._are_kept = known, bool(kept)
        self._limits = {name: Limits.tightest(every) for name, every in limits.items()}
        self._rates = {
            name: [Rate.parse(rate) for rate in its.rates] for name, its in self._limits.items() if its.rates
        }

    async def serve(self) -> None:
        """Keeps the keys up to date until it is cancelled."""
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(keys.CHANGED_KEYS)
                    while True:
                        await self.load()
                        await self._note()
                        await subscription.get_message(timeout=_REFRESH_SECONDS)
            except (RedisError, OSError) as error:
                log.warning("keys not read for a moment", error=str(error))
            except Exception:
                log.exception("keys are read anew")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _note(self) -> None:
        """Writes down when keys were used last, of each once a minute."""
        new = {
            key_id: moment
            for key_id, moment in self._used.items()
            if moment - self._noted.get(key_id, 0.0) > _USE_SECONDS
        }
        if new:
            await self._note_uses(args=[part for key_id, moment in new.items() for part in (key_id, f"{moment:.0f}")])
            self._noted |= new
