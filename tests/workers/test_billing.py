"""Who pays for a run's GPU time: its jobs, by the length of their speech, once."""

import time
from dataclasses import replace
from typing import cast

import pytest
from redis import Redis

from app.shared import keys
from app.shared.errors import LeaseLost
from app.shared.job import Job, JobStatus
from tests.workers.jobs import make_job, make_run, read, submit
from workers.run import Run, Step
from workers.run_store import RunStore


def gpu_job(seconds: float = 1.0, caller: str = "local") -> Job:
    job = make_job(seconds=seconds, caller=caller)
    return replace(job, speech=replace(job.speech, gpu=True))


def started(runs: RunStore, *jobs: Job, seconds_ago: float) -> Run:
    """A run that got its machine so long ago."""
    claimed = runs.claim(make_run(jobs[0]), [job.id for job in jobs], most_runs=9, engine="engine")
    assert isinstance(claimed, Run)
    return runs.record(runs.start(claimed, time.time()), running_at=time.time() - seconds_ago)


def ended(runs: RunStore, run: Run) -> Run:
    return runs.record(run, step=Step.ENDED, ended_at=time.time())


def ledger(redis: Redis) -> dict[str, float]:
    """What has been put down to each caller, in all weeks."""
    found: dict[str, float] = {}
    for key in redis.scan_iter(f"{keys.GPU_LEDGER}*"):
        for caller, seconds in cast("dict[str, str]", redis.hgetall(key)).items():
            if caller:
                found[caller] = found.get(caller, 0.0) + float(seconds)
    return found


def test_the_jobs_of_a_run_share_its_bill(redis: Redis, redis_url: str) -> None:
    """By the length of their speech, and before they end, so that a finished job knows its share."""
    anne, bert = gpu_job(1.0, "anne"), gpu_job(3.0, "bert")
    submit(redis_url, anne, bert)
    ended(RunStore(redis, "worker"), started(RunStore(redis, "worker"), anne, bert, seconds_ago=100))
    shares = {job.caller: read(redis_url, job).gpu_seconds for job in (anne, bert)}
    assert shares == {"anne": pytest.approx(25, abs=0.5), "bert": pytest.approx(75, abs=0.5)}
    assert ledger(redis) == pytest.approx(shares)


def test_a_run_is_billed_once_whoever_closes_it(redis: Redis, redis_url: str) -> None:
    """The worker that recorded the end dies: its successor records and closes, and the old one writes nothing more."""
    job = gpu_job()
    submit(redis_url, job)
    first, second = RunStore(redis, "first"), RunStore(redis, "second")
    run = ended(first, started(first, job, seconds_ago=60))
    redis.delete(f"{keys.RUN}{run.id}:lease")
    taken = second.acquire(run.id)
    assert taken is not None
    ended(second, taken)
    second.settle(taken, job, JobStatus.FAILED, error={"code": "notebook_failed", "detail": "", "retryable": False})
    second.close(taken)
    with pytest.raises(LeaseLost):
        first.close(run)
    assert read(redis_url, job).gpu_seconds == pytest.approx(60, abs=0.5)
    assert sum(ledger(redis).values()) == pytest.approx(60, abs=0.5)


def test_a_job_pays_for_each_of_its_runs(redis: Redis, redis_url: str) -> None:
    """A run that is given back without an end of its own is billed until then."""
    job = gpu_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    runs.give_back(started(runs, job, seconds_ago=20), waiting=None, pause_seconds=0, failures=1)
    ended(runs, started(runs, job, seconds_ago=30))
    assert read(redis_url, job).gpu_seconds == pytest.approx(50, abs=0.5)


def test_what_held_no_gpu_costs_nothing(redis: Redis, redis_url: str) -> None:
    """A run without a GPU, and one that never got its machine."""
    without, unstarted = make_job(), gpu_job()
    submit(redis_url, without, unstarted)
    runs = RunStore(redis, "worker")
    runs.close(ended(runs, started(runs, without, seconds_ago=50)))
    claimed = runs.claim(make_run(unstarted), [unstarted.id], most_runs=9, engine="engine")
    assert isinstance(claimed, Run)
    runs.close(claimed)
    assert ledger(redis) == {}
    assert read(redis_url, unstarted).gpu_seconds == 0


def test_an_end_that_is_none_leaves_the_rest_to_the_next(redis: Redis, redis_url: str) -> None:
    """What was billed at the first end is part of the last bill, not an addition to it."""
    job = gpu_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = started(runs, job, seconds_ago=100)
    run = runs.record(run, step=Step.ENDED, ended_at=time.time() - 70)
    assert read(redis_url, job).gpu_seconds == pytest.approx(30, abs=0.5)
    run = runs.record(run, step=Step.PUSHED)
    runs.close(ended(runs, run))
    assert read(redis_url, job).gpu_seconds == pytest.approx(100, abs=0.5)
    assert sum(ledger(redis).values()) == pytest.approx(100, abs=0.5)
