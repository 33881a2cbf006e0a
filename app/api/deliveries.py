"""/jobs/{id}/deliveries: what a job's receiver was told, how often that was tried, and to try it again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from app.api.dependencies import Caller, Connection, Jobs
from app.api.openapi_headers import headers
from app.api.problems import responses
from app.shared.deliveries import Attempt, Deliveries, Delivery, DeliveryStatus
from app.shared.pipelines import SharedPipelines

router = APIRouter(prefix="/jobs", tags=["webhooks"])


# A delivery that is due is under way by then.
_SOON_SECONDS = 1
_AGAIN: dict[int | str, dict[str, Any]] = {202: {"description": "It is sent again.", **headers("Retry-After")}}


class AttemptError(BaseModel):
    """Why the receiver does not have the message."""

    code: str
    detail: str


class AttemptView(BaseModel):
    """One attempt to send a message."""

    at: datetime
    duration_seconds: float
    status: int | None = Field(description="The receiver's answer; null where there was none.")
    error: AttemptError | None = Field(description="null when the receiver has taken the message.")

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptView":
        """The attempt as it is shown."""
        error = attempt.error and AttemptError(**attempt.error)
        return cls(at=_time(attempt.at), duration_seconds=attempt.seconds, status=attempt.status, error=error)


class DeliveryView(BaseModel):
    """One event for one URL."""

    id: str = Field(description="The message's webhook-id, the same in all attempts.")
    type: str = Field(description="What happened: job.succeeded, …")
    url: str
    status: Literal["pending", "delivered", "failed"]
    created_at: datetime = Field(description="When it happened; the message's timestamp.")
    attempts: Sequence[AttemptView] = Field(description="The latest thirty, the oldest first.")
    next_attempt_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryView":
        """The delivery as its caller sees it."""
        waits = delivery.status is DeliveryStatus.PENDING and delivery.due is not None
        return cls(
            id=delivery.id,
            type=delivery.type,
            url=delivery.url,
            status=delivery.status.value,
            created_at=_time(delivery.created_at),
            attempts=list(map(AttemptView.of, delivery.attempts)),
            next_attempt_at=_time(delivery.due) if waits and delivery.due else None,
        )


class DeliveryList(BaseModel):
    """What was to be told of a job, the oldest first; empty where nobody is to be told."""

    deliveries: Sequence[DeliveryView]


@router.get("/{job_id}/deliveries", responses=responses(401, 404, 503))
async def list_deliveries(job_id: str, jobs: Jobs, redis: Connection, caller: Caller) -> DeliveryList:
    """The webhooks of a job: each message with its attempts, and when it is tried next."""
    job = await jobs.get(job_id, caller)
    found = await _deliveries(redis).of(job.id)
    return DeliveryList(deliveries=list(map(DeliveryView.of, found)))


@router.post("/{job_id}/deliveries/{delivery_id}", status_code=202, responses={**_AGAIN, **responses(401, 404, 503)})
async def redeliver(
    job_id: str, delivery_id: str, jobs: Jobs, redis: Connection, caller: Caller, response: Response
) -> DeliveryView:
    """Sends a message again at once, under the same webhook-id, whatever has become of it; with a day of attempts."""
    job = await jobs.get(job_id, caller)
    deliveries = _deliveries(redis)
    await deliveries.redeliver(await deliveries.get(job.id, delivery_id))
    response.headers["Retry-After"] = str(_SOON_SECONDS)
    return DeliveryView.of(await deliveries.get(job.id, delivery_id))


def _deliveries(redis: Redis) -> Deliveries:
    return Deliveries(cast("SharedPipelines", redis))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
