"""Removes what has been kept for long enough: audio, the logs of runs, and at last the records of jobs and batches."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.audio_formats import kept_names
from app.shared.audio_store import AudioStore
from app.shared.deliveries import forget_deliveries
from app.shared.errors import StoreUnavailable
from app.shared.job import Job
from app.shared.settings import Settings
from workers.job_index import AT_ONCE, jobs_before
from workers.run_logs import RunLogs

log = structlog.get_logger()


class Retention:
    """Raises redis' own errors."""

    def __init__(self, redis: Redis, audio: AudioStore, logs: RunLogs, settings: Settings) -> None:
        self._redis = redis
        self._audio = audio
        self._logs = logs
        self._hours = settings.result_ttl_hours

    def steps(self) -> Mapping[str, Callable[[], None]]:
        """What removes audio and logs after the retention time, the records of jobs and batches after as long again.

        Each is of use without the others. Files go before it is written down that they went: on a disk that is full,
        Redis writes nothing before there is room.
        """
        return {
            "audio": self._expire_audio,
            "records": self._expire_records,
            "joined audio": self._expire_joined,
            "batches": self._expire_batches,
            "logs": partial(self._logs.expire, self._hours),
        }

    def _expire_audio(self) -> None:
        with self._redis.pipeline() as pipeline:
            for job in jobs_before(self._redis, keys.FINISHED, self._hours):
                if self._is_of_open_batch(job):
                    # Its audio is fetched with that of the others, so the time counts anew.
                    pipeline.zadd(keys.FINISHED, {job.id: time.time()}, xx=True)
                elif self._removed(job):
                    pipeline.zadd(keys.EXPIRED, {job.id: job.finished_at or 0.0})
                    pipeline.zrem(keys.FINISHED, job.id)
            pipeline.execute()

    def _is_of_open_batch(self, job: Job) -> bool:
        if not job.batch:
            return False
        total, finished_at = self._redis.hmget(keys.BATCH + job.batch, "total", "finished_at")
        return total is not None and finished_at is None

    def _removed(self, job: Job) -> bool:
        """Whether the job's audio is gone, as it is where there never was any."""
        try:
            if job.audio is not None:
                wav, *others = kept_names(job.id, job.audio)
                # The wav first: as long as it is there, the API may make others of it.
                self._audio.delete(wav)
                self._audio.delete(*others)
        except StoreUnavailable as error:
            log.warning("audio not removed yet", job=job.id, detail=error.detail)
            return False
        return True

    def _expire_records(self) -> None:
        for job in jobs_before(self._redis, keys.EXPIRED, 2 * self._hours):
            mine = keys.JOBS + job.caller
            if job.webhook is not None:
                forget_deliveries(self._redis, job.id)
            with self._redis.pipeline() as pipeline:
                pipeline.delete(keys.JOB + job.id)
                pipeline.zrem(mine, job.id)
                pipeline.zrem(f"{mine}:{job.status}", job.id)
                pipeline.zrem(keys.EXPIRED, job.id)
                pipeline.execute()

    def _expire_joined(self) -> None:
        """The audio of batches that was joined, with their jobs' audio."""
        with self._redis.pipeline() as pipeline:
            for batch_id in self._ended_before(keys.BATCHES_ENDED, self._hours):
                if self._removed_files(batch_id):
                    ended = self._redis.zscore(keys.BATCHES_ENDED, batch_id) or 0.0
                    pipeline.zadd(keys.BATCHES_EXPIRED, {batch_id: ended})
                    pipeline.zrem(keys.BATCHES_ENDED, batch_id)
            pipeline.execute()

    def _expire_batches(self) -> None:
        for batch_id in self._ended_before(keys.BATCHES_EXPIRED, 2 * self._hours):
            key = keys.BATCH + batch_id
            # What was begun before its jobs' audio went may have come after it.
            if self._removed_files(batch_id):
                caller = cast("str", self._redis.hget(key, "caller"))
                forget_deliveries(self._redis, batch_id)
                with self._redis.pipeline() as pipeline:
                    pipeline.delete(key, f"{key}:jobs", f"{key}:files")
                    pipeline.zrem(f"{keys.BATCHES}{caller}", batch_id)
                    pipeline.zrem(keys.BATCHES_EXPIRED, batch_id)
                    pipeline.execute()

    def _removed_files(self, batch_id: str) -> bool:
        """Whether the audio that was joined for the batch is gone."""
        names = cast("set[str]", self._redis.smembers(f"{keys.BATCH}{batch_id}:files"))
        try:
            for name in names:
                self._audio.delete(name)
        except StoreUnavailable as error:
            log.warning("joined audio not removed yet", batch=batch_id, detail=error.detail)
            return False
        return True

    def _ended_before(self, index: str, hours: float) -> list[str]:
        before = time.time() - hours * 3600
        return cast("list[str]", self._redis.zrangebyscore(index, "-inf", before, start=0, num=AT_ONCE))
