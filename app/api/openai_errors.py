"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`, for everything below /v1."""

import json
from collections.abc import Mapping

from starlette.responses import Response

# The names that OpenAI's own service uses; clients print them.
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

NO_RETRY = {"x-should-retry": "false"}
"""OpenAI's client obeys this before it looks at the status."""


def openai_status(status: int) -> int:
    """What OpenAI's service says: it knows no 422, and scripts catch the `BadRequestError` that is made of a 400."""
    return 400 if status == 422 else status


def is_openai(path: str) -> bool:
    """Whether this is an address that OpenAI's clients speak to."""
    return path == "/v1" or path.startswith("/v1/")


def error_type(status: int) -> str:
    """What OpenAI calls an error with this status."""
    return _TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")


def envelope(
    status: int, message: str, *, code: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that met an error."""
    error = {"message": message, "type": error_type(status), "param": param, "code": code}
    body = json.dumps({"error": error}, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, headers, "application/json")
