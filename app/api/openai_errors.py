"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`, for everything below /v1."""

import json
from collections.abc import Mapping

from starlette.responses import Response

# The names that OpenAI's own service uses; clients print them.
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

ENVELOPE_SCHEMA = {
    "title": "OpenAIError",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "The field that is wrong."},
                "code": {"type": "string", "description": "Kavox' own code, as everywhere else."},
            },
        }
    },
}

NO_RETRY = {"x-should-retry": "false"}
"""OpenAI's client obeys this before it looks at the status."""


def openai_status(status: int) -> int:
    """What OpenAI's service says: it knows no 422, and scripts catch the `BadRequestError` that is made of a 400."""
    return 400 if status == 422 else status


def is_openai(path: str) -> bool:
    """Whether this is an address that OpenAI's clients speak to."""
    return path == "/v1" or path.startswith("/v1/")


def envelope(
    status: int, message: str, *, code: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that met an error."""
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    body = json.dumps({"error": error}, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, headers, "application/json")
