"""A service that comes back with other credentials: nobody can go on with the runs that it had."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from app.shared import keys
from app.shared.job import Job, JobStatus
from app.shared.presence import MACHINE_SECONDS, announce
from app.shared.settings import load_settings
from tests.workers.jobs import cancel, make_job, read, standing, submit
from workers.run import Run, Step
from workers.run_store import RunStore
from workers.runtime import Runtime

EMULATOR = {"kaggle_api_url": "http://127.0.0.1:9"}
HOURS = 3600
WorkerOf = Callable[..., Runtime]


@pytest.fixture
def worker(redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerOf:
    """Makes a worker that has the emulator, or Kaggle, and says so once."""
    monkeypatch.setenv("KAGGLE_USERNAME", "nobody")
    monkeypatch.setenv("KAGGLE_KEY", "nothing")

    def make(**settings: object) -> Runtime:
        parts = Runtime(load_settings(redis_url=redis_url, data_dir=tmp_path, **settings))
        announce(redis, parts.presence)
        return parts

    return make


def run_of(redis: Redis, url: str, *jobs: Job, started_ago: float = 100) -> Run:
    """A run of these jobs that was pushed, has had its machine for so long, and whose worker was stopped."""
    submit(url, *jobs)
    runs, speech = RunStore(redis, "stopped"), jobs[0].speech
    run = Run(
        id=jobs[0].id[::-1], lane=speech.lane, provider=speech.provider, model=speech.model, host=speech.host,
        gpu=True, prefix="kavox", machine="", jobs=(), created_at=time.time(),
    )  # fmt: skip
    claimed = runs.claim(run, [job.id for job in jobs], most_runs=9, engine="engine")
    assert isinstance(claimed, Run)
    run = runs.record(claimed, step=Step.PUSHED, running_at=time.time() - started_ago)
    runs.release(run, retry_at=0, failures=0)
    return run


def silent_for(redis: Redis, host: str, seconds: float) -> None:
    redis.hset(keys.HOSTS, host, time.time() - seconds)


def on_kaggle(job: Job) -> Job:
    return replace(job, speech=replace(job.speech, host="kaggle"))


def test_what_the_emulator_was_speaking_ends_when_it_is_gone(worker: WorkerOf, redis: Redis, redis_url: str) -> None:
    """With a code that says what to do, and its session is free; for as long as the emulator may be back it waits."""
    job = make_job()
    run = run_of(redis, redis_url, job)
    worker(**EMULATOR)
    now_on_kaggle = worker()
    silent_for(redis, "emulator", MACHINE_SECONDS - 5)
    now_on_kaggle.synthesis.resume(run.id)
    assert read(redis_url, job).status is JobStatus.RUNNING
    silent_for(redis, "emulator", MACHINE_SECONDS + 5)
    now_on_kaggle.synthesis.resume(run.id)
    failed = read(redis_url, job)
    assert (failed.status, (failed.error or {})["code"]) == (JobStatus.FAILED, "host_gone")
    assert failed.gpu_seconds == pytest.approx(100, abs=5)
    assert RunStore(redis, "worker").open_ids() == set()
    assert redis.smembers(keys.LEFTOVERS) == {f"emulator/{run.slug}"}


def test_what_kaggle_was_paid_for_is_waited_for(worker: WorkerOf, redis: Redis, redis_url: str) -> None:
    """For longer than the run may take; then it fails too, and is billed for no more than its session can have had."""
    job = on_kaggle(make_job())
    run = run_of(redis, redis_url, job, started_ago=5 * HOURS)
    emulated = worker(**EMULATOR, run_timeout_minutes=60)
    silent_for(redis, "kaggle", 1 * HOURS)
    emulated.synthesis.resume(run.id)
    assert read(redis_url, job).status is JobStatus.RUNNING
    silent_for(redis, "kaggle", 1.2 * HOURS)
    emulated.synthesis.resume(run.id)
    failed = read(redis_url, job)
    assert (failed.status, (failed.error or {})["code"]) == (JobStatus.FAILED, "host_gone")
    assert failed.gpu_seconds == pytest.approx(1 * HOURS, abs=5)


def test_a_night_without_any_worker_is_no_silence(worker: WorkerOf, redis: Redis, redis_url: str) -> None:
    """Who starts the service in the morning without its token has the same time to see that as anybody else."""
    job = on_kaggle(make_job())
    run = run_of(redis, redis_url, job)
    worker(run_timeout_minutes=60)
    silent_for(redis, "kaggle", 10 * HOURS)
    assert 0 < redis.ttl(keys.HOSTS) <= MACHINE_SECONDS
    redis.delete(keys.HOSTS)  # as it is gone in the morning
    worker(**EMULATOR, run_timeout_minutes=60).synthesis.resume(run.id)
    assert read(redis_url, job).status is JobStatus.RUNNING


def test_a_cancel_does_not_wait_for_credentials(worker: WorkerOf, redis: Redis, redis_url: str) -> None:
    """The run is left to the others; where nobody wants it, the job says that its kernel could not be stopped."""
    unwanted, wanted = on_kaggle(make_job()), on_kaggle(make_job())
    run = run_of(redis, redis_url, unwanted, wanted)
    emulated = worker(**EMULATOR)
    silent_for(redis, "kaggle", 0.5 * HOURS)
    cancel(redis_url, unwanted)
    emulated.synthesis.resume(run.id)
    assert read(redis_url, wanted).status is JobStatus.RUNNING
    cancel(redis_url, wanted)
    emulated.synthesis.resume(run.id)
    assert read(redis_url, unwanted).status is JobStatus.CANCELED
    last = read(redis_url, wanted)
    assert (last.status, (last.error or {})["code"]) == (JobStatus.FAILED, "cancel_failed")


def test_what_was_not_pushed_waits_and_says_for_what(worker: WorkerOf, redis: Redis, redis_url: str) -> None:
    """Its worker died before the push: it is back in its lane, and can be cancelled there like any other."""
    job = on_kaggle(make_job())
    run = run_of(redis, redis_url, job)
    redis.hset(keys.RUN + run.id, "step", '"claimed"')
    emulated = worker(**EMULATOR)
    silent_for(redis, "kaggle", MACHINE_SECONDS + 5)
    emulated.synthesis.resume(run.id)
    assert read(redis_url, job).status is JobStatus.QUEUED
    emulated.sweep.sweep()
    assert (standing(redis_url, job).waiting or {})["code"] == "host_gone"
    cancel(redis_url, job)
    assert read(redis_url, job).status is JobStatus.CANCELED
