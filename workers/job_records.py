"""Reads jobs' records. A job whose record cannot be read fails: else it would stall whatever it waits in, for ever."""

import time
from collections.abc import Mapping
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.job import Job, JobStatus, change, from_fields
from app.shared.transition import TRANSITION, transition_arguments

log = structlog.get_logger()

UNREADABLE = (KeyError, ValueError, TypeError)
"""What reading a record raises that nobody of this version can have written."""


def read_job(redis: Redis, job_id: str) -> Job | None:
    """The job, None where there is none or it cannot be read."""
    return readable(redis, job_id, cast("dict[str, str]", redis.hgetall(keys.JOB + job_id)))


def readable(redis: Redis, job_id: str, fields: Mapping[str, str]) -> Job | None:
    """The job of these fields, None where there are none or they cannot be read."""
    if not fields:
        return None
    try:
        return from_fields(fields)
    except UNREADABLE:
        end_unreadable(redis, job_id)
        return None


def end_unreadable(redis: Redis, job_id: str) -> None:
    """Fails the job, unless it has ended; called where reading it raised an error."""
    log.exception("job not readable", job=job_id)
    detail = "its record in Redis cannot be read, as after an older version was put back; send the job again"
    error, now = {"code": "job_unreadable", "detail": detail, "retryable": False}, time.time()
    fields = change(error=error, waiting=None, finished_at=now)
    redis.register_script(TRANSITION)(args=transition_arguments(job_id, JobStatus.FAILED, now, fields))
