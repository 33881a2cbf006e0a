"""A receiver of webhooks on this machine: it does what a test wants, and keeps what came."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from app.ports import LOOPBACK
from tests.service import wait_for


@dataclass(frozen=True)
class Message:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["Webhook-Id"]

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["type"])

    def verified(self, secret: str) -> dict[str, Any]:
        """What it says, if it is signed with this secret; else the library's own error."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, dict(self.headers))
        return found


@dataclass
class Receiver:
    """Answers with `status` and `headers`, and does `before` each answer what a test wants."""

    port: int
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[Message], None] = lambda _: None
    endless: bool = False
    messages: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/hook?from=kavox"

    def wait_for(self, count: int) -> list[Message]:
        """The messages, once there are so many."""
        return wait_for(f"{count} messages", lambda: self.messages if len(self.messages) >= count else None)


@contextlib.contextmanager
def receiving(**behaviour: Any) -> Iterator[Receiver]:
    """A receiver on a free port."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = Message(self.path, dict(self.headers.items()), body)
            receiver.messages.append(message)
            receiver.before(message)
            with contextlib.suppress(OSError):
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                if not receiver.endless:
                    self.send_header("Content-Length", "0")
                self.end_headers()
                while receiver.endless and not released.is_set():
                    self.wfile.write(bytes(65536))

        def log_message(self, format: str, *args: object) -> None:
            """What comes is kept, not printed."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server((LOOPBACK, 0), Handler) as server:
        receiver = Receiver(server.server_address[1], **behaviour)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            released.set()
            server.shutdown()


def hang(_: Message) -> None:
    """Longer than any of these services waits for an answer."""
    time.sleep(20)
