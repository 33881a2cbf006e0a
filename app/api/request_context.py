"""What every request gets: an id that ties its answer to its log lines, and an answer even to a mistake of ours."""

import random
import re

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import unexpected
from app.api.security import hardened

HEADER = "X-Request-ID"
_RAW_HEADER = HEADER.lower().encode()
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger(__name__)


class RequestContext:
    """Middleware, the outermost: request id and security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*hardened(message["headers"]), (_RAW_HEADER, request_id.encode())]
            await send(message)

        # Never unbound: the server runs each request in a context of its own.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        await self._app(scope, receive, send_with_headers)


class UnexpectedErrors:
    """Middleware: a 500 problem for what nobody foresaw. Within CORS, so that a page can read it too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_notice(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_notice)
        except Exception:
            if started:
                raise  # the server breaks the connection off, so that half an answer does not look whole
            log.exception("unexpected error", method=scope["method"], path=scope["path"])
            await unexpected(scope["path"])(scope, receive, send)


def new_request_id() -> str:
    """An id for a request that brings none of its own."""
    return f"{random.getrandbits(128):032x}"  # a name, no secret


def _request_id(scope: Scope) -> str:
    """The caller's own id when it is fit for a header and a log, else a new one."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == _RAW_HEADER), "")
    return given if _SANE_ID.fullmatch(given) else new_request_id()
