"""Errors as `application/problem+json` (RFC 9457).

Every problem has `type`, `title`, `status`, `detail`, `code` and `instance`; programs branch on `code`. A request that
cannot be accepted also names its culprits: `errors`, and the first of them again as `field`.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from app.api.mistakes import culprits_of
from app.api.openai_errors import envelope, is_openai, openai_status
from app.api.openapi_problems import ENVELOPE, PROBLEM, response_name
from app.shared import errors
from app.shared.redis_client import is_outage, unavailable

MEDIA_TYPE = "application/problem+json"
STORE_RETRY_SECONDS = 5
"""A restarting Redis is back sooner than this; a full queue moves on in about this time."""

log = structlog.get_logger(__name__)


class InvalidJson(errors.Permanent):
    """The body is not JSON, so that no field of it can be named."""

    code = "invalid_json"


class MalformedRequest(errors.Permanent):
    """What came is no HTTP."""

    code = "malformed_request"


class HeadersTooLarge(errors.Permanent):
    """The request's headers are longer than any that are needed here."""

    code = "headers_too_large"


class InvalidForm(errors.Permanent):
    """The body is not the form that it says it is."""

    code = "invalid_form"


class UnsupportedMediaType(errors.Permanent):
    """The body says that it is something other than what the route takes."""

    code = "unsupported_media_type"


class BodyTooLarge(errors.Permanent):
    """The body is longer than any request that could be accepted."""

    code = "body_too_large"


class RangeNotSatisfiable(errors.Permanent):
    """The file has no such part; `size` is how many bytes there are."""

    code = "range_not_satisfiable"

    def __init__(self, detail: str, *, size: int) -> None:
        super().__init__(detail)
        self.size = size


class InvalidIdempotencyKey(errors.Permanent):
    """The Idempotency-Key cannot be one."""

    code = "invalid_idempotency_key"


class BatchInvalid(errors.RequestRefused):
    """Some items of a batch cannot be accepted, so none is. `culprits` has the fields index, field, code and detail."""

    code = "batch_invalid"

    def __init__(self, culprits: Sequence[Mapping[str, Any]], refused: int, total: int) -> None:
        first = culprits[0]
        detail = f"{refused} of {total} items cannot be accepted, so none was: item {first['index']}: {first['detail']}"
        super().__init__(f"items.{first['index']}.{first['field']}", detail)
        self.culprits = culprits


class PreconditionFailed(errors.Permanent):
    """The file is not the version that the request is about."""

    code = "precondition_failed"


class OriginRefused(errors.Permanent):
    """A browser asks for a page of an origin that is not let in."""

    code = "cors_refused"

    def __init__(self, origin: str) -> None:
        super().__init__(f"pages of {origin} may not use this service: KAVOX_CORS_ORIGINS does not name it")


class ConversionPending(errors.Transient):
    """The format that was asked for is being made, or waits for its turn."""

    code = "conversion_pending"


# The one table. The nearest class in an error's ancestry decides.
STATUS: Mapping[type[Exception], int] = {
    InvalidJson: 400,
    InvalidForm: 400,
    InvalidIdempotencyKey: 400,
    MalformedRequest: 400,
    errors.Unauthorized: 401,
    OriginRefused: 403,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    PreconditionFailed: 412,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    RangeNotSatisfiable: 416,
    errors.RequestRefused: 422,
    errors.TooManyRequests: 429,
    HeadersTooLarge: 431,
    errors.Transient: 503,
    errors.KavoxError: 500,
}

# What the framework itself refuses.
_FRAMEWORK_CODES = {404: "not_found", 405: "method_not_allowed"}


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem; unexpected ones are met in `request_context.py`."""
    app.add_exception_handler(errors.KavoxError, _on_kavox_error)
    app.add_exception_handler(RedisError, _on_redis_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def problem_response(error: errors.KavoxError, path: str) -> Response:
    """The answer to a request for `path` that met this error."""
    status = next(STATUS[ancestor] for ancestor in type(error).__mro__ if ancestor in STATUS)
    more: dict[str, Any] = {}
    if isinstance(error, BatchInvalid):
        more = {"field": error.field, "errors": error.culprits}
    elif isinstance(error, errors.RequestRefused):
        more = {**error.extra, **_culprits([{"field": error.field, "code": error.code, "detail": error.detail}])}
    return _render(path, status, error.code, error.detail, headers=_headers(error, status), **more)


def unexpected(path: str) -> Response:
    """The answer to a request that met a mistake of ours; what it was stands in the log only."""
    return _render(path, 500, errors.KavoxError.code, "something went wrong here; the log says what")


def openai_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for a route whose errors are OpenAI's."""
    return _shared(ENVELOPE, statuses)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for the OpenAPI document; a 500 is every route's."""
    return _shared(PROBLEM, statuses)


def _shared(form: str, statuses: Sequence[int]) -> dict[int | str, dict[str, Any]]:
    return {status: {"$ref": f"#/components/responses/{response_name(form, status)}"} for status in statuses}


async def _on_kavox_error(request: Request, error: Exception) -> Response:
    return problem_response(cast("errors.KavoxError", error), request.scope["path"])


async def _on_redis_error(request: Request, error: Exception) -> Response:
    found = cast("RedisError", error)
    if not is_outage(found):
        raise found
    log.warning("redis does not answer", error=str(found))
    return problem_response(unavailable(found), request.scope["path"])


async def _on_validation_error(request: Request, error: Exception) -> Response:
    path: str = request.scope["path"]
    invalid = cast("RequestValidationError", error)
    culprits = culprits_of(invalid, path)
    first, unlisted = culprits[0], len(invalid.errors()) - len(culprits)
    detail = f"{first['field']}: {first['detail']}"
    if unlisted:
        detail += f"; {unlisted} more {'mistakes are' if unlisted > 1 else 'mistake is'} not listed"
    return _render(path, 422, first["code"], detail, **_culprits(culprits))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    exception = cast("HTTPException", error)
    code = _FRAMEWORK_CODES.get(exception.status_code, "invalid_request")
    detail = f"{request.method} {request.scope['path']} is not served here; /docs lists what is"
    if code == "invalid_request":
        detail = exception.detail
    headers = dict(exception.headers or {})
    if exception.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return _render(request.scope["path"], exception.status_code, code, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods that the address has; the framework names those of one route, and an address may have several."""
    offered = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    # Every GET is a HEAD too (`head.py`).
    return ["HEAD", *offered] if "GET" in offered else offered


def _culprits(culprits: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    return {"field": culprits[0]["field"], "errors": culprits}


def _headers(error: errors.KavoxError, status: int) -> dict[str, str]:
    if isinstance(error, errors.Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.size}", "Accept-Ranges": "bytes"}
    if isinstance(error, errors.TooManyRequests):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, errors.Conflict) and error.retry_after is not None:
        return {"Retry-After": str(error.retry_after)}
    return {"Retry-After": str(STORE_RETRY_SECONDS)} if status == 503 else {}


def _render(
    path: str, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    if is_openai(path):
        return envelope(openai_status(status), detail, code=code, param=more.get("field"), headers=headers)
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": quote(path),
        **more,
    }
    # A problem may quote what a caller sent, and half a surrogate pair cannot be written as UTF-8.
    body = json.dumps(problem, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, headers, MEDIA_TYPE)
