"""Deliveries as workers take them up: whose turn it is, and what came of it.

Destinations take turns, and each has a few of its deliveries under way at most, and so has each caller, over all
workers: whose receivers hang keeps nobody else waiting. Whoever takes one up has a lease; when it runs out, the next
one tries again, with the same webhook-id. So a receiver may hear twice of an event, when a worker dies after sending
and before writing that down, and never of none.
"""

from collections.abc import Sequence
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.clock import CLOCK_LUA
from app.shared.deliveries import MOST_ATTEMPTS_KEPT, Attempt, Delivery, DeliveryStatus
from app.shared.metrics import METRICS_LUA

log = structlog.get_logger()

MOST_PER_DESTINATION = 4
MOST_PER_CALLER = 8
_DESTINATIONS_AT_ONCE = 100
_BUSY_SECONDS = 1

# Takes how many at most, seconds of the lease. Answers ids and records of what was taken up: one of each destination.
# A destination that has as many under way as it may is looked at again a little later, so that others get their turn.
# One whose caller has goes behind those that wait by now: it may be taken up as soon as any of the caller's has ended.
_CLAIM = f"""{CLOCK_LUA}
local now, most, lease, taken = tonumber(clock()), tonumber(ARGV[1]), tonumber(ARGV[2]), {{}}
local function has_its_share(sending, share)
  redis.call('ZREMRANGEBYSCORE', sending, '-inf', now)
  return redis.call('ZCARD', sending) >= share
end
local turns = {{'ZRANGEBYSCORE', '{keys.DUE_DESTINATIONS}', '-inf', now, 'LIMIT', 0, {_DESTINATIONS_AT_ONCE}}}
for _, destination in ipairs(redis.call(unpack(turns))) do
  if #taken == most then break end
  local due, sending = '{keys.DUE_DELIVERIES}' .. destination, '{keys.SENDING_DELIVERIES}' .. destination
  local rests = tonumber(redis.call('GET', '{keys.RESTING_DESTINATION}' .. destination) or 0)
  local turn
  if rests > now then
    turn = rests
  elseif has_its_share(sending, {MOST_PER_DESTINATION}) then
    turn = now + {_BUSY_SECONDS}
  else
    local id = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 1)[1]
    local caller = id and redis.call('HGET', '{keys.DELIVERY}' .. id, 'caller')
    local of_caller = '{keys.SENDING_FOR_CALLER}' .. (caller or '')
    if id and not caller then
      redis.call('ZREM', due, id)
    elseif id and not has_its_share(of_caller, {MOST_PER_CALLER}) then
      redis.call('HINCRBY', '{keys.DELIVERY}' .. id, 'claims', 1)
      for _, queue in ipairs({{due, sending, of_caller}}) do redis.call('ZADD', queue, now + lease, id) end
      taken[#taken + 1] = {{id, redis.call('HGETALL', '{keys.DELIVERY}' .. id)}}
    end
    local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
    turn = first[2] and math.max(now, first[2])
  end
  if turn then
    redis.call('ZADD', '{keys.DUE_DESTINATIONS}', turn, destination)
  else
    redis.call('ZREM', '{keys.DUE_DESTINATIONS}', destination)
  end
end
return taken
"""

# Takes delivery, destination, caller, the number of its claim, attempt as JSON, status, tries, seconds until the next
# try, seconds that the destination rests. What another worker has taken up meanwhile is left to that one, unless the
# receiver has it now.
_SETTLE = f"""{CLOCK_LUA}{METRICS_LUA}
local id, destination, caller, claim, attempt, status, tries, wait, rest = unpack(ARGV)
local key, due, now = '{keys.DELIVERY}' .. id, '{keys.DUE_DELIVERIES}' .. destination, tonumber(clock())
local found = redis.call('HMGET', key, 'status', 'claims')
count('webhook_attempts|' .. status, 1)
if found[1] then
  redis.call('RPUSH', key .. ':attempts', attempt)
  redis.call('LTRIM', key .. ':attempts', {-MOST_ATTEMPTS_KEPT}, -1)
end
local mine = found[2] == claim
if mine then
  redis.call('ZREM', '{keys.SENDING_DELIVERIES}' .. destination, id)
  redis.call('ZREM', '{keys.SENDING_FOR_CALLER}' .. caller, id)
end
if found[1] == '{DeliveryStatus.PENDING}' and (mine or status == '{DeliveryStatus.DELIVERED}') then
  redis.call('HSET', key, 'status', status, 'tries', tries)
  if status == '{DeliveryStatus.PENDING}' then
    redis.call('ZADD', due, now + wait, id)
  else
    redis.call('ZREM', due, id)
  end
end
if tonumber(rest) > 0 then
  local rests = '{keys.RESTING_DESTINATION}' .. destination
  redis.call('SET', rests, string.format('%.3f', now + rest), 'PX', math.ceil(rest * 1000))
end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
if first[2] then
  redis.call('ZADD', '{keys.DUE_DESTINATIONS}', math.max(now + rest, first[2]), destination)
else
  redis.call('ZREM', '{keys.DUE_DESTINATIONS}', destination)
end
"""


class Outbox:
    """Raises redis' own errors."""

    def __init__(self, redis: Redis, *, lease_seconds: float) -> None:
        self._redis = redis
        self._lease_seconds = lease_seconds
        self._claim = redis.register_script(_CLAIM)
        self._settle = redis.register_script(_SETTLE)

    def claim(self, most: int) -> Sequence[Delivery]:
        """Takes up what is due, so many at most; there may be more where this is not empty."""
        taken = cast("list[tuple[str, list[str]]]", self._claim(args=[most, self._lease_seconds]))
        return [delivery for one, fields in taken if (delivery := self._read(one, fields))]

    def _read(self, delivery_id: str, fields: Sequence[str]) -> Delivery | None:
        try:
            return Delivery.from_fields(delivery_id, dict(zip(fields[::2], fields[1::2], strict=True)))
        except (KeyError, ValueError):
            log.exception("delivery not readable, forgotten", delivery=delivery_id)
            self._redis.delete(keys.DELIVERY + delivery_id)
            return None

    def settle(
        self, delivery: Delivery, attempt: Attempt, status: DeliveryStatus, *, wait: float = 0.0, rest: float = 0.0
    ) -> None:
        """Writes down an attempt and what follows from it: one that is `pending` is tried again in `wait` seconds.

        The whole destination is left alone for `rest` seconds.
        """
        self._settle(
            args=[
                delivery.id, delivery.destination, delivery.caller, delivery.claims, attempt.to_json(), status,
                delivery.tries + 1, repr(wait), repr(rest),
            ]
        )  # fmt: skip
