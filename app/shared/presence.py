"""What each living worker says of itself, so that the API knows what can be run and where.

A worker repeats it every few seconds; one that has been silent for LIFETIME_SECONDS counts as gone.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.shared import keys

LIFETIME_SECONDS = 15


@dataclass(frozen=True)
class Presence:
    """One worker: `hosts` it can run on, and `local_providers` whose packages it has."""

    name: str
    started_at: float
    hosts: Sequence[str]
    local_providers: Sequence[str]


def announce(redis: Redis, presence: Presence) -> None:
    """Says that the worker lives."""
    with redis.pipeline() as pipeline:
        pipeline.set(keys.WORKER + presence.name, json.dumps(asdict(presence)), ex=LIFETIME_SECONDS)
        pipeline.zadd(keys.WORKERS, {presence.name: time.time()})
        pipeline.zremrangebyscore(keys.WORKERS, "-inf", time.time() - 10 * LIFETIME_SECONDS)
        pipeline.execute()


def depart(redis: Redis, name: str) -> None:
    """Says that the worker is leaving."""
    redis.delete(keys.WORKER + name)
    redis.zrem(keys.WORKERS, name)


def local_providers_of_living(redis: Redis) -> set[str]:
    """The providers that some living worker can speak with on its own machine."""
    names = cast("list[str]", redis.zrange(keys.WORKERS, 0, -1))
    records = cast("list[str | None]", redis.mget([keys.WORKER + name for name in names])) if names else []
    return {provider for record in records if record for provider in json.loads(record)["local_providers"]}


async def living_workers(redis: AsyncRedis) -> list[Presence]:
    """The workers heard of within LIFETIME_SECONDS."""
    names = cast("list[str]", await redis.zrange(keys.WORKERS, 0, -1))
    records = await redis.mget([keys.WORKER + name for name in names]) if names else []
    return [Presence(**json.loads(record)) for record in records if record]
