"""Finds what fell by the wayside, every few seconds in every worker: all of it may be done twice.

- a run whose owner died is given to a worker again;
- a lane whose wake-up was lost is woken;
- a job that has waited too long fails;
- a lane that waits for GPU quota is looked at again;
- audio whose time has passed is removed, the logs of runs too, and its job's record after as long again;
- a kernel that could not be deleted when its run ended is deleted;
- the recording and the datasets of a cloned voice that its caller has removed are deleted.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore, audio_name
from app.shared.errors import KavoxError, StoreUnavailable
from app.shared.job import Job, JobStatus, change, from_fields
from app.shared.job_queue import JobQueue
from app.shared.settings import Settings
from app.shared.transition import TRANSITION, transition_arguments
from app.shared.voice import dataset_slug, recording_name
from workers.datasets import DatasetHost
from workers.kernel import KernelHost
from workers.lanes import Lanes
from workers.quota_gate import QuotaGate
from workers.run_logs import RunLogs
from workers.run_store import RunStore
from workers.voice_records import RemovedVoice, VoiceRecords

log = structlog.get_logger()

PERIOD_SECONDS = 5
_AT_ONCE = 500
_T = TypeVar("_T")


class Sweep:
    """One pass is `sweep()`. Raises redis' own errors."""

    def __init__(
        self,
        *,
        redis: Redis,
        runs: RunStore,
        lanes: Lanes,
        queue: JobQueue,
        audio: AudioStore,
        logs: RunLogs,
        voices: VoiceRecords,
        hosts: Mapping[str, KernelHost],
        datasets: Mapping[str, DatasetHost],
        settings: Settings,
        quota: QuotaGate,
    ) -> None:
        self._redis = redis
        self._runs = runs
        self._lanes = lanes
        self._queue = queue
        self._audio = audio
        self._logs = logs
        self._voices = voices
        self._hosts = hosts
        self._datasets = datasets
        self._settings = settings
        self._quota = quota
        self._transition = redis.register_script(TRANSITION)

    def sweep(self) -> None:
        """Does everything that is due."""
        for run_id in self._runs.ownerless():
            self._queue.wake_run(run_id)
        for lane in self._lanes.waiting():
            self._queue.wake_lane(lane)
        self._fail_overdue()
        self._quota.tend()
        self._expire_audio()
        self._expire_records()
        self._logs.expire(self._settings.result_ttl_hours)
        self._delete_leftovers()
        self._delete_removed_voices()

    def _fail_overdue(self) -> None:
        for job in self._older(keys.QUEUED, 0):
            now = time.time()
            detail = f"the job waited for more than {_duration(job.deadline - job.created_at)} and was given up"
            error = {"code": "wait_expired", "detail": detail, "retryable": True}
            fields = change(error=error, waiting=None, finished_at=now)
            self._transition(args=transition_arguments(job.id, JobStatus.FAILED, now, fields, [JobStatus.QUEUED]))

    def _expire_audio(self) -> None:
        for job in self._older(keys.FINISHED, self._settings.result_ttl_hours):
            if not self._removed(job):
                continue
            with self._redis.pipeline() as pipeline:
                pipeline.zadd(keys.EXPIRED, {job.id: job.finished_at or 0.0})
                pipeline.zrem(keys.FINISHED, job.id)
                pipeline.execute()

    def _removed(self, job: Job) -> bool:
        """Whether the job's audio is gone, as it is where there never was any."""
        try:
            if job.audio is not None:
                self._audio.delete(audio_name(job.id, job.audio["sha256"], job.audio["format"]))
        except StoreUnavailable as error:
            log.warning("audio not removed yet", job=job.id, detail=error.detail)
            return False
        return True

    def _expire_records(self) -> None:
        for job in self._older(keys.EXPIRED, 2 * self._settings.result_ttl_hours):
            mine = keys.JOBS + job.caller
            with self._redis.pipeline() as pipeline:
                pipeline.delete(keys.JOB + job.id)
                pipeline.zrem(mine, job.id)
                pipeline.zrem(f"{mine}:{job.status}", job.id)
                pipeline.zrem(keys.EXPIRED, job.id)
                pipeline.execute()

    def _delete_leftovers(self) -> None:
        silent: set[str] = set()
        for leftover in _shuffled(cast("set[str]", self._redis.smembers(keys.LEFTOVERS))):
            host, _, slug = leftover.partition("/")
            if host not in self._hosts or host in silent:
                continue
            try:
                self._hosts[host].delete(slug)
            except KavoxError as error:
                silent.add(host)
                log.warning("kernel not deleted yet", kernel=slug, detail=error.detail)
            else:
                self._redis.srem(keys.LEFTOVERS, leftover)

    def _delete_removed_voices(self) -> None:
        silent: set[str] = set()
        for voice in _shuffled(self._voices.removed()):
            try:
                self._audio.delete(recording_name(voice.file))
            except StoreUnavailable as error:
                log.warning("recording not removed yet", voice=voice.id, detail=error.detail)
                continue
            self._voices.settle(voice, [host for host in voice.hosts if not self._deleted_there(voice, host, silent)])

    def _deleted_there(self, voice: RemovedVoice, host: str, silent: set[str]) -> bool:
        """Whether the host has no dataset of the voice; a host that this worker does not know may have one."""
        if host not in self._datasets or host in silent:
            return False
        try:
            self._datasets[host].delete(dataset_slug(voice.id))
        except KavoxError as error:
            silent.add(host)
            log.warning("dataset not deleted yet", voice=voice.id, host=host, detail=error.detail)
            return False
        log.info("dataset deleted", voice=voice.id, host=host)
        return True

    def _older(self, index: str, hours: float) -> Iterator[Job]:
        """Jobs of an index whose time is longer ago than so many hours."""
        before = time.time() - hours * 3600
        for job_id in cast("list[str]", self._redis.zrangebyscore(index, "-inf", before, start=0, num=_AT_ONCE)):
            fields = cast("dict[str, str]", self._redis.hgetall(keys.JOB + job_id))
            try:
                yield from_fields(fields)
            except (KeyError, ValueError, TypeError):
                log.exception("job not readable, forgotten by the sweep", job=job_id, index=index)
                self._redis.zrem(index, job_id)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:g} hours" if seconds >= 3600 else f"{seconds:g} seconds"


def _shuffled(found: Iterable[_T]) -> list[_T]:
    """What is to be deleted, in another order each time.

    A host that fails is left alone for the rest of a pass, or the pass would take as many time-outs as there is to do,
    and meanwhile nobody look after the runs; and what cannot be deleted must not come first for ever.
    """
    listed = list(found)
    random.shuffle(listed)
    return listed
