"""A bad line between a browser and a service: told to, it breaks answers off and lets streams fall silent."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

from app.ports import LOOPBACK

_END_OF_HEAD = b"\r\n\r\n"


@dataclass(eq=False)
class _Line:
    """One connection of the browser's, and what becomes of the answer that it waits for."""

    browser: socket.socket
    service: socket.socket
    request: str = ""
    cut: bool = False
    hangs: bool = False
    silent: bool = False
    answer: bytes = field(default=b"", repr=False)


class Relay:
    """Carries bytes. A request is named by the beginning of its first line, like `GET /jobs`."""

    def __init__(self, service: str) -> None:
        self._service = (LOOPBACK, urlsplit(service).port)
        self._cuts: list[tuple[str, bool]] = []
        self._lines: set[_Line] = set()
        self._lock = threading.Lock()
        relay = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                relay._carry(self.request)

        self._server = ThreadingTCPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="relay", daemon=True).start()

    def cut(self, request: str, *, silently: bool = False) -> None:
        """The next answer to such a request breaks off a few bytes after its head; `silently`: neither side is told."""
        with self._lock:
            self._cuts.append((request, silently))

    def silence(self, request: str) -> None:
        """Nothing more comes on the connections whose last request is such a one, and neither side is told."""
        with self._lock:
            found = [line for line in self._lines if line.request.startswith(request)]
            for line in found:
                line.silent = True
        assert found, f"no connection waits for {request}"

    def close(self) -> None:
        """Ends all connections."""
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for line in self._lines:
                _end(line.browser, line.service)

    def _carry(self, browser: socket.socket) -> None:
        with socket.create_connection(self._service) as service:
            line = _Line(browser, service)
            with self._lock:
                self._lines.add(line)
            back = threading.Thread(target=self._carry_back, args=[line], name="relay back", daemon=True)
            back.start()
            for data in _received(browser):
                self._note(line, data)
                with contextlib.suppress(OSError):
                    service.sendall(data)
            _end(service)
            back.join()
            with self._lock:
                self._lines.discard(line)

    def _note(self, line: _Line, data: bytes) -> None:
        request = data.partition(b"\r\n")[0].decode("latin-1")
        if not request.endswith(" HTTP/1.1"):
            return
        with self._lock:
            doomed = next((cut for cut in self._cuts if request.startswith(cut[0])), None)
            if doomed is not None:
                self._cuts.remove(doomed)
            line.request, line.answer = request, b""
            line.cut, line.hangs = doomed is not None, doomed is not None and doomed[1]

    @staticmethod
    def _carry_back(line: _Line) -> None:
        for data in _received(line.service):
            if line.silent:
                continue
            with contextlib.suppress(OSError):
                if not line.cut:
                    line.browser.sendall(data)
                    continue
                line.answer += data
                head, end, body = line.answer.partition(_END_OF_HEAD)
                if body:
                    line.browser.sendall(head + end + body[:9])
                    line.silent = line.hangs
                    if not line.hangs:
                        break
        if not line.silent:
            _end(line.browser, line.service)


def _received(source: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            yield data


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
