"""Reads the indexes of jobs that are ordered by a time."""

import time
from collections.abc import Iterator
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.job import Job, from_fields

log = structlog.get_logger()

AT_ONCE = 500
"""How many jobs one look takes; the next one finds the rest."""


def jobs_before(redis: Redis, index: str, hours: float) -> Iterator[Job]:
    """Jobs of an index whose time is longer ago than so many hours."""
    before = time.time() - hours * 3600
    for job_id in cast("list[str]", redis.zrangebyscore(index, "-inf", before, start=0, num=AT_ONCE)):
        fields = cast("dict[str, str]", redis.hgetall(keys.JOB + job_id))
        try:
            yield from_fields(fields)
        except (KeyError, ValueError, TypeError):
            log.exception("job not readable, forgotten by the sweep", job=job_id, index=index)
            redis.zrem(index, job_id)
