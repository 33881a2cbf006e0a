"""Routes that are asked for so often that FastAPI's reading of their parameters would take longer than all the rest.

FastAPI documents such a route by its signature, as ever. What it is called with is read here: the request, the parts of
its path, and parameters whose Annotated type has a `Read`. It answers with a Response of its own.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from app.api.mistakes import invalid


@dataclass(frozen=True)
class Read:
    """How a parameter is read from a request; it raises what refuses the request."""

    read: Callable[[Request], Any]


class DirectRoute(APIRoute):
    """For `APIRouter(route_class=DirectRoute)`. Parameters are read in the order of the signature."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **documented: Any) -> None:
        super().__init__(path, endpoint, **documented)
        readers = _readers(endpoint, set(self.param_convertors))

        # Without the wrapping that FastAPI gives to each route: errors meet the same handlers further out.
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            response: Response = await endpoint(**{name: read(request) for name, read in readers})
            await response(scope, receive, send)

        self.app = answer


class DirectResponse(Response):
    """JSON, times in UTC as pydantic writes them."""

    media_type = "application/json"

    def __init__(
        self, content: Mapping[str, Any], status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(orjson.dumps(content, option=orjson.OPT_UTC_Z), status_code, headers)


def read_query(model: type[BaseModel]) -> Read:
    """Reads the query as a `model`; what is wrong with it is a RequestValidationError as FastAPI's own."""

    nothing_said = model()

    def read(request: Request) -> BaseModel:
        if not request.scope["query_string"]:
            return nothing_said
        try:
            return model.model_validate(dict(request.query_params))
        except ValidationError as error:
            raise invalid(error, "query") from None

    return Read(read)


def _readers(endpoint: Callable[..., Any], in_path: set[str]) -> list[tuple[str, Callable[[Request], Any]]]:
    hints = get_type_hints(endpoint, include_extras=True)
    return [(name, _reader(name, hints[name], in_path)) for name in inspect.signature(endpoint).parameters]


def _reader(name: str, hint: Any, in_path: set[str]) -> Callable[[Request], Any]:
    if hint is Request:
        return lambda request: request
    if name in in_path:
        return lambda request: request.path_params[name]
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Read):
            return mark.read
    raise TypeError(f"nothing says how the parameter {name} is read")
