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
"""Of a request line and its headers; as much as has come in one piece with their end is taken all the same."""


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for what it says to what it cannot read, and for how long it reads headers."""

    _in_head = False
    _head_bytes = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are there."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Some of a request, or of several."""
        # What begins or ends within this piece may not be all of it.
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(HeadersTooLarge(f"the headers are longer than {MAX_HEAD_BYTES} bytes"))

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
