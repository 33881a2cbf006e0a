"""GET /metrics: what Prometheus collects. Everything is read from Redis, so any API process tells of the whole
installation; docs/operating.md says what is worth watching.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from starlette.responses import Response

from app.api.dependencies import Config, Connection, Operator
from app.api.problems import responses
from app.shared import keys
from app.shared.metrics import SECONDS, SIZES
from app.shared.presence import living_workers
from app.shared.quota import Quota, QuotaReading
from app.shared.settings import Settings

router = APIRouter(tags=["operations"])

_LANE = ("provider", "model", "host")

# By the name in Redis: the name for Prometheus, what it is, and its labels.
_COUNTERS = {
    "jobs_accepted": ("kavox_jobs_accepted", "Jobs accepted.", _LANE),
    "jobs_ended": ("kavox_jobs_ended", "Jobs that have ended, by how.", (*_LANE, "status")),
    "jobs_failed": ("kavox_job_failures", "Failed jobs, by the code of their error.", (*_LANE, "code")),
    "faults": ("kavox_faults", "Setbacks of runs and of single items, by the code of the error.", ("host", "code")),
    "gpu_seconds": ("kavox_gpu_seconds", "GPU seconds billed to runs.", _LANE),
    "speech_seconds": ("kavox_speech_seconds", "Seconds of speech published.", _LANE),
    "cache": ("kavox_cache_requests", "Requests for speech that may be kept: hit, shared or miss.", ("result",)),
    "webhook_attempts": ("kavox_webhook_attempts", "Webhooks sent: delivered, failed, or pending again.", ("status",)),
    "gpu_seconds_saved": ("kavox_gpu_seconds_saved", "GPU seconds that kept and shared speech has saved.", ()),
}
_HISTOGRAMS: Mapping[str, tuple[str, str, Sequence[str], Sequence[float]]] = {
    "job_seconds": ("kavox_job_seconds", "From a job's acceptance to its end.", _LANE, SECONDS),
    "phase_seconds": ("kavox_run_phase_seconds", "How long runs are in each phase.", (*_LANE, "phase"), SECONDS),
    "run_jobs": ("kavox_run_jobs", "How many jobs share a run.", _LANE, SIZES),
}


@dataclass(frozen=True, eq=False)
class Snapshot(Collector):
    """What Redis held at one moment, as Prometheus wants it."""

    counted: Mapping[str, float]
    gauges: Sequence[Metric]

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        fields: dict[str, list[tuple[list[str], float]]] = defaultdict(list)
        for field, value in self.counted.items():
            name, *values = field.split("|")
            fields[name].append((values, value))
        for name, (shown, told, labels) in _COUNTERS.items():
            counter = CounterMetricFamily(shown, told, labels=labels)
            for its_labels, amount in fields[name]:
                counter.add_metric(_split(its_labels, labels), amount)
            yield counter
        for name, (shown, told, its, bounds) in _HISTOGRAMS.items():
            yield _histogram(HistogramMetricFamily(shown, told, labels=its), fields[name], its, bounds)
        yield from self.gauges


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format."},
        **responses(401, 422, 503),
    },
)
async def read_metrics(redis: Connection, settings: Config, _: Operator) -> Response:
    """Counters, histograms and gauges of the whole installation."""
    counted = cast("dict[str, str]", await redis.hgetall(keys.METRICS))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Snapshot({name: float(value) for name, value in counted.items()}, await _gauges(redis, settings)))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _gauges(redis: Redis, settings: Settings) -> list[Metric]:
    lanes = sorted(cast("set[str]", await redis.smembers(keys.LANES)))
    async with redis.pipeline(transaction=False) as pipeline:
        for index in (keys.QUEUED, keys.RUNNING, *(keys.RUNS + kind for kind in ("gpu", "own_gpu", "cpu", "ended"))):
            pipeline.zcard(index)
        pipeline.get(keys.RESULTS_BYTES)
        pipeline.zcard(keys.RESULTS)
        for lane in lanes:
            pipeline.zcard(keys.LANE + lane)
            pipeline.zrange(keys.LANE + lane, 0, 0)
        queued, running, gpu, own_gpu, cpu, ended, kept_bytes, kept, *of_lanes = await pipeline.execute()
    workers = len(await living_workers(redis))
    reading = (await Quota(redis, settings.kaggle_host).state()).reading
    return [
        _gauge("kavox_jobs", "Jobs that have not ended.", "status", {"queued": queued, "running": running}),
        _gauge(
            "kavox_runs_open",
            "Open runs; one that has ended holds no session while its audio is fetched.",
            "kind",
            {"gpu": gpu, "own_gpu": own_gpu, "cpu": cpu, "ended": ended},
        ),
        _gauge(
            "kavox_runs_limit",
            "How many runs may be open.",
            "kind",
            {"gpu": settings.max_sessions, "own_gpu": settings.max_own_gpu_runs, "cpu": settings.max_cpu_runs},
        ),
        GaugeMetricFamily("kavox_workers", "Workers heard of lately.", value=workers),
        GaugeMetricFamily("kavox_cache_bytes", "Kept speech, in bytes of wav.", value=float(kept_bytes or 0)),
        GaugeMetricFamily("kavox_cache_entries", "Kept speech, in clips.", value=kept),
        *await _queues(redis, lanes, of_lanes),
        *_quota(reading),
    ]


async def _queues(redis: Redis, lanes: Sequence[str], found: Sequence[object]) -> list[Metric]:
    waiting = GaugeMetricFamily("kavox_lane_jobs", "Jobs that wait in a lane.", labels=_LANE)
    age = GaugeMetricFamily("kavox_queue_age_seconds", "How long the next job of a lane has waited.", labels=_LANE)
    for lane, count, first in zip(lanes, found[::2], found[1::2], strict=True):
        created = await redis.hget(keys.JOB + cast("list[str]", first)[0], "created_at") if first else None
        waiting.add_metric(lane.split(":"), cast("int", count))
        age.add_metric(lane.split(":"), max(0.0, time.time() - float(created)) if created else 0.0)
    return [waiting, age]


def _quota(reading: QuotaReading | None) -> list[Metric]:
    """Nothing as long as Kaggle has said nothing."""
    if reading is None:
        return []
    told = {
        "kavox_quota_allowed_seconds": ("The week's GPU quota.", reading.allowed_seconds),
        "kavox_quota_remaining_seconds": ("What is left of it.", reading.remaining_seconds),
        "kavox_quota_refreshes_at_seconds": ("When it comes back, since 1970.", reading.refreshes_at),
        "kavox_quota_read_at_seconds": ("When Kaggle said so, since 1970.", reading.read_at),
    }
    return [GaugeMetricFamily(name, text, value=value) for name, (text, value) in told.items()]


def _gauge(name: str, told: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, told, labels=[label])
    for value, amount in values.items():
        gauge.add_metric([value], amount)
    return gauge


def _histogram(
    metric: HistogramMetricFamily,
    fields: Sequence[tuple[Sequence[str], float]],
    labels: Sequence[str],
    bounds: Sequence[float],
) -> HistogramMetricFamily:
    found: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for (*its_labels, part), amount in fields:
        found[tuple(_split(its_labels, labels))][part] = amount
    for values, parts in found.items():
        buckets, total = [], 0.0
        for bound in (*map(str, bounds), "inf"):
            total += parts.get(bound, 0.0)
            buckets.append(("+Inf" if bound == "inf" else bound, total))
        metric.add_metric(values, buckets, parts.get("sum", 0.0))
    return metric


def _split(values: Sequence[str], labels: Sequence[str]) -> list[str]:
    """A lane stands for three labels."""
    return [*values[0].split(":"), *values[1:]] if tuple(labels[:3]) == _LANE else [*values]
