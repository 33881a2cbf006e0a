"""What is so at this moment, for GET /metrics: read from Redis in few round trips, however many lanes there are."""

import json
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import cast

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from redis.asyncio import Redis

from app.shared import keys
from app.shared.presence import living_workers
from app.shared.quota import RUN_KINDS, Quota, QuotaReading
from app.shared.settings import Settings

LANE = ("provider", "model", "host")
"""The labels that a lane stands for."""


async def gauges(redis: Redis, settings: Settings) -> list[Metric]:
    """All of them. Raises redis' own errors."""
    lanes = sorted(cast("set[str]", await redis.smembers(keys.LANES)))
    async with redis.pipeline(transaction=False) as pipeline:
        for index in (keys.QUEUED, keys.RUNNING, *(keys.RUNS + kind for kind in (*RUN_KINDS, "ended"))):
            pipeline.zcard(index)
        pipeline.get(keys.RESULTS_BYTES)
        pipeline.zcard(keys.RESULTS)
        for lane in lanes:
            pipeline.zcard(keys.LANE + lane)
            pipeline.zrange(keys.LANE + lane, 0, 0)
            pipeline.get(f"{keys.LANE}{lane}:pause")
        queued, running, gpu, own_gpu, cpu, ended, kept_bytes, kept, *of_lanes = await pipeline.execute()
    workers = len(await living_workers(redis))
    reading = (await Quota(redis, settings.kaggle_host).state()).reading
    limits = (settings.max_sessions, settings.max_own_gpu_runs, settings.max_cpu_runs)
    return [
        _info(settings),
        _gauge("kavox_jobs", "Jobs that have not ended.", "status", {"queued": queued, "running": running}),
        _gauge(
            "kavox_runs_open",
            "Open runs; one that has ended holds no session while its audio is fetched.",
            "kind",
            {"gpu": gpu, "own_gpu": own_gpu, "cpu": cpu, "ended": ended},
        ),
        _gauge("kavox_runs_limit", "How many runs may be open.", "kind", dict(zip(RUN_KINDS, limits, strict=True))),
        GaugeMetricFamily("kavox_workers", "Workers heard of lately.", value=workers),
        GaugeMetricFamily("kavox_cache_bytes", "Kept speech, in bytes of wav.", value=float(kept_bytes or 0)),
        GaugeMetricFamily("kavox_cache_entries", "Kept speech, in clips.", value=kept),
        *await _lanes(redis, lanes, of_lanes),
        await _webhooks(redis),
        *_quota(reading, settings),
    ]


def _info(settings: Settings) -> Metric:
    info = GaugeMetricFamily("kavox_info", "Always 1; what runs, and which Kaggle.", labels=("version", "kaggle"))
    info.add_metric([version("kavox"), settings.kaggle_mode or ""], 1)
    return info


async def _lanes(redis: Redis, lanes: Sequence[str], found: Sequence[object]) -> list[Metric]:
    waiting = GaugeMetricFamily("kavox_lane_jobs", "Jobs that wait in a lane.", labels=LANE)
    age = GaugeMetricFamily("kavox_queue_age_seconds", "How long the next job of a lane has waited.", labels=LANE)
    resting = GaugeMetricFamily(
        "kavox_lane_resting",
        "1 while nothing is claimed from a lane, by why.",
        labels=(*LANE, "code"),
    )
    heads = cast("Sequence[list[str]]", found[1::3])
    async with redis.pipeline(transaction=False) as pipeline:
        for head in heads:
            pipeline.hget(keys.JOB + "".join(head), "created_at")
        created = await pipeline.execute()
    for lane, count, pause, since in zip(lanes, found[::3], found[2::3], created, strict=True):
        labels = lane.split(":", 2)
        waiting.add_metric(labels, cast("int", count))
        age.add_metric(labels, max(0.0, time.time() - float(since)) if since else 0.0)
        if pause:
            resting.add_metric([*labels, _code(str(pause))], 1)
    return [waiting, age, resting]


async def _webhooks(redis: Redis) -> Metric:
    destinations = cast("list[str]", await redis.zrange(keys.DUE_DESTINATIONS, 0, -1))
    async with redis.pipeline(transaction=False) as pipeline:
        for destination in destinations:
            pipeline.zcard(keys.DUE_DELIVERIES + destination)
        pending = sum(await pipeline.execute())
    return GaugeMetricFamily("kavox_webhooks_pending", "Webhooks that are to be sent, now or again.", value=pending)


def _code(pause: str) -> str:
    return str((json.loads(pause) or {}).get("code", "unknown"))


def _quota(reading: QuotaReading | None, settings: Settings) -> list[Metric]:
    """Nothing as long as Kaggle has said nothing."""
    if reading is None:
        return []
    left = reading.remaining_seconds
    told = {
        "kavox_quota_allowed_seconds": ("The week's GPU quota.", reading.allowed_seconds),
        "kavox_quota_remaining_seconds": ("What is left of it.", left),
        "kavox_quota_available_seconds": (
            "What is left for jobs: without KAVOX_QUOTA_RESERVE_HOURS.",
            max(0.0, left - settings.quota_reserve_hours * 3600),
        ),
        "kavox_quota_refreshes_at_seconds": ("When it comes back, since 1970.", reading.refreshes_at),
        "kavox_quota_read_at_seconds": ("When Kaggle said so, since 1970.", reading.read_at),
    }
    return [GaugeMetricFamily(name, text, value=value) for name, (text, value) in told.items()]


def _gauge(name: str, told: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, told, labels=[label])
    for value, amount in values.items():
        gauge.add_metric([value], amount)
    return gauge
