"""Batches as workers meet them: an end that comes once, and a time after which they are gone."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.batch import Batch, from_fields, new_batch_id
from app.shared.batch_store import BatchStore
from app.shared.batch_submission import BatchSubmissions
from app.shared.capacity import Capacity
from app.shared.eta import learn
from app.shared.job import Job, JobStatus, Phase, change
from app.shared.job_store import JobStore
from app.shared.pipelines import SharedPipelines
from app.shared.settings import Settings
from app.shared.transition import TRANSITION, transition_arguments
from tests.workers.jobs import do_all, make_job, use
from workers.retention import Retention
from workers.run_logs import RunLogs

HOURS = 2


def submitted(url: str, *texts: str) -> tuple[Batch, list[Job]]:
    """A batch of jobs that wait in their lane."""
    batch_id = new_batch_id()
    jobs = [make_job(text, batch=batch_id) for text in texts]
    batch = Batch(batch_id, "local", time.time(), len(jobs), 10, {JobStatus.QUEUED: len(jobs)})

    async def accept(redis: SharedPipelines) -> None:
        await BatchSubmissions(redis, max_waiting_jobs=1000).submit(batch, jobs)

    use(url, accept)
    return batch, jobs


def test_what_is_given_up_half_way_is_known_to_nobody_and_goes_by_itself(redis: Redis, redis_url: str) -> None:
    """Some records are there before the batch is; none of them is a job, and none stays."""
    batch_id = new_batch_id()
    jobs = [make_job(f"{number}", batch=batch_id) for number in range(500)]
    batch = Batch(batch_id, "local", time.time(), len(jobs), 10, {JobStatus.QUEUED: len(jobs)})

    async def begin(server: SharedPipelines) -> None:
        sending = asyncio.create_task(BatchSubmissions(server, max_waiting_jobs=1000).submit(batch, jobs))
        while not await server.exists(keys.JOB + jobs[0].id):
            pass
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending

    use(redis_url, begin)
    left = redis.keys(keys.JOB + "*")
    assert 0 < len(left) < len(jobs)
    assert all(0 < redis.ttl(key) <= 600 for key in left)
    assert {key for key in redis.keys("*") if key not in left} == set()


def move(redis: Redis, job: Job, to: JobStatus, now: float, **fields: object) -> str:
    """The status that was met."""
    script = redis.register_script(TRANSITION)
    return str(script(args=transition_arguments(job.id, to, now, change(**fields))))


def succeed(redis: Redis, job: Job, now: float, gpu_seconds: float = 0.0) -> None:
    move(redis, job, JobStatus.RUNNING, now)
    redis.hset(keys.JOB + job.id, "gpu_seconds", repr(gpu_seconds))
    audio = {"format": "wav", "sha256": job.id * 3, "duration_seconds": 1.25}
    move(redis, job, JobStatus.SUCCEEDED, now, finished_at=now, audio=audio)


def read(redis: Redis, batch: Batch) -> Batch:
    return from_fields(cast("dict[str, str]", redis.hgetall(keys.BATCH + batch.id)))


def test_the_last_job_to_end_ends_the_batch_once(redis: Redis, redis_url: str) -> None:
    """A job that goes back to its lane is no end, and nothing that comes later changes one."""
    batch, (first, second) = submitted(redis_url, "one", "two")
    succeed(redis, first, 100.0, gpu_seconds=3.5)
    move(redis, second, JobStatus.RUNNING, 101.0)
    move(redis, second, JobStatus.QUEUED, 102.0)
    assert not read(redis, batch).ended
    succeed(redis, second, 103.0, gpu_seconds=1.5)
    assert move(redis, second, JobStatus.FAILED, 104.0) == JobStatus.SUCCEEDED
    found = read(redis, batch)
    assert (found.finished_at, found.gpu_seconds, found.speech_seconds) == (103.0, 5.0, 2.5)
    assert found.counts == {**dict.fromkeys(JobStatus, 0), JobStatus.SUCCEEDED: 2}
    assert redis.zscore(keys.BATCHES_ENDED, batch.id) == 103.0


def test_a_batch_is_done_when_its_last_job_will_be(redis: Redis, redis_url: str) -> None:
    """In each lane the one behind all others tells it; of a lane that has had no run nobody knows."""
    batch, jobs = submitted(redis_url, *(f"{number}" for number in range(250)))

    async def etas(server: SharedPipelines) -> tuple[float | None, list[float | None]]:
        store = JobStore(server, Capacity(Settings(_env_file=None), {}))
        seen = await BatchStore(server, store).look(batch.id, batch.caller)
        return seen.eta_seconds, [standing.eta_seconds for standing in await store.standings(jobs)]

    assert use(redis_url, etas) == (None, [None] * len(jobs))
    learn(redis, jobs[0].speech.lane, {Phase.PUSHING: 5.0, Phase.SYNTHESIZING: 20.0}, 10.0, 0.0)
    eta, of_jobs = use(redis_url, etas)
    assert eta is not None
    assert eta == pytest.approx(max(one or 0.0 for one in of_jobs), abs=1)
    assert eta > (of_jobs[0] or 0.0)


@pytest.fixture
def retention(redis: Redis, tmp_path: Path) -> Retention:
    audio = AudioStore.open(None, tmp_path / "audio")
    settings = Settings(_env_file=None, result_ttl_hours=HOURS)
    return Retention(redis, audio, RunLogs(redis, audio), settings)


def test_joined_audio_goes_with_the_jobs_and_the_batch_after_as_long_again(
    redis: Redis, redis_url: str, retention: Retention, tmp_path: Path
) -> None:
    """Nothing of it is left in the end."""
    batch, jobs = submitted(redis_url, "one")
    key, file = keys.BATCH + batch.id, tmp_path / "audio" / f"{batch.id}-1234.mp3"
    file.write_bytes(b"joined")
    redis.sadd(f"{key}:files", file.name)
    ended = time.time() - HOURS * 3600 + 60
    succeed(redis, jobs[0], ended)
    do_all(retention.steps())
    assert file.exists()

    redis.zadd(keys.BATCHES_ENDED, {batch.id: ended - 120})
    redis.sadd(f"{key}:files", "never-made.wav")
    do_all(retention.steps())
    assert not file.exists()
    assert read(redis, batch).ended

    redis.zadd(keys.BATCHES_EXPIRED, {batch.id: time.time() - 2 * HOURS * 3600 - 60})
    do_all(retention.steps())
    assert redis.keys(f"{key}*") == []
    assert redis.zcard(keys.BATCHES + batch.caller) == 0
