"""Refuses bodies that are longer than any request that could be accepted, before they fill the memory.

Starlette has such a limit of its own, but its answer is plain text, which every client would have to treat apart.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import BodyTooLarge, problem_response

_BYTES_PER_CHARACTER = 12
"""JSON may write a character as two escapes of six bytes each: 🎧 is \\ud83c\\udfa7."""

_BYTES_BESIDES_TEXT = 128 * 1024
"""Enough for 16 KiB of metadata, every byte of it escaped, and for all the other fields."""


def body_limit(max_text_chars: int) -> int:
    """The longest acceptable body, in bytes, where the longest text has so many characters."""
    return max_text_chars * _BYTES_PER_CHARACTER + _BYTES_BESIDES_TEXT


class BodyLimit:
    """Middleware: a 413 problem for a body above `limit` bytes, whether or not it says its length beforehand.

    `longer` has the limits of paths that take more.
    """

    def __init__(self, app: ASGIApp, limit: int, longer: Mapping[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._longer = longer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._longer.get(scope["path"], self._limit)
        if _announced_bytes(scope) > limit:
            await problem_response(_too_large(limit), scope["path"])(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)  # meets the error handlers on its way out of the route
            return message

        await self._app(scope, receive_within_limit, send)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is longer than {limit} bytes, which no acceptable request is")


def _announced_bytes(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(length) if length.isdigit() else 0
