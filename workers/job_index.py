"""Reads the indexes of jobs that are ordered by a time."""

import time
from collections.abc import Iterator
from typing import cast

from redis import Redis

from app.shared.job import Job
from workers.job_records import read_job

AT_ONCE = 500
"""How many jobs one look takes; the next one finds the rest."""


def jobs_before(redis: Redis, index: str, hours: float) -> Iterator[Job]:
    """Jobs of an index whose time is longer ago than so many hours; what is no job is taken out of it."""
    before = time.time() - hours * 3600
    for job_id in cast("list[str]", redis.zrangebyscore(index, "-inf", before, start=0, num=AT_ONCE)):
        if job := read_job(redis, job_id):
            yield job
        else:
            redis.zrem(index, job_id)
