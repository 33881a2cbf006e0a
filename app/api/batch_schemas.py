"""What answers about batches look like."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.api.schemas import Query
from app.shared.batch import Batch, BatchStatus
from app.shared.batch_store import BatchSeen
from app.shared.job import JobStatus
from app.shared.job_view import job_path, time_of, time_or_none


class BatchQuery(Query):
    """The parameters of GET /batches."""

    cursor: str | None = Field(None, description="next_cursor of the page before.")
    limit: int = Field(20, ge=1, le=100)


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
    urls: BatchUrls


class BatchJob(BaseModel):
    """A job of a batch; GET /jobs/{id} tells the rest."""

    index: int = Field(description="Its place among the items of the request.")
    id: str
    status: str = Field(json_schema_extra={"enum": [*JobStatus, "expired"]})
    error: str | None = Field(description="The code of a failed one's error.")
    url: str


class BatchView(BatchSummary):
    """A batch with its jobs."""

    eta_seconds: float | None = Field(description="Seconds until the end of the last job; null if unknown.")
    jobs: Sequence[BatchJob]


class BatchList(BaseModel):
    """Some batches, the newest first; `next_cursor` is null on the last page."""

    batches: Sequence[BatchSummary]
    next_cursor: str | None


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
        "urls": {"self": path, "audio": f"{path}/audio", "captions": f"{path}/captions", "events": f"{path}/events"},
    }


def batch_view(seen: BatchSeen) -> dict[str, Any]:
    """The batch with its jobs, in the form of BatchView."""
    jobs = [
        {"index": index, "id": one.id, "status": one.status, "error": one.error, "url": job_path(one.id)}
        for index, one in enumerate(seen.members)
    ]
    return {**summary(seen.batch), "eta_seconds": seen.eta_seconds, "jobs": jobs}
