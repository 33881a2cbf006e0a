"""GET /metrics: what Prometheus reads, as its own parser understands it."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from redis import Redis

from app.shared import keys
from app.shared.job import JobStatus
from tests.app.conftest import Place
from tests.app.exposition import History, live, samples
from tests.app.workshop import Workshop

HIBARI = {"provider": "hibari", "model": "small", "host": "emulator"}
GPU = {"provider": "qwen", "model": "custom", "host": "emulator"}


def of(api: httpx.Client, name: str, **labels: str) -> float | None:
    return samples(api).get((name, frozenset(labels.items())))


def test_a_new_installation_has_nothing_but_zeros_and_limits(api: httpx.Client) -> None:
    """What has not happened has no series, and what Kaggle has not said is not made up."""
    assert of(api, "kavox_jobs", status="queued") == 0
    assert of(api, "kavox_runs_limit", kind="gpu") == 2
    assert of(api, "kavox_workers") == 0
    assert not any(name.startswith("kavox_quota") for name, _ in samples(api))


def test_a_job_is_counted_on_its_way_and_at_its_end(api: httpx.Client, workshop: Workshop) -> None:
    """By its state, its lane and the code of its error; how old the queue is is told as well."""
    workshop.announce()
    first, second = (api.post("/synthesize", json={"text": "Hello."}).json()["id"] for _ in range(2))
    found = samples(api)
    lane = frozenset(HIBARI.items())
    assert found["kavox_jobs", frozenset({("status", "queued")})] == 2
    assert found["kavox_lane_jobs", lane] == 2
    assert 0 < found["kavox_queue_age_seconds", lane] < 60
    assert found["kavox_workers", frozenset()] == 1
    workshop.start(first)
    workshop.start(second)
    assert of(api, "kavox_jobs", status="running") == 2
    workshop.succeed(first, b"RIFF")
    workshop.fail(second)
    assert of(api, "kavox_jobs_accepted_total", **HIBARI) == 2
    assert of(api, "kavox_jobs_ended_total", **HIBARI, status="succeeded") == 1
    assert of(api, "kavox_jobs_ended_total", **HIBARI, status="failed") == 1
    assert of(api, "kavox_job_failures_total", **HIBARI, code="audio_rejected") == 1
    assert of(api, "kavox_job_seconds_count", **HIBARI) == 2
    assert of(api, "kavox_queue_age_seconds", **HIBARI) == 0


def test_runs_tell_their_size_their_phases_their_bill_and_their_setbacks(
    api: httpx.Client, redis: Redis, place: Place
) -> None:
    """A GPU run of two jobs, one of which fails, and one of a job that finds no quota: its lane rests, and says why."""
    live(redis, place.redis_url, History(billed_seconds=100, quota_seconds=3600))
    assert of(api, "kavox_run_jobs_sum", **GPU) == 3
    assert of(api, "kavox_run_jobs_bucket", **GPU, le="1.0") == 1
    assert of(api, "kavox_run_jobs_bucket", **GPU, le="2.0") == 2
    assert of(api, "kavox_gpu_seconds_total", **GPU) == pytest.approx(100, abs=1)
    assert of(api, "kavox_run_phase_seconds_count", **GPU, phase="waiting") == 1
    assert of(api, "kavox_faults_total", host="emulator", code="synthesis_failed") == 1
    assert of(api, "kavox_lane_resting", **GPU, code="waiting_for_quota") == 1
    assert of(api, "kavox_quota_remaining_seconds") == 3600
    refresh = of(api, "kavox_quota_refreshes_at_seconds")
    assert refresh is not None
    assert datetime.fromtimestamp(refresh, UTC) - datetime.now(UTC) < timedelta(days=7)


def test_what_cannot_be_counted_does_not_stop_a_change(api: httpx.Client, workshop: Workshop, redis: Redis) -> None:
    """Redis takes nothing back of a script that dies half-way: a job ends whole, its metrics readable or not."""
    odd, usual = (api.post("/synthesize", json={"text": "Hello."}).json()["id"] for _ in range(2))
    redis.hset(keys.JOB + odd, "created_at", "yesterday")
    redis.delete(keys.METRICS)
    redis.set(keys.METRICS, "no hash")
    for job_id in (odd, usual):
        workshop.start(job_id)
        workshop.fail(job_id)
        assert redis.hget(keys.JOB + job_id, "status") == JobStatus.FAILED
        assert redis.zscore(keys.FINISHED, job_id) == pytest.approx(time.time(), abs=60)
        # The last thing that the change does.
        assert not redis.hexists(keys.JOB + job_id, "lane")
