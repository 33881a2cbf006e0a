"""What is no HTTP is answered like everything else: with a problem, an id and the headers that protect.

The server answers such a request itself, because no application could be shown it: `uvicorn --http` takes this class.
Nor could an application refuse headers without end, which would fill the memory before it is called.
"""

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api.problems import HeadersTooLarge, MalformedRequest, problem_response
from app.api.request_context import HEADER, new_request_id, note_request
from app.api.security import hardened
from app.shared.errors import KavoxError

MAX_HEAD_BYTES = 64 * 1024
"""Of a request line and its headers, or of what comes behind a body; the piece in which they begin is not counted."""


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for what it says to what it cannot read, and for how long it reads headers."""

    _in_head = False
    _has_moved = False
    _stalled_bytes = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._has_moved = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what comes behind a body is nothing that anybody has asked for."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its headers are there."""
        self._in_head, self._has_moved = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of its body."""
        self._has_moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._has_moved = True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Some of a request, or of several."""
        self._has_moved = False
        super().data_received(data)
        self._stalled_bytes = 0 if self._has_moved else self._stalled_bytes + len(data)
        if self._stalled_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._give_up()

    def _give_up(self) -> None:
        if self._in_head and (self.cycle is None or self.cycle.response_complete):
            self._refuse(HeadersTooLarge(f"the headers are longer than {MAX_HEAD_BYTES} bytes"))
        else:
            # An answer is under way, and another one in the midst of it would be read as part of it.
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answers what could not be read, and closes the connection."""
        self._refuse(MalformedRequest(msg))

    def _refuse(self, error: KavoxError) -> None:
        address: bytes = getattr(self, "url", b"")  # as far as it was read
        path = address.partition(b"?")[0].decode("latin-1")
        response = problem_response(error, path)
        response.headers["Connection"] = "close"
        response.headers[HEADER] = request_id = new_request_id()
        lines = [name + b": " + value + b"\r\n" for name, value in hardened(response.raw_headers)]
        self.transport.write(b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)]))
        self.transport.close()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            note_request("", path, response.status_code, 0)
