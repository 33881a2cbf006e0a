"""What /metrics says, as Prometheus' own parser reads it, and an installation's life to be read from it."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from app.shared.job import Job, JobStatus
from tests.workers.jobs import make_job, make_run, submit
from workers.kaggle_quota import GpuQuota
from workers.quota_book import QuotaBook
from workers.run import Run, Step
from workers.run_store import RunStore

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(api: httpx.Client) -> Samples:
    """By name and labels."""
    answer = api.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@dataclass(frozen=True)
class History:
    """What has happened: how much a GPU run was billed, and how much of the quota Kaggle says is left."""

    billed_seconds: float
    quota_seconds: float


def live(redis: Redis, redis_url: str, history: History) -> None:
    """A GPU run with two jobs: one succeeds, one fails; a third one's run finds no quota, and its lane rests."""
    store = RunStore(redis, "worker")
    good, bad, late = (_gpu_job() for _ in range(3))
    submit(redis_url, good, bad)
    run = _claimed(store, good, bad)
    run = store.record(store.start(run, time.time()), running_at=time.time() - history.billed_seconds)
    run = store.record(run, step=Step.ENDED, ended_at=time.time(), show={"phase": "downloading"})
    jobs = store.jobs(run)
    store.count_fault(run, "synthesis_failed")
    store.settle(run, good, JobStatus.SUCCEEDED, audio={})
    store.settle(run, bad, JobStatus.FAILED, error={"code": "synthesis_failed", "detail": "", "retryable": False})
    store.learn_pace(run, jobs)
    store.close(run)
    submit(redis_url, late)
    waiting = {"code": "waiting_for_quota", "detail": "", "retry_at": time.time() + 60}
    store.give_back(_claimed(store, late), waiting=waiting, pause_seconds=60, failures=0)
    refresh = datetime.now(UTC) + timedelta(days=2)
    QuotaBook(redis, "emulator", lambda: GpuQuota(108_000 - history.quota_seconds, 0, 108_000, refresh), 60).current()


def _gpu_job() -> Job:
    job = make_job()
    return replace(job, speech=replace(job.speech, gpu=True, provider="qwen", model="custom"))


def _claimed(store: RunStore, *jobs: Job) -> Run:
    run = store.claim(make_run(jobs[0]), [job.id for job in jobs], most_runs=9, engine="engine")
    assert isinstance(run, Run)
    return run
