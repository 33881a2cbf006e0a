"""Finds what fell by the wayside, every few seconds in every worker: all of it may be done twice.

- a run whose owner died is given to a worker again;
- a lane whose wake-up was lost is woken;
- a job that has waited too long fails;
- audio whose time has passed is removed, and its job's record after as long again.
"""

import time
from collections.abc import Iterator
from typing import cast

from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore, audio_name
from app.shared.job import Job, JobStatus, change, from_fields
from app.shared.job_queue import JobQueue
from app.shared.settings import Settings
from app.shared.transition import TRANSITION, transition_arguments
from workers.run_store import RunStore

PERIOD_SECONDS = 5
_AT_ONCE = 500


class Sweep:
    """One pass is `sweep()`. Raises redis' own errors."""

    def __init__(self, redis: Redis, runs: RunStore, queue: JobQueue, audio: AudioStore, settings: Settings) -> None:
        self._redis = redis
        self._runs = runs
        self._queue = queue
        self._audio = audio
        self._settings = settings
        self._transition = redis.register_script(TRANSITION)

    def sweep(self) -> None:
        """Does everything that is due."""
        for run_id in self._runs.ownerless():
            self._queue.wake_run(run_id)
        self._fail_overdue()
        for lane in self._runs.waiting_lanes():
            self._queue.wake_lane(lane)
        self._expire_audio()
        self._expire_records()

    def _fail_overdue(self) -> None:
        hours = self._settings.max_wait_hours
        for job in self._older(keys.QUEUED, hours):
            now = time.time()
            detail = f"the job waited for more than {hours:g} hours"
            error = {"code": "wait_expired", "detail": detail, "retryable": True}
            fields = change(error=error, waiting=None, finished_at=now)
            self._transition(args=transition_arguments(job.id, JobStatus.FAILED, now, fields, [JobStatus.QUEUED]))

    def _expire_audio(self) -> None:
        for job in self._older(keys.FINISHED, self._settings.result_ttl_hours):
            if job.audio is not None:
                self._audio.delete(audio_name(job.id, job.audio["sha256"], job.audio["format"]))
            with self._redis.pipeline() as pipeline:
                pipeline.zadd(keys.EXPIRED, {job.id: job.finished_at or 0.0})
                pipeline.zrem(keys.FINISHED, job.id)
                pipeline.execute()

    def _expire_records(self) -> None:
        for job in self._older(keys.EXPIRED, 2 * self._settings.result_ttl_hours):
            mine = keys.JOBS + job.caller
            with self._redis.pipeline() as pipeline:
                pipeline.delete(keys.JOB + job.id)
                pipeline.zrem(mine, job.id)
                pipeline.zrem(f"{mine}:{job.status}", job.id)
                pipeline.zrem(keys.EXPIRED, job.id)
                pipeline.execute()

    def _older(self, index: str, hours: float) -> Iterator[Job]:
        """Jobs of an index whose time is longer ago than so many hours."""
        before = time.time() - hours * 3600
        for job_id in cast("list[str]", self._redis.zrangebyscore(index, "-inf", before, start=0, num=_AT_ONCE)):
            fields = cast("dict[str, str]", self._redis.hgetall(keys.JOB + job_id))
            if fields:
                yield from_fields(fields)
            else:
                self._redis.zrem(index, job_id)
