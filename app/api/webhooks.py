"""/webhooks/secret: what a receiver checks signatures with. Each caller has a secret, made when it is first wanted."""

from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.dependencies import Caller, Connection, Submitter
from app.api.problems import responses
from app.shared.webhook_secrets import Secrets, rotate, secrets_of

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class WebhookSecretView(BaseModel):
    """Your secret, for any of the Standard Webhooks libraries."""

    secret: str = Field(json_schema_extra={"pattern": "^whsec_[A-Za-z0-9+/]+=*$"})
    replaced_until: Sequence[datetime] = Field(
        description="Until when secrets that it has replaced sign beside it, the latest first."
    )

    @classmethod
    def of(cls, secrets: Secrets) -> "WebhookSecretView":
        """The current one; those that it has replaced are shown to nobody any more."""
        until = [datetime.fromtimestamp(until, UTC) for _, until in secrets.replaced]
        return cls(secret=secrets.current, replaced_until=until)


@router.get("/secret", responses=responses(401, 503))
async def read_webhook_secret(redis: Connection, caller: Submitter) -> WebhookSecretView:
    """What your webhooks are signed with."""
    return WebhookSecretView.of(await secrets_of(redis, caller))


@router.post("/secret/rotate", responses=responses(401, 503))
async def rotate_webhook_secret(redis: Connection, caller: Caller) -> WebhookSecretView:
    """A new secret. The one before signs beside it for a day, so that a receiver that knows either accepts."""
    return WebhookSecretView.of(await rotate(redis, caller))
