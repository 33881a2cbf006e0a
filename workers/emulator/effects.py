"""What a scripted fault does to an answer: another one in its place, a cut, a delay. The kinds are in faults.py."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from workers.emulator.outputs import storage_error
from workers.emulator.server import DROP
from workers.emulator.wire import ApiError

Fault = Mapping[str, Any]

DISTORTIONS = {"cut", "short", "trickle"}

DEFAULT_HOLD_SECONDS = 30
"""How long a timeout_before fault holds a call that does not say it."""

PAGE = "<html><head><title>503 Server Error</title></head><body><h1>Error: Server Error</h1></body></html>"

INSTEAD: dict[str, Callable[[Fault], Response]] = {
    "http_503_html": lambda _: HTMLResponse(PAGE, 503),
    "http_429": lambda _: ApiError(429, "Too many requests").response(),
    "http_429_legacy": lambda _: ApiError(429, "TooManyRequests", legacy=True).response(),
    "http_500_json": lambda _: ApiError(500, "Internal error encountered.").response(),
    "http_error": lambda fault: ApiError(
        fault.get("code", 403), fault.get("message", "Permission denied"), legacy=fault.get("legacy", False)
    ).response(),
    "html_200": lambda _: HTMLResponse("<html><body>Please stand by.</body></html>"),
    "expired_url": lambda _: storage_error(403, "ExpiredToken"),
    "pretend": lambda fault: JSONResponse(fault["fields"]),
}


class CutBody(StreamingResponse):
    """Sends the pieces of a body and closes the connection, as if the rest had been lost on the way.

    After the piece `whole_after` the body is whole, and ends as HTTP wants it.
    """

    def __init__(self, pieces: AsyncIterator[bytes], headers: Mapping[str, str], whole_after: bytes = b"") -> None:
        super().__init__(pieces, headers=headers)
        self._pieces = pieces
        self._whole_after = whole_after

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.body_iterator = self._then_close(scope["extensions"][DROP]["close"])
        await super().__call__(scope, receive, send)

    async def _then_close(self, close: Callable[[], None]) -> AsyncIterator[bytes]:
        piece = b""
        async for piece in self._pieces:
            yield piece
        if piece != self._whole_after or not piece:
            close()
            # Ended by the server as soon as it sees that the connection is gone.
            await asyncio.Future()


class Dropped(Response):
    """Closes the connection instead of answering."""

    async def __call__(self, scope: Any, receive: Any, _: Any) -> None:
        scope["extensions"][DROP]["close"]()
        while (await receive())["type"] != "http.disconnect":
            pass


async def answer_with(fault: Fault, process: Callable[[Fault], Awaitable[Response]]) -> Response:
    """The answer to a call that `process` gives, unless the fault gets in the way."""
    kind = fault.get("kind", "")
    if kind == "timeout_before":
        await asyncio.sleep(fault.get("seconds", DEFAULT_HOLD_SECONDS))
        return Dropped()
    if kind in INSTEAD:
        response = INSTEAD[kind](fault)
        if "retry_after" in fault:
            response.headers["Retry-After"] = str(fault["retry_after"])
        return response
    try:
        response = await process(fault)
    except ApiError as error:
        response = error.response()
    if kind == "lost_response":
        return Dropped()
    if kind == "delay":
        await asyncio.sleep(fault.get("seconds", 1))
    if kind == "alter" and isinstance(response, JSONResponse):
        return JSONResponse(_merged(json.loads(bytes(response.body)), fault["fields"]), response.status_code)
    if kind in DISTORTIONS and isinstance(response, JSONResponse):
        return distorted(fault, bytes(response.body), "application/json")
    return response


def distorted(fault: Fault, content: bytes, media_type: str = "application/octet-stream") -> Response:
    """An answer with this content, less what the fault takes from it."""
    kind, headers = fault["kind"], {"Content-Length": str(len(content)), "Content-Type": media_type}
    if kind == "short":
        return Response(content[: fault.get("bytes", 0)], media_type=media_type)
    if kind == "cut":
        kept = content[: fault.get("bytes", len(content) // 2)]
        return CutBody(_pieces(kept, len(kept), 0), headers)
    return CutBody(_pieces(content, fault.get("bytes", 1), fault.get("seconds", 1)), headers)


async def _pieces(content: bytes, size: int, seconds: float) -> AsyncIterator[bytes]:
    size = max(1, size)
    for start in range(0, len(content), size):
        yield content[start : start + size]
        await asyncio.sleep(seconds)


def _merged(answer: Any, fields: Mapping[str, Any]) -> Any:
    if not isinstance(answer, dict):
        return fields
    inner = {
        name: _merged(answer[name], value) if isinstance(value, dict) and isinstance(answer.get(name), dict) else value
        for name, value in fields.items()
    }
    return answer | inner
