"""The `webhooks` of the OpenAPI document: what this service sends, and what it makes of the answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.api.openapi_examples import DELIVERY_ID, MODELS
from app.shared.batch import COMPLETED
from app.shared.webhook import WebhookEvent

_TOLD = {
    WebhookEvent.STARTED: "A run has taken the job up, for the first time.",
    WebhookEvent.PROGRESS: "The job has come further; every five seconds at most, and sent only once.",
    WebhookEvent.SUCCEEDED: "The job's audio is there.",
    WebhookEvent.FAILED: "The job has failed; `error` says why.",
    WebhookEvent.CANCELED: "The job was cancelled.",
}

_HEADERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "webhook-id": (
        "The message's id, the same whenever it is sent again: what a receiver has seen before, it may ignore.",
        {"type": "string", "examples": [DELIVERY_ID]},
    ),
    "webhook-timestamp": (
        "When this attempt was made, in seconds since 1970.",
        {"type": "string", "pattern": "^\\d+$"},
    ),
    "webhook-signature": (
        "For each secret that signs `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, with spaces between.",
        {"type": "string", "pattern": "^v1,[A-Za-z0-9+/]+=*( v1,[A-Za-z0-9+/]+=*)*$"},
    ),
}

_ANSWERS = {
    "2XX": "It is delivered.",
    "410": "Nothing more is sent to this URL, until a later request of the same caller names it.",
    "429": "It is sent again after Retry-After, and until then nothing else to the same host; 503 is heeded alike.",
    "default": "It is sent again, for about a day.",
}

_MESSAGE = "WebhookMessage"
_BATCH_MESSAGE = "BatchWebhookMessage"


def message_schemas() -> dict[str, Any]:
    """The bodies of the messages about jobs, and of those about batches."""
    of_jobs = [f"job.{event}" for event in WebhookEvent]
    return {
        _MESSAGE: _message(_MESSAGE, "What has happened to a job", of_jobs, "job.succeeded", "JobView"),
        _BATCH_MESSAGE: _message(
            _BATCH_MESSAGE, "All jobs of a batch have ended", [COMPLETED], COMPLETED, "BatchSummary"
        ),
    }


def _message(name: str, told: str, types: Sequence[str], example: str, data: str) -> dict[str, Any]:
    return {
        "title": name,
        "description": f"{told}, in the form of Standard Webhooks.",
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "enum": list(types)},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
            "data": {"$ref": f"#/components/schemas/{data}"},
        },
        "examples": [{"type": example, "timestamp": "2026-11-24T00:18:02.907000Z", "data": dict(MODELS[data])}],
    }


def webhooks() -> dict[str, Any]:
    """One entry for each event."""
    wanted = "Sent to `webhook.url` of the request where `webhook.events` has `{event}`."
    of_jobs = {
        f"job.{event}": {"post": _operation(f"job_{event}", told, wanted.format(event=event), _MESSAGE)}
        for event, told in _TOLD.items()
    }
    completed = ("All jobs of the batch have ended.", "Sent to `webhook` of POST /batches.", _BATCH_MESSAGE)
    return {**of_jobs, COMPLETED: {"post": _operation("batch_completed", *completed)}}


def _operation(name: str, told: str, wanted: str, message: str) -> dict[str, Any]:
    return {
        "tags": ["webhooks"],
        "operationId": name,
        "summary": told,
        "description": wanted,
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": dict(schema)}
            for name, (text, schema) in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{message}"}}},
        },
        "responses": {status: {"description": text} for status, text in _ANSWERS.items()},
    }
