"""The problems in the OpenAPI document: one shared response for each status and form, with the codes one meets most."""

from collections.abc import Mapping
from typing import Any

from app.api.openai_errors import error_type
from app.api.openapi_examples import JOB_PATH
from app.api.openapi_headers import RATES, named, sometimes

PROBLEM = "Problem"
ENVELOPE = "OpenAIError"

_CULPRIT = {
    "type": "object",
    "required": ["field", "code", "detail"],
    "properties": {
        **{name: {"type": "string"} for name in ("field", "code", "detail")},
        "index": {"type": "integer", "description": "Of a batch: the item's place, from 0."},
    },
}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    PROBLEM: {
        "title": PROBLEM,
        "description": "What went wrong (RFC 9457). Branch on `code`: docs/errors.md explains each.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "instance"],
        "properties": {
            "type": {"type": "string", "const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What happened and what to do."},
            "code": {"type": "string", "pattern": "^[a-z_]+$", "description": "Its meaning never changes."},
            "instance": {"type": "string", "description": "The path of the request."},
            "field": {"type": "string", "description": "The first culprit of a refused request."},
            "valid": {"type": "array", "items": {"type": "string"}, "description": "What could have been asked for."},
            "errors": {"type": "array", "items": _CULPRIT, "description": "Every culprit."},
            "characters": {"type": "integer", "description": "How many a text has that is too long."},
            "most": {"type": "integer", "description": "How many it may have."},
        },
    },
    ENVELOPE: {
        "title": ENVELOPE,
        "description": "What went wrong, as OpenAI's clients read it.",
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
    },
}

# RFC 9110's names of the statuses (Python's own change between its versions), a code that is met with each, and how it
# then reads.
_EXAMPLES: Mapping[int, tuple[str, str, str]] = {
    400: ("Bad Request", "invalid_json", "the body is not JSON: Expecting value at line 1, column 10 (character 9)"),
    401: ("Unauthorized", "unauthorized", "send a key as 'Authorization: Bearer <key>' or as 'X-API-Key: <key>'"),
    403: ("Forbidden", "missing_scope", "this needs a key with the scope submit, and this one has: read"),
    404: ("Not Found", "not_found", "there is no such thing, or it is another caller's"),
    409: ("Conflict", "audio_not_ready", "the audio is not there yet: the job is running"),
    410: ("Gone", "audio_expired", "the audio is no longer stored"),
    412: ("Precondition Failed", "precondition_failed", "the audio is another version than If-Match names"),
    413: (
        "Content Too Large",
        "body_too_large",
        "the body is longer than 191072 bytes",
    ),
    415: ("Unsupported Media Type", "unsupported_media_type", "the body is 'text/plain'; send JSON"),
    416: ("Range Not Satisfiable", "range_not_satisfiable", "the audio has 147644 bytes, and none in the range"),
    422: ("Unprocessable Content", "invalid_value", "Input should be greater than or equal to 0"),
    429: ("Too Many Requests", "rate_limited", "this name may send 60 requests in 60 s; come back in 12 s"),
    500: ("Internal Server Error", "internal_error", "something went wrong here; the log says what"),
    503: ("Service Unavailable", "store_unavailable", "Redis does not answer; try again in a moment"),
    504: ("Gateway Timeout", "job_not_finished", "the job is running and goes on; the same request joins it"),
}

_HEADERS: Mapping[int, Mapping[str, Any]] = {
    401: named("WWW-Authenticate"),
    409: sometimes("Retry-After"),
    416: named("Content-Range", "Accept-Ranges"),
    429: named("Retry-After", *RATES),
    503: named("Retry-After"),
    504: named("Retry-After"),
}

# What POST /v1/audio/speech adds once it has a job.
_AFTER_THE_JOB = frozenset({409, 500, 504})
_OF_A_JOB = sometimes("X-Kavox-Job", "X-Should-Retry")


def response_name(form: str, status: int) -> str:
    """What the shared response is called: `Problem404`."""
    return f"{form}{status}"


def shared_response(form: str, status: int) -> dict[str, Any]:
    """The answer of this status in this form, PROBLEM or ENVELOPE. Raises KeyError for a status without an example."""
    title, code, detail = _EXAMPLES[status]
    more = dict(_HEADERS.get(status, {}))
    if form == ENVELOPE:
        value = {"error": {"message": detail, "type": error_type(status), "param": None, "code": code}}
        more |= _OF_A_JOB if status in _AFTER_THE_JOB else {}
    else:
        value = _problem(status, title, code, detail)
    media_type = "application/json" if form == ENVELOPE else "application/problem+json"
    content = {"schema": {"$ref": f"#/components/schemas/{form}"}, "example": value}
    return {"description": title, "headers": more, "content": {media_type: content}}


def _problem(status: int, title: str, code: str, detail: str) -> dict[str, Any]:
    path = "/synthesize" if status in {400, 403, 413, 415, 422} else f"{JOB_PATH}/audio"
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    if status != 422:
        return {**problem, "instance": path}
    culprit = {"field": "seed", "code": code, "detail": detail}
    return {**problem, "detail": f"seed: {detail}", "instance": path, "field": "seed", "errors": [culprit]}
