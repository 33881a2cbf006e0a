"""GET /metrics: what Prometheus collects. Everything is read from Redis, so any API process tells of the whole
installation; docs/operating.md says what is worth watching.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import cast

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.responses import Response

from app.api.dependencies import Config, Connection, Operator
from app.api.gauges import LANE, gauges
from app.api.problems import responses
from app.shared import keys
from app.shared.metrics import SECONDS, SIZES

router = APIRouter(tags=["operations"])

# By the name in Redis: the name for Prometheus, what it is, and its labels.
_COUNTERS = {
    "jobs_accepted": ("kavox_jobs_accepted", "Jobs accepted.", LANE),
    "jobs_ended": ("kavox_jobs_ended", "Jobs that have ended, by how.", (*LANE, "status")),
    "jobs_failed": ("kavox_job_failures", "Failed jobs, by the code of their error.", (*LANE, "code")),
    "faults": ("kavox_faults", "Setbacks of runs and of single items, by the code of the error.", ("host", "code")),
    "gpu_seconds": ("kavox_gpu_seconds", "GPU seconds billed to runs.", LANE),
    "speech_seconds": ("kavox_speech_seconds", "Seconds of speech published, as estimated before.", LANE),
    "cache": ("kavox_cache_requests", "Requests for speech that may be kept: hit, shared or miss.", ("result",)),
    "webhook_attempts": ("kavox_webhook_attempts", "Webhooks sent: delivered, failed, or pending again.", ("status",)),
    "gpu_seconds_saved": ("kavox_gpu_seconds_saved", "GPU seconds that kept and shared speech has saved.", ()),
}
_HISTOGRAMS: Mapping[str, tuple[str, str, Sequence[str], Sequence[float]]] = {
    "job_seconds": (
        "kavox_job_seconds",
        "From a job's acceptance to its end, but for those that kept speech has answered at once.",
        LANE,
        SECONDS,
    ),
    "phase_seconds": (
        "kavox_run_phase_seconds",
        "How long published runs were in each phase; waiting is what their jobs did before.",
        (*LANE, "phase"),
        SECONDS,
    ),
    "run_jobs": ("kavox_run_jobs", "How many jobs share a run.", LANE, SIZES),
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
            # What has no labels is 0 before it has happened; of what has some, nobody knows which there will be.
            for its_labels, amount in fields[name] or ([] if labels else [([], 0.0)]):
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
    registry.register(Snapshot({name: float(value) for name, value in counted.items()}, await gauges(redis, settings)))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


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
        for bound in (*bounds, inf):
            total += parts.get(str(bound), 0.0)
            buckets.append(("+Inf" if bound == inf else repr(float(bound)), total))
        metric.add_metric(values, buckets, parts.get("sum", 0.0))
    return metric


def _split(values: Sequence[str], labels: Sequence[str]) -> list[str]:
    """A lane stands for three labels."""
    return [*values[0].split(":", 2), *values[1:]] if tuple(labels[:3]) == LANE else [*values]
