"""What workers do to the jobs of a batch, and what the batch says of it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import cast

from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore, audio_name
from app.shared.batch import Batch, new_batch_id
from app.shared.batch_submission import BatchSubmissions
from app.shared.identifiers import new_id
from app.shared.job import Job, JobStatus
from app.shared.job_queue import JobQueue
from app.shared.pipelines import SharedPipelines
from app.shared.redis_client import connect_for_queue
from app.shared.result_cache import Entry
from app.shared.scratch import Scratch
from app.shared.settings import Settings
from tests.tone import tone
from tests.workers.jobs import do_all, make_job, make_run, read, use
from workers.followers import Followers
from workers.retention import Retention
from workers.run import Run, Step
from workers.run_logs import RunLogs
from workers.run_store import RunStore

FAILURE = {"code": "kernel_timed_out", "detail": "", "retryable": False}


def submit_batch(url: str, *jobs: Job) -> list[Job]:
    """The jobs, accepted as one batch."""
    batch_id = new_batch_id()
    ours = [replace(job, batch=batch_id) for job in jobs]
    counts = {JobStatus.QUEUED: len(ours)}
    batch = Batch(batch_id, ours[0].caller, time.time(), len(ours), 1, counts)

    async def accept(redis: SharedPipelines) -> None:
        await BatchSubmissions(redis, max_waiting_jobs=1000).submit(batch, ours)

    use(url, accept)
    return ours


def claimed(runs: RunStore, *jobs: Job) -> Run:
    run = runs.claim(make_run(jobs[0]), [job.id for job in jobs], most_runs=9, engine="engine")
    assert isinstance(run, Run)
    return run


def test_kept_speech_that_is_asked_for_while_it_is_given_to_another_batch_is_given_too(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    """The second batch comes just when a worker has read who waits for it."""
    owner, late = new_id(), list[Job]()
    audio = {
        "format": "wav", "duration_seconds": 0.2, "sample_rate": 24000, "bytes": 1, "sha256": "ab" * 32, "checks": {},
    }  # fmt: skip
    entry = Entry(owner, "local", audio, None, 1.0)
    redis.set(f"{keys.RESULT}same", entry.to_json())

    def waiting() -> Job:
        (job,) = submit_batch(redis_url, replace(make_job(), result_key="same"))
        return job

    class Store(AudioStore):
        def copy(self, source: str, target: str) -> None:
            super().copy(source, target)
            if not late:
                late.append(waiting())

    store = Store(AudioStore.open(None, tmp_path / "audio")._store)
    store.put(audio_name(entry.file_id, "ab" * 32, "wav"), tone(0.2))
    first = waiting()
    followers = Followers(redis, store, JobQueue(connect_for_queue(redis_url)), Scratch(tmp_path / "scratch"))
    followers.settle_all()
    followers.settle_all()
    assert [read(redis_url, job).status for job in (first, *late)] == [JobStatus.SUCCEEDED] * 2
    assert redis.exists(keys.FOLLOWED) == 0


def test_what_is_billed_after_a_jobs_end_is_its_batchs_too(redis: Redis, redis_url: str) -> None:
    """A run that came to nothing is billed when it is closed, after its jobs have failed."""
    job = make_job()
    (job,) = submit_batch(redis_url, replace(job, speech=replace(job.speech, gpu=True)))
    runs = RunStore(redis, "worker")
    run = runs.record(runs.start(claimed(runs, job), time.time()), running_at=time.time() - 60)
    runs.settle(run, job, JobStatus.FAILED, error=FAILURE)
    runs.give_back(run, waiting=None, pause_seconds=0, failures=1)
    billed = read(redis_url, job).gpu_seconds
    assert billed > 59
    assert float(cast("str", redis.hget(keys.BATCH + job.batch, "gpu_seconds"))) == billed


def test_audio_is_kept_until_the_whole_batch_can_be_fetched(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Its time counts from when no job of the batch is waited for any more."""
    done, waits = submit_batch(redis_url, make_job("One."), make_job("Two."))
    runs, store = RunStore(redis, "worker"), AudioStore.open(None, tmp_path / "audio")
    run = runs.record(claimed(runs, done), step=Step.ENDED, ended_at=time.time())
    runs.settle(run, done, JobStatus.FAILED, error=FAILURE)
    settings = Settings(_env_file=None, result_ttl_hours=1e-9)
    retention = Retention(redis, store, RunLogs(redis, store), settings)
    do_all(retention.steps())
    assert redis.zscore(keys.FINISHED, done.id) is not None
    runs.close(run)
    again = claimed(runs, waits)
    runs.settle(again, waits, JobStatus.FAILED, error=FAILURE)
    do_all(retention.steps())
    assert redis.exists(keys.FINISHED) == 0
