"""Reads a JSON body into a model, and says exactly what is wrong with one that cannot be read.

FastAPI's own reading takes NaN, answers broken encodings and deep nesting with a bare 400, and lets through lone
surrogates, which no store can write.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from app.api.mistakes import field_name, invalid
from app.api.problems import InvalidJson, UnsupportedMediaType
from app.shared.errors import RequestRefused

MAX_DEPTH = 32
"""Far more than metadata needs, far less than what overflows a stack here or in the worker."""

MAX_VALUES = 20_000
"""Keys and values of one request; 16 KiB of metadata have no room for as many."""

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
        raise invalid(error, "body") from None


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
    for number, (path, part) in enumerate(_parts(value)):
        if number == MAX_VALUES:
            raise RequestRefused(field_name(path[:1]), f"has more than {MAX_VALUES} values", code="invalid_value")
        if isinstance(part, str) and not _is_unicode(part):
            detail = "half of a surrogate pair is not a character"
            raise RequestRefused(field_name(path), detail, code="invalid_unicode")
        if isinstance(part, int | float) and _is_too_large(part):
            raise RequestRefused(field_name(path), "the number is too large", code="invalid_value")


def _parts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key and every value, each with its path."""
    yield path, value
    if not isinstance(value, dict | list):
        return
    if len(path) == MAX_DEPTH:
        raise RequestRefused(field_name(path[:1]), f"is nested more than {MAX_DEPTH} deep", code="invalid_value")
    if isinstance(value, dict):
        yield from (((*path, key), key) for key in value)
    for name, member in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _parts(member, (*path, str(name)))


def _is_too_large(number: float) -> bool:
    return abs(number) > MAX_INTEGER if isinstance(number, int) else not math.isfinite(number)


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
