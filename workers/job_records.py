"""Reads jobs' records.

What cannot be read is passed over, so that it stalls nothing, and fails after ten minutes: a newer version may have
written it, whose workers are about to start.
"""

import time
from collections.abc import Mapping
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.job import Job, JobStatus, change, from_fields
from app.shared.transition import TRANSITION, transition_arguments

log = structlog.get_logger()

_PATIENCE_SECONDS = 600
_DAY = 24 * 3600

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
        pass_over(redis, job_id)
        return None


def is_under_way(redis: Redis, job_id: str) -> bool:
    """Whether there is the job, readable or not, and it has not ended."""
    status = cast("str | None", redis.hget(keys.JOB + job_id, "status"))
    return status is not None and not JobStatus(status).terminal


def pass_over(redis: Redis, job_id: str) -> None:
    """Fails a job that could not be read for long, unless it has ended; called where reading it raised an error."""
    now = time.time()
    redis.set(keys.UNREADABLE + job_id, repr(now), nx=True, ex=_DAY)
    since = float(cast("str | None", redis.get(keys.UNREADABLE + job_id)) or now)
    log.warning("job not readable", job=job_id, exc_info=True, for_seconds=round(now - since))
    if now - since < _PATIENCE_SECONDS:
        return
    detail = "its record in Redis cannot be read, as after an older version was put back; send the job again"
    error = {"code": "job_unreadable", "detail": detail, "retryable": False}
    fields = change(error=error, waiting=None, finished_at=now)
    redis.register_script(TRANSITION)(args=transition_arguments(job_id, JobStatus.FAILED, now, fields))
