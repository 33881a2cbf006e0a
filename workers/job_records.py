"""Reads jobs' records.

One that cannot be read is put right, as far as it can be, and its job fails: else it would stall whatever it waits in,
for ever, and could not even be shown.
"""

import time
from collections.abc import Mapping
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.identifiers import created_at
from app.shared.job import UNREADABLE, Job, JobStatus, Speech, change, from_fields, to_fields
from app.shared.transition import TRANSITION, transition_arguments

log = structlog.get_logger()


def read_job(redis: Redis, job_id: str) -> Job | None:
    """The job, None where there is none."""
    return job_of(redis, job_id, cast("dict[str, str]", redis.hgetall(keys.JOB + job_id)))


def job_of(redis: Redis, job_id: str, fields: Mapping[str, str]) -> Job | None:
    """The job of these fields, None where there are none."""
    try:
        return from_fields(fields) if fields else None
    except UNREADABLE:
        return end_unreadable(redis, job_id)


def end_unreadable(redis: Redis, job_id: str) -> Job | None:
    """The job that could not be read: it has failed, unless it had ended. None where there is none."""
    log.exception("job not readable", job=job_id)
    fields = cast("dict[str, str]", redis.hgetall(keys.JOB + job_id))
    if not fields:
        return None
    lost = _put_right(redis, job_id, fields)
    detail = f"its record in Redis could not be read ({', '.join(lost)}), as after an older version was put back"
    error, now = {"code": "job_unreadable", "detail": detail, "retryable": True}, time.time()
    ended = change(error=error, waiting=None, finished_at=now)
    redis.register_script(TRANSITION)(args=transition_arguments(job_id, JobStatus.FAILED, now, ended))
    return from_fields(cast("dict[str, str]", redis.hgetall(keys.JOB + job_id)))


def _put_right(redis: Redis, job_id: str, fields: Mapping[str, str]) -> list[str]:
    """Replaces what cannot be read by what a job has that nothing is known of; the names of what was lost."""
    provider, model, host = f"{fields.get('lane', '')}::".split(":")[:3]
    nothing = Speech(text="", provider=provider, model=model, voice=None, language="", host=host, gpu=False)
    plain = to_fields(Job(id=job_id, caller=fields.get("caller", ""), created_at=created_at(job_id), speech=nothing))
    lost = [name for name in {**plain, **fields} if not _is_readable(name, fields, plain)]
    with redis.pipeline() as pipeline:
        for name in lost:
            if name in plain:
                pipeline.hset(keys.JOB + job_id, name, plain[name])
            else:
                pipeline.hdel(keys.JOB + job_id, name)
        pipeline.execute()
    return lost


def _is_readable(name: str, fields: Mapping[str, str], plain: Mapping[str, str]) -> bool:
    try:
        if name in {"score", "seconds", "source_bytes"}:
            float(fields[name])
        from_fields({**plain, name: fields[name]})
    except UNREADABLE:
        return False
    return True
