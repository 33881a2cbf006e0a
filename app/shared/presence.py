"""What each living worker says of itself, so that the API knows what can be run and where.

A worker repeats it every few seconds; one that has been silent for LIFETIME_SECONDS counts as gone.
"""

import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.shared import keys

LIFETIME_SECONDS = 15
ANNOUNCED_EVERY_SECONDS = 5

MACHINE_SECONDS = 60
"""How long a machine or a host is waited for that no worker is heard from: time enough to start one again."""


def new_name() -> str:
    """A name for a worker: its machine, its process, its time."""
    return f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() // 1_000_000:x}"


@dataclass(frozen=True)
class Presence:
    """One worker: its `machine`, `hosts` it can run on, and `local_providers` whose packages it has."""

    name: str
    machine: str
    started_at: float
    hosts: Sequence[str]
    local_providers: Sequence[str]


def announce(redis: Redis, presence: Presence) -> None:
    """Says that the worker lives."""
    with redis.pipeline() as pipeline:
        pipeline.set(keys.WORKER + presence.name, json.dumps(asdict(presence)), ex=LIFETIME_SECONDS)
        pipeline.set(keys.MACHINE + presence.machine, "1", ex=MACHINE_SECONDS)
        pipeline.hset(keys.HOSTS, mapping=dict.fromkeys(presence.hosts, time.time()))
        # Silence counts only while somebody could be heard: after a night without any worker it begins anew.
        pipeline.expire(keys.HOSTS, MACHINE_SECONDS)
        pipeline.zadd(keys.WORKERS, {presence.name: time.time()})
        pipeline.zremrangebyscore(keys.WORKERS, "-inf", time.time() - 10 * LIFETIME_SECONDS)
        pipeline.execute()


def depart(redis: Redis, name: str) -> None:
    """Says that the worker is leaving."""
    redis.delete(keys.WORKER + name)
    redis.zrem(keys.WORKERS, name)


def lives_here(redis: Redis) -> bool:
    """Whether a worker of this machine, or of this container, was heard of within LIFETIME_SECONDS."""
    names = cast("list[str]", redis.zrange(keys.WORKERS, 0, -1))
    ours = [name for name in names if name.rsplit("-", 2)[0] == socket.gethostname()]
    return bool(ours) and redis.exists(*(keys.WORKER + name for name in ours)) != 0


def is_machine_gone(redis: Redis, machine: str) -> bool:
    """Whether no worker of that machine was heard of within MACHINE_SECONDS."""
    return not redis.exists(keys.MACHINE + machine)


def silence_of(redis: Redis, host: str) -> float:
    """For how many seconds no worker was heard of that can run on this host; of one that none has named, or
    after a time without any worker, since now."""
    now = time.time()
    redis.hsetnx(keys.HOSTS, host, now)
    return now - float(cast("str | None", redis.hget(keys.HOSTS, host)) or now)


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
