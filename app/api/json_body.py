"""Reads a JSON body into a model, and says exactly what is wrong with one that cannot be read.

FastAPI's own reading takes NaN, answers broken encodings and deep nesting with a bare 400, and lets through lone
surrogates, which no store can write.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from app.api.problems import InvalidJson, UnsupportedMediaType
from app.shared.errors import RequestRefused

MAX_DEPTH = 32
"""Far more than metadata needs, far less than what overflows a stack here or in the worker."""

MAX_INTEGER = 2**63 - 1
"""What other programs can read back; Python alone has no bound."""

Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request, model: type[Model]) -> Model:
    """The request's body as a `model`.

    Raises UnsupportedMediaType, InvalidJson, RequestRefused or RequestValidationError; the last two name the field.
    """
    check_media_type(request.headers.get("content-type", ""))
    value = parse(await request.body())
    check_values(value)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None


def parse(body: bytes) -> Any:
    """The value that a JSON text stands for. Raises InvalidJson with the position of the first mistake."""
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidJson(f"the body is not UTF-8: byte {error.start} cannot be read") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno} (character {error.pos})"
        raise InvalidJson(f"the body is not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise InvalidJson("the body is nested too deeply") from None
    except ValueError as error:  # Python's bound on the digits of a number, and NaN
        raise InvalidJson(f"the body is not JSON: {error}") from None


def check_values(value: Any) -> None:
    """Refuses what is JSON and yet cannot be stored or passed on. Raises RequestRefused, naming the field."""
    for path, part in _parts(value, ()):
        if isinstance(part, str) and not _is_unicode(part):
            raise RequestRefused(path, "half of a surrogate pair is not a character", code="invalid_unicode")
        if isinstance(part, float) and not math.isfinite(part):
            raise RequestRefused(path, "the number is too large", code="invalid_value")
        if isinstance(part, int) and abs(part) > MAX_INTEGER:
            raise RequestRefused(path, "the number is too large", code="invalid_value")


def _parts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Every key, string and number in a value, each with its path."""
    if len(path) > MAX_DEPTH:
        raise RequestRefused(path[0], f"is nested more than {MAX_DEPTH} deep", code="invalid_value")
    if isinstance(value, dict):
        for key, member in value.items():
            yield _field((*path, key)), key
            yield from _parts(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _parts(member, (*path, str(index)))
    else:
        yield _field(path), value


def _field(path: tuple[str, ...]) -> str:
    return ".".join(path) or "body"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_media_type(content_type: str) -> None:
    """Raises UnsupportedMediaType for what says that it is no JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType(
            f"the body is '{media_type or 'of no stated type'}'; send JSON with Content-Type: application/json"
        )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
