"""What is to be told by webhooks: written in the very script that changes what it tells of, so that no kill loses it.

    pending ──► delivered   the receiver answered with 2xx
      ▲   └───► failed      … never within a day, or with 410, or it was progress, which the next one replaces
      └─────────── either, when its caller asks for it again: POST /jobs/{id}/deliveries/{delivery_id}

A delivery tells one event to one URL under one id, the `webhook-id`, however often it is tried. Its subject is a job
or a batch, whose record has a subscription (`webhook.py`). Scripts that change one call `tell`; what it shows is read
when it is told, save what only holds for that moment.

Deliveries wait by destination, so that a receiver that is slow or dead keeps none but its own waiting, and a caller of
many such receivers none but its own. Those that are being sent stay in the queue with the end of their lease as their
time: a worker that dies leaves nothing to be tidied.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self, cast

from redis import Redis

from app.shared import keys
from app.shared.clock import CLOCK_LUA
from app.shared.errors import NotFound
from app.shared.pipelines import SharedPipelines

PROGRESS_SECONDS = 5
"""A job tells its progress no more often."""

MOST_ATTEMPTS_KEPT = 30

# The destination's own place in the queue is that of its first delivery.
_QUEUE_LUA = f"""{CLOCK_LUA}
local function enqueue(destination, id, due)
  redis.call('ZADD', '{keys.DUE_DELIVERIES}' .. destination, due, id)
  redis.call('ZADD', '{keys.DUE_DESTINATIONS}', 'LT', due, destination)
end
local function forget_delivery(id)
  local key = '{keys.DELIVERY}' .. id
  local record = redis.call('HMGET', key, 'destination', 'subject', 'caller')
  if not record[1] then return end
  redis.call('ZREM', '{keys.DUE_DELIVERIES}' .. record[1], id)
  redis.call('ZREM', '{keys.SENDING_DELIVERIES}' .. record[1], id)
  redis.call('ZREM', '{keys.SENDING_FOR_CALLER}' .. record[3], id)
  redis.call('LREM', '{keys.DELIVERIES}' .. record[2], 0, id)
  redis.call('DEL', key, key .. ':attempts')
end
"""

# tell(record, subject, subscription, type, data, due) has a webhook sent: `record` is the key of the subject's hash,
# `subscription` JSON of `webhook.py`, `type` like batch.completed, whose last word is the event that may be subscribed
# to, `data` JSON of what only holds now, ''
# for nothing of the kind; `due` when, nil for now. Answers the delivery's id, nil when nobody
# wants to know.
# tell_progress(id, subscription) does so for a job that has come further, tell_end(id, subscription, status) for one
# that has ended: how far it came is then of no interest any more.
TELL_LUA = f"""{_QUEUE_LUA}
local function tell(record, subject, subscription, type, data, due)
  local wish, wanted = cjson.decode(subscription), false
  for _, event in ipairs(wish.events) do wanted = wanted or event == string.match(type, '[^.]+$') end
  if not wanted then return nil end
  local id = subject .. '-' .. redis.call('HINCRBY', record, 'told', 1)
  redis.call(
    'HSET', '{keys.DELIVERY}' .. id, 'subject', subject, 'type', type, 'caller', wish.caller, 'url', wish.url,
    'destination', wish.destination, 'created_at', clock(), 'data', data, 'status', 'pending', 'tries', 0, 'claims', 0,
    'wished_at', wish.wished_at
  )
  redis.call('RPUSH', '{keys.DELIVERIES}' .. subject, id)
  enqueue(wish.destination, id, due or clock())
  return id
end
local function tell_progress(id, subscription)
  local job = '{keys.JOB}' .. id
  local told = redis.call('HMGET', job, 'told_progress', 'told_progress_at')
  if told[1] then
    -- It will tell what is so by then, or is being sent: whoever is that slow is not told more.
    if redis.call('HGET', '{keys.DELIVERY}' .. told[1], 'status') == 'pending' then return end
    forget_delivery(told[1])
  end
  local due = math.max(clock(), (told[2] or 0) + {PROGRESS_SECONDS})
  local new = tell(job, id, subscription, 'job.progress', '', due)
  if new then redis.call('HSET', job, 'told_progress', new, 'told_progress_at', due) end
end
local function tell_end(id, subscription, status)
  local progress = redis.call('HGET', '{keys.JOB}' .. id, 'told_progress')
  if progress and redis.call('HGET', '{keys.DELIVERY}' .. progress, 'claims') == '0' then forget_delivery(progress) end
  tell('{keys.JOB}' .. id, id, subscription, 'job.' .. status, '')
end
"""

# Takes a subject that is no longer kept.
FORGET = f"""{_QUEUE_LUA}
for _, id in ipairs(redis.call('LRANGE', '{keys.DELIVERIES}' .. ARGV[1], 0, -1)) do forget_delivery(id) end
redis.call('DEL', '{keys.DELIVERIES}' .. ARGV[1])
"""

# Takes a delivery. It has all its attempts again; one that is being sent is left to that.
_REDELIVER = f"""{_QUEUE_LUA}
local key, now = '{keys.DELIVERY}' .. ARGV[1], clock()
local destination = redis.call('HGET', key, 'destination')
if not destination then return end
local sending = redis.call('ZSCORE', '{keys.SENDING_DELIVERIES}' .. destination, ARGV[1])
if sending and tonumber(sending) > tonumber(now) then return end
redis.call('HSET', key, 'status', 'pending', 'tries', 0, 'wished_at', now)
redis.call('DEL', '{keys.RESTING_DESTINATION}' .. destination)
enqueue(destination, ARGV[1], now)
"""


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Attempt:
    """One request to the receiver, or none where `error` says why nothing was sent; `status` is that of its answer.

    `at` is in seconds since 1970, `error` has code and detail, and is None when the receiver took it.
    """

    at: float
    seconds: float
    status: int | None = None
    error: Mapping[str, str] | None = None

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps(vars(self))


@dataclass(frozen=True)
class Delivery:
    """One event for one URL. Times are seconds since 1970.

    `data` is what it tells, as JSON; of a job only what held for that moment, or ''. Its caller has asked for it at
    `wished_at`, in the request or later. `tries` counts its attempts since the event or a redelivery, `claims` who has
    taken it up. `due` is when it will be tried again.
    """

    id: str
    subject: str
    type: str
    caller: str
    url: str
    destination: str
    created_at: float
    data: str
    status: DeliveryStatus
    tries: int
    claims: int
    wished_at: float
    attempts: Sequence[Attempt] = field(default_factory=list)
    due: float | None = None

    @classmethod
    def from_fields(cls, delivery_id: str, fields: Mapping[str, str], **more: Any) -> Self:
        """The delivery from its Redis hash."""
        return cls(
            id=delivery_id,
            subject=fields["subject"],
            type=fields["type"],
            caller=fields["caller"],
            url=fields["url"],
            destination=fields["destination"],
            data=fields["data"],
            created_at=float(fields["created_at"]),
            status=DeliveryStatus(fields["status"]),
            tries=int(fields["tries"]),
            claims=int(fields["claims"]),
            wished_at=float(fields["wished_at"]),
            **more,
        )


class Deliveries:
    """What the API shows of deliveries. Raises redis' own errors."""

    def __init__(self, redis: SharedPipelines) -> None:
        self._redis = redis
        self._redeliver = redis.register_script(_REDELIVER)

    async def of(self, subject: str) -> Sequence[Delivery]:
        """All of a subject's, the oldest first."""
        ids = cast("list[str]", await self._redis.lrange(keys.DELIVERIES + subject, 0, -1))
        records = await self._redis.together([("HGETALL", keys.DELIVERY + one) for one in ids])
        known = {one: fields for one, fields in zip(ids, records, strict=True) if fields}
        attempts = await self._redis.together([("LRANGE", f"{keys.DELIVERY}{one}:attempts", 0, -1) for one in known])
        due = await self._redis.together(
            [("ZSCORE", keys.DUE_DELIVERIES + fields["destination"], one) for one, fields in known.items()]
        )
        return [
            Delivery.from_fields(one, fields, attempts=list(map(_attempt, its)), due=when and float(when))
            for (one, fields), its, when in zip(known.items(), attempts, due, strict=True)
        ]

    async def get(self, subject: str, delivery_id: str) -> Delivery:
        """Raises NotFound for one that is not the subject's."""
        for delivery in await self.of(subject):
            if delivery.id == delivery_id:
                return delivery
        raise NotFound(f"there is no delivery '{delivery_id[:64]}'", code="delivery_not_found")

    async def redeliver(self, delivery: Delivery) -> None:
        """Has it sent again at once, under the same id, whatever has become of it."""
        await self._redeliver(args=[delivery.id])


def forget_deliveries(redis: Redis, subject: str) -> None:
    """Removes all that was to be told of a subject."""
    redis.register_script(FORGET)(args=[subject])


def _attempt(stored: str) -> Attempt:
    return Attempt(**json.loads(stored))
