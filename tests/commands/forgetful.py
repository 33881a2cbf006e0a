"""A proxy that loses answers: the first POST reaches the service, and what that answers goes nowhere."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Forgetful:
    """Where it listens, and how many answers it has lost."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.lost = 0

    def serve(self) -> None:
        """Takes connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as service:
            first = client.recv(65_536)
            loses = first.startswith(b"POST") and not self.lost
            if loses:
                self.lost += 1
            service.sendall(first)
            threading.Thread(target=_copy, args=(client, service), daemon=True).start()
            if loses:
                service.recv(65_536)
                client.shutdown(socket.SHUT_RDWR)
            else:
                _copy(service, client)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while more := source.recv(65_536):
            target.sendall(more)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def forgetful_proxy(target: str) -> Iterator[Forgetful]:
    """Such a proxy before the service at `target`."""
    proxy = Forgetful(target)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(timeout=5)
