"""What is wrong with a request, in our words: field, code and detail of each mistake.

pydantic's names for what is wrong with a value are many and change between versions; ours are few and stay. What a
caller has sent is quoted no longer than helps, and no more mistakes are listed than anybody reads.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

MOST_LISTED = 20
"""Of one request, or of one item of a batch."""

_LONGEST_NAME = 64
"""Of each part of a field's path; ours are shorter."""

_CODES = {"missing": "missing_field", "extra_forbidden": "unknown_field"}
_DETAILS = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "model_type": "must be a JSON object",
}
# Only their bodies have options.
_NATIVE_PATHS, _OPTIONS_HINT = {"/synthesize", "/batches"}, "; settings of the engine go into options"


def invalid(error: ValidationError, *where: str) -> RequestValidationError:
    """The error as FastAPI's own, of this part of the request: body, query, or a field within."""
    found = error.errors(include_url=False, include_input=False)
    return RequestValidationError([{**one, "loc": (*where, *one["loc"])} for one in found])


def culprits_of(error: RequestValidationError, path: str) -> list[dict[str, str]]:
    """The first mistakes of a request for `path`."""
    return [_culprit(one, path) for one in error.errors()[:MOST_LISTED]]


def field_name(path: Iterable[str | int]) -> str:
    """A field by its path, as refusals call it."""
    return ".".join(str(part)[:_LONGEST_NAME] for part in path) or "body"


def _culprit(found: Mapping[str, Any], path: str) -> dict[str, str]:
    """One error of pydantic; its location starts with the part of the request, which no caller needs to know."""
    kind, (part, *field) = found["type"], found["loc"]
    hint = _OPTIONS_HINT if (kind, part) == ("extra_forbidden", "body") and path in _NATIVE_PATHS else ""
    return {
        "field": field_name(field),
        "code": _CODES.get(kind) or ("wrong_type" if kind.endswith("_type") else "invalid_value"),
        "detail": (_DETAILS.get(kind) or found["msg"]) + hint,
    }
