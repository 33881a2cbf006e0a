"""A batch as its caller sees it, over HTTP and in webhooks. Times are ISO 8601 in UTC, durations seconds."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.shared.batch import Batch, BatchStatus
from app.shared.job_view import time_of, time_or_none


class Counts(BaseModel):
    """How many jobs are in each state."""

    queued: int
    running: int
    canceling: int
    succeeded: int
    failed: int
    canceled: int


class BatchUrls(BaseModel):
    """Where a batch, its audio, its captions and its events are."""

    self: str
    audio: str
    captions: str
    events: str


class BatchSummary(BaseModel):
    """A batch and how far it has come, without its jobs."""

    id: str
    name: str | None
    status: BatchStatus = Field(
        description="`failed`: all jobs have ended and some have failed; `canceled`: some were, and none has failed."
    )
    total: int = Field(description="How many jobs it has.")
    counts: Counts
    progress: float = Field(description="How many of them have ended, from 0 to 1.")
    characters: int
    duration_seconds: float = Field(description="Of the speech that is there.")
    gpu_seconds: float = Field(description="Of the jobs that have ended.")
    created_at: datetime
    finished_at: datetime | None
    metadata: dict[str, Any]
    webhook: str | None = Field(description="The URL that is told when all jobs have ended.")
    urls: BatchUrls


def batch_path(batch_id: str) -> str:
    """Where a batch is."""
    return f"/batches/{batch_id}"


def summary(batch: Batch) -> dict[str, Any]:
    """The batch as its caller sees it, in the form of BatchSummary."""
    path = batch_path(batch.id)
    return {
        "id": batch.id,
        "name": batch.name,
        "status": batch.status,
        "total": batch.total,
        "counts": {status.value: count for status, count in batch.counts.items()},
        "progress": round(batch.progress, 4),
        "characters": batch.characters,
        "duration_seconds": round(batch.speech_seconds, 3),
        "gpu_seconds": round(batch.gpu_seconds, 3),
        "created_at": time_of(batch.created_at),
        "finished_at": time_or_none(batch.finished_at),
        "metadata": batch.metadata,
        "webhook": batch.webhook and batch.webhook["url"],
        "urls": {"self": path, "audio": f"{path}/audio", "captions": f"{path}/captions", "events": f"{path}/events"},
    }
