"""What a run teaches about the next ones, and who hears of its phases."""

from dataclasses import replace

from redis import Redis

from app.shared import keys
from app.shared.job import Phase
from tests.workers.jobs import make_job, make_run, read, standing, submit
from workers.run import Run
from workers.run_store import RunStore


def _run(redis: Redis, redis_url: str) -> tuple[RunStore, Run]:
    job = make_job()
    submit(redis_url, job)
    runs = RunStore(redis, "worker")
    run = runs.claim(make_run(job), [job.id], most_runs=4, engine="hibari")
    assert isinstance(run, Run)
    for phase in (Phase.KERNEL_QUEUED, Phase.SYNTHESIZING, Phase.DOWNLOADING):
        runs.record(run, show={"phase": phase})
    return runs, run


def test_a_run_that_did_well_teaches_the_eta_of_the_next(redis: Redis, redis_url: str) -> None:
    """Before it nobody knows; after it every job of the lane has an ETA."""
    waiting = make_job()
    submit(redis_url, waiting)
    assert standing(redis_url, waiting).eta_seconds is None
    runs, run = _run(redis, redis_url)
    runs.learn_pace(run, runs.jobs(run))
    assert standing(redis_url, waiting).eta_seconds is not None


def test_a_run_that_met_setbacks_teaches_nothing(redis: Redis, redis_url: str) -> None:
    """How long Kaggle was away says nothing about the next run."""
    runs, run = _run(redis, redis_url)
    runs.learn_pace(replace(run, failures=1), runs.jobs(run))
    assert not redis.exists(keys.PACES)


def test_every_change_of_a_run_is_heard(redis: Redis, redis_url: str) -> None:
    """Its jobs are named to whoever listens, at the claim and in each phase; and since when they are in it is known."""
    with redis.pubsub() as heard:  # type: ignore[no-untyped-call]  # redis forgot to say that it returns a PubSub
        heard.subscribe(keys.CHANGED_JOB, keys.CHANGED_LANE)
        runs, run = _run(redis, redis_url)
        (job,) = runs.jobs(run)
        told = []
        while message := heard.get_message(timeout=0.5):
            told.append((message["channel"], message["data"]))
    assert told.count((keys.CHANGED_JOB, job.id)) == 4
    assert told.count((keys.CHANGED_LANE, run.lane)) == 1
    assert (read(redis_url, job).phase_at or 0) > job.created_at - 10
