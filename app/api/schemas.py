"""What requests look like, and pages of jobs; a job itself is in `app/shared/job_view.py`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.shared.audio_formats import FORMATS
from app.shared.job import JobStatus
from app.shared.job_view import JobView
from app.shared.receivers import MAX_URL_CHARS

Choice = Annotated[str, Field(min_length=1, max_length=200)]
"""The name of something that a manifest lists."""


def _whole(value: object) -> object:
    """JSON has one kind of number, so 5.0 is the integer 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Seed = Annotated[int, Field(ge=0, lt=2**31), BeforeValidator(_whole)]

EventName = Literal["started", "progress", "succeeded", "failed", "canceled"]


class WebhookWish(BaseModel):
    """Where to send a message, and about which events."""

    model_config = ConfigDict(strict=True, extra="forbid")

    url: str = Field(
        description="https, or a host of KAVOX_WEBHOOK_ALLOWED_HOSTS.",
        max_length=MAX_URL_CHARS,
        json_schema_extra={"minLength": 1, "examples": ["https://example.org/kavox"]},
    )
    events: list[EventName] = Field(
        ["succeeded", "failed", "canceled"], min_length=1, description="progress comes every five seconds at most."
    )


def _webhook(wish: object) -> object:
    """The URL alone is enough."""
    if isinstance(wish, str):
        return {"url": wish}
    if wish is None or isinstance(wish, dict):
        return wish
    raise PydanticCustomError("webhook_type", 'must be a URL, or an object with "url" and "events"')


_WEBHOOK_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": MAX_URL_CHARS, "description": "The URL alone."},
        WebhookWish.model_json_schema(),
        {"type": "null"},
    ]
}

EXAMPLES: dict[str, Any] = {
    "the text alone": {"value": {"text": "The quick brown fox jumps over the lazy dog."}},
    "with a provider and a voice": {
        "value": {"text": "Hello from Kavox.", "provider": "hibari", "voice": "heart", "metadata": {"page": 12}}
    },
    "with a webhook": {
        "value": {"text": "Hello.", "webhook": {"url": "https://example.org/kavox", "events": ["succeeded", "failed"]}}
    },
}
"""Requests that work when pasted."""


class SpeechRequest(BaseModel):
    """The body of POST /synthesize. What is left out is chosen by the provider's manifest."""

    # Strict: "5" is no number and 1 is no truth, so that a mistake is heard of and not spoken.
    model_config = ConfigDict(strict=True, extra="forbid")

    text: str = Field(description="What to speak.", json_schema_extra={"minLength": 1})
    provider: Choice | None = Field(None, description="One of GET /providers.")
    model: Choice | None = None
    voice: Choice | None = Field(None, description="One of GET /voices, or the id of one of your own.")
    language: Choice | None = None
    format: Choice = Field("wav", description="What `audio` will be.", json_schema_extra={"enum": list(FORMATS)})
    gpu: bool | None = Field(None, description="false: not on Kaggle but on a worker's own machine.")
    seed: Seed | None = Field(None, description="The same seed, the same speech.")
    priority: Literal["low", "normal", "high"] = "normal"
    max_wait_seconds: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = Field(
        None, description="Fail with wait_expired if it still waits after so long."
    )
    cache: bool = Field(True, description="false: spoken anew, and neither kept for nor shared with the same request.")
    on_unavailable: Choice | None = Field(
        None,
        description="local:<provider>: spoken by it on a worker's own machine when there is no GPU quota.",
        json_schema_extra={"pattern": "^local:"},
    )
    options: dict[str, Any] = Field({}, description="Settings of the engine, as GET /providers lists them.")
    webhook: Annotated[WebhookWish | None, BeforeValidator(_webhook), WithJsonSchema(_WEBHOOK_SCHEMA)] = Field(
        None, description="Who is told when something happens to the job: a URL, or one with events."
    )
    metadata: dict[str, Any] = Field({}, description="Yours: kept with the job and given back, up to 16 KiB.")


class Query(BaseModel):
    """The parameters of a listing; a misspelt one is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class JobQuery(Query):
    """The parameters of GET /jobs."""

    status: JobStatus | None = None
    cursor: str | None = Field(None, description="next_cursor of the page before.")
    limit: int = Field(20, ge=1, le=100)


class JobPage(BaseModel):
    """Some jobs, the newest first; `next_cursor` is null on the last page."""

    jobs: Sequence[JobView]
    next_cursor: str | None
