"""What answers about batches look like."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from app.api.schemas import Query
from app.shared.batch_store import BatchSeen
from app.shared.batch_view import BatchSummary, summary
from app.shared.job import JobStatus
from app.shared.job_view import job_path


class BatchQuery(Query):
    """The parameters of GET /batches."""

    cursor: str | None = Field(None, description="next_cursor of the page before.")
    limit: int = Field(20, ge=1, le=100)


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


def batch_view(seen: BatchSeen) -> dict[str, Any]:
    """The batch with its jobs, in the form of BatchView."""
    jobs = [
        {"index": index, "id": one.id, "status": one.status, "error": one.error, "url": job_path(one.id)}
        for index, one in enumerate(seen.members)
    ]
    return {**summary(seen.batch), "eta_seconds": seen.eta_seconds, "jobs": jobs}
