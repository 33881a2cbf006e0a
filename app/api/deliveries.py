"""/jobs/{id}/deliveries and /batches/{id}/deliveries: what a receiver was told, how often; to try it again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.api.dependencies import Caller, Owned, Resources
from app.api.openapi_headers import headers
from app.api.problems import responses
from app.shared.deliveries import Attempt, Deliveries, Delivery, DeliveryStatus
from app.shared.pipelines import SharedPipelines

router = APIRouter(tags=["webhooks"])


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
    type: str = Field(description="What happened: job.succeeded, batch.completed, …")
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
    """What was to be told, the oldest first; empty where nobody is to be told."""

    deliveries: Sequence[DeliveryView]


@router.get("/jobs/{job_id}/deliveries", responses=responses(401, 404, 503))
async def list_deliveries(job_id: str, owned: Owned, caller: Caller) -> DeliveryList:
    """The webhooks of a job: each message with its attempts, and when it is tried next."""
    return await _listed((await owned.jobs.get(job_id, caller)).id, owned)


@router.get("/batches/{batch_id}/deliveries", responses=responses(401, 404, 503))
async def list_batch_deliveries(batch_id: str, owned: Owned, caller: Caller) -> DeliveryList:
    """The webhook of a batch, once it has ended, with its attempts; those of its jobs are listed with them."""
    return await _listed((await owned.batches.get(batch_id, caller)).id, owned)


@router.post(
    "/jobs/{job_id}/deliveries/{delivery_id}", status_code=202, responses={**_AGAIN, **responses(401, 404, 503)}
)
async def redeliver(job_id: str, delivery_id: str, owned: Owned, caller: Caller, response: Response) -> DeliveryView:
    """Sends a message again at once, under the same webhook-id, whatever has become of it; with a day of attempts."""
    return await _sent_again((await owned.jobs.get(job_id, caller)).id, delivery_id, owned, response)


@router.post(
    "/batches/{batch_id}/deliveries/{delivery_id}", status_code=202, responses={**_AGAIN, **responses(401, 404, 503)}
)
async def redeliver_of_batch(
    batch_id: str, delivery_id: str, owned: Owned, caller: Caller, response: Response
) -> DeliveryView:
    """The same for a batch's message."""
    return await _sent_again((await owned.batches.get(batch_id, caller)).id, delivery_id, owned, response)


async def _listed(subject: str, owned: Resources) -> DeliveryList:
    return DeliveryList(deliveries=list(map(DeliveryView.of, await _deliveries(owned).of(subject))))


async def _sent_again(subject: str, delivery_id: str, owned: Resources, response: Response) -> DeliveryView:
    deliveries = _deliveries(owned)
    await deliveries.redeliver(await deliveries.get(subject, delivery_id))
    response.headers["Retry-After"] = str(_SOON_SECONDS)
    return DeliveryView.of(await deliveries.get(subject, delivery_id))


def _deliveries(owned: Resources) -> Deliveries:
    return Deliveries(cast("SharedPipelines", owned.redis))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
