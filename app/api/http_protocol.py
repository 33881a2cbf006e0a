"""What is no HTTP is answered like everything else: with a problem, an id and the headers that protect.

The server answers such a request itself, because no application could be shown it: `uvicorn --http` takes this class.
"""

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api.problems import MalformedRequest, problem_response
from app.api.request_context import HEADER, new_request_id, note_request
from app.api.security import hardened


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for what it says to what it cannot read."""

    def send_400_response(self, msg: str) -> None:
        """Answers what could not be read, and closes the connection."""
        address: bytes = getattr(self, "url", b"")  # as far as it was read
        path = address.partition(b"?")[0].decode("latin-1")
        response = problem_response(MalformedRequest(msg), path)
        response.headers["Connection"] = "close"
        response.headers[HEADER] = request_id = new_request_id()
        lines = [name + b": " + value + b"\r\n" for name, value in hardened(response.raw_headers)]
        self.transport.write(b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)]))
        self.transport.close()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            note_request("", path, response.status_code, 0)
