"""What every request gets: an id that ties its answer to its log lines, a line in the log, and an answer even to a
mistake of ours."""

import random
import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import unexpected
from app.api.security import hardened

HEADER = "X-Request-ID"
_RAW_HEADER = HEADER.lower().encode()
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LONGEST_PATH = 200
# Asked for every few seconds by machines that nobody wants to read of.
_PROBES = {"/healthz", "/readyz", "/metrics"}

log = structlog.get_logger(__name__)


class RequestContext:
    """Middleware, the outermost: request id, security headers, and the line that says what became of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began, status = _request_id(scope), time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*hardened(message["headers"]), (_RAW_HEADER, request_id.encode())]
            await send(message)

        # A request that came right behind another one, in one piece, begins in what that one has left.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds, about = time.perf_counter() - began, scope.get("path_params", {})
            note_request(scope["method"], scope["path"], status, seconds, job=about.get("job_id"))


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


def note_request(method: str, path: str, status: int, seconds: float, *, job: str | None = None) -> None:
    """The request's line in the log: no query, which may hold anything. Status 0: its client left before an answer."""
    # What handlers have bound belongs to it, such as the caller and the job.
    note = log.debug if path in _PROBES else log.warning if status >= 500 else log.info
    its = {"job": job} if job else {}
    note("request", method=method, path=path[:_LONGEST_PATH], status=status, seconds=round(seconds, 4), **its)


def new_request_id() -> str:
    """An id for a request that brings none of its own."""
    return f"{random.getrandbits(128):032x}"  # a name, no secret


def _request_id(scope: Scope) -> str:
    """The caller's own id when it is fit for a header and a log, else a new one."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == _RAW_HEADER), "")
    return given if _SANE_ID.fullmatch(given) else new_request_id()
