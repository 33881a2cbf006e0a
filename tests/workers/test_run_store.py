"""Who owns a job and a run, and what a worker that lost a run can still do: nothing."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from redis import Redis

from app.shared import keys
from app.shared.errors import LeaseLost
from app.shared.job import Job, JobStatus, Phase
from tests.workers.jobs import make_job, make_run, read, submit
from workers.run import Run, Step
from workers.run_store import RunStore


def claim(runs: RunStore, jobs: list[Job], most_runs: int = 4) -> Run | None:
    return runs.claim(make_run(jobs[0]), jobs, most_runs=most_runs, engine="hibari-tts 0.2.1")


def claimed(runs: RunStore, *jobs: Job) -> Run:
    run = claim(runs, list(jobs))
    assert run is not None
    return run


def test_a_job_is_claimed_by_one_of_many_workers(redis: Redis, redis_url: str) -> None:
    """Twenty workers that see the same jobs share them out without taking one twice."""
    jobs = [make_job() for _ in range(10)]
    submit(redis_url, *jobs)
    taken: list[str] = []

    def work(number: int) -> None:
        run = claim(RunStore(redis, f"worker-{number}"), jobs, most_runs=20)
        taken.extend(run.jobs if run else ())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(job.id for job in jobs)


def test_a_claim_whose_answer_was_lost_can_be_repeated(redis: Redis, redis_url: str) -> None:
    """The same run id finds the jobs that it has taken already."""
    job = make_job()
    submit(redis_url, job)
    runs, run = RunStore(redis, "worker"), make_run(job)
    first = runs.claim(run, [job], most_runs=1, engine="hibari")
    second = runs.claim(run, [job], most_runs=1, engine="hibari")
    assert first == second
    assert first is not None
    assert first.jobs == [job.id]


def test_no_more_runs_are_open_than_there_are_sessions(redis: Redis, redis_url: str) -> None:
    """A claim beyond the limit takes nothing, and succeeds once a run is closed."""
    first, second = make_job(), make_job()
    submit(redis_url, first, second)
    runs = RunStore(redis, "worker")
    run = claimed(runs, first)
    assert claim(runs, [second], most_runs=1) is None
    assert read(redis_url, second).status is JobStatus.QUEUED
    runs.close(run)
    assert claim(runs, [second], most_runs=1) is not None


def test_a_run_has_one_owner(redis: Redis, redis_url: str) -> None:
    """Nobody takes over a run whose lease lives."""
    job = make_job()
    submit(redis_url, job)
    run = claimed(RunStore(redis, "first"), job)
    assert RunStore(redis, "second").acquire(run.id) is None


def test_a_former_owner_changes_nothing(redis: Redis, redis_url: str) -> None:
    """A worker that wakes up after another took its run over is turned away by the fence, whatever it tries."""
    job = make_job()
    submit(redis_url, job)
    first, second = RunStore(redis, "first"), RunStore(redis, "second")
    run = claimed(first, job)
    redis.delete(f"{keys.RUN}{run.id}:lease")
    taken_over = second.acquire(run.id)
    assert taken_over is not None
    attempts: list[Callable[[], object]] = [
        lambda: first.renew(run),
        lambda: first.record(run, step=Step.PUSHED),
        lambda: first.settle(run, job, JobStatus.SUCCEEDED),
        lambda: first.give_back(run, phase=Phase.WAITING, waiting={}, pause_seconds=0, failures=0),
        lambda: first.release(run, retry_at=0, failures=0),
        lambda: first.close(run),
    ]
    for attempt in attempts:
        with pytest.raises(LeaseLost):
            attempt()
    assert second.settle(taken_over, job, JobStatus.SUCCEEDED)
    assert read(redis_url, job).status is JobStatus.SUCCEEDED


def test_an_owner_takes_up_a_lease_that_ran_out_unseen(redis: Redis, redis_url: str) -> None:
    """As long as nobody else took the run over, its owner goes on."""
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = claimed(runs, job)
    redis.delete(f"{keys.RUN}{run.id}:lease")
    runs.renew(run)
    assert RunStore(redis, "another").acquire(run.id) is None


def test_a_terminal_state_never_changes(redis: Redis, redis_url: str) -> None:
    """The second end of a job is dropped, and so is late progress."""
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = claimed(runs, job)
    assert runs.settle(run, job, JobStatus.FAILED, error={"code": "synthesis_failed", "detail": "", "retryable": False})
    assert not runs.settle(run, job, JobStatus.SUCCEEDED)
    runs.record(run, show={"phase": Phase.SYNTHESIZING, "progress": 0.5})
    after = read(redis_url, job)
    assert (after.status, after.progress) == (JobStatus.FAILED, 0.0)


def test_jobs_that_are_given_back_keep_their_place_and_their_lane_rests(redis: Redis, redis_url: str) -> None:
    """The oldest job is again the first, nothing is claimed while the lane rests, and ended jobs stay ended."""
    ended, back, later = make_job(), make_job(), make_job()
    submit(redis_url, ended, back)
    runs = RunStore(redis, "worker")
    run = claimed(runs, ended, back)
    runs.settle(run, ended, JobStatus.SUCCEEDED)
    submit(redis_url, later)
    waiting = {"code": "waiting_for_session", "detail": "busy", "retry_at": time.time() + 60}
    runs.give_back(run, phase=Phase.WAITING_FOR_SESSION, waiting=waiting, pause_seconds=60, failures=3)
    assert [job.id for job in runs.waiting_jobs(back.speech.lane, 10)] == [back.id, later.id]
    assert read(redis_url, back).waiting == waiting
    assert read(redis_url, ended).status is JobStatus.SUCCEEDED
    assert claim(runs, [back]) is None
    assert runs.waiting_lanes() == []
    assert runs.lane_failures(back.speech.lane) == 3


def test_a_run_without_owner_is_found_when_its_time_has_come(redis: Redis, redis_url: str) -> None:
    """A run that was let go of is offered again from its retry time on, and never once it is closed."""
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = claimed(runs, job)
    assert list(runs.ownerless()) == []
    runs.release(run, retry_at=time.time() + 60, failures=1)
    assert list(runs.ownerless()) == []
    runs.release(run, retry_at=time.time() - 1, failures=1)
    assert list(runs.ownerless()) == [run.id]
    again = runs.acquire(run.id)
    assert again is not None
    assert (again.failures, again.fence) == (1, 2)
    runs.close(again)
    assert list(runs.ownerless()) == []
    assert runs.acquire(run.id) is None


def test_what_is_recorded_is_read_back(redis: Redis, redis_url: str) -> None:
    """A run survives its way through Redis, whatever is in its fields."""
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = runs.record(claimed(runs, job), step=Step.PUSHED, version=1, url="https://k/?a=\u2028'\"", private=True)
    assert replace(runs.reread(run), jobs=list(run.jobs)) == run
