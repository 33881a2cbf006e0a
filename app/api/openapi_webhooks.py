"""The `webhooks` of the OpenAPI document: what this service sends, and what it makes of the answers."""

from collections.abc import Mapping
from typing import Any

from app.api.openapi_examples import DELIVERY_ID, MODELS
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

MESSAGE = "WebhookMessage"


def message_schema() -> dict[str, Any]:
    """The body of every message about a job."""
    return {
        "title": MESSAGE,
        "description": "What has happened to a job, in the form of Standard Webhooks.",
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "enum": [f"job.{event}" for event in WebhookEvent]},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
            "data": {"$ref": "#/components/schemas/JobView"},
        },
        "examples": [
            {"type": "job.succeeded", "timestamp": "2026-11-24T00:18:02.907000Z", "data": dict(MODELS["JobView"])}
        ],
    }


def webhooks() -> dict[str, Any]:
    """One entry for each event."""
    return {f"job.{event}": {"post": _operation(event, told)} for event, told in _TOLD.items()}


def _operation(event: WebhookEvent, told: str) -> dict[str, Any]:
    return {
        "tags": ["webhooks"],
        "operationId": f"job_{event}",
        "summary": told,
        "description": f"Sent to `webhook.url` of the request where `webhook.events` has `{event}`.",
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": dict(schema)}
            for name, (text, schema) in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{MESSAGE}"}}},
        },
        "responses": {status: {"description": text} for status, text in _ANSWERS.items()},
    }
