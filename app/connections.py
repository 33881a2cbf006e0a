"""The connections of an HTTP client, so that they can be cut while somebody waits for an answer on them."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakSet

_OPENED = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")


class Connections:
    """Those of the requests that have `trace` for an extension of that name; it is httpcore's."""

    def __init__(self) -> None:
        self._open: WeakSet[Any] = WeakSet()
        self._is_cut = False
        self._one_at_a_time = threading.Lock()

    def trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Takes note of a connection that has been made; after the cut it is cut too."""
        if event.endswith(_OPENED):
            with self._one_at_a_time:
                self._open.add(told["return_value"])
                if self._is_cut:
                    _cut(told["return_value"])

    def cut(self) -> None:
        """Ends them: who waits for an answer is told at once that none comes."""
        with self._one_at_a_time:
            self._is_cut = True
            for stream in self._open:
                _cut(stream)


def _cut(stream: Any) -> None:
    # It may be closed already, or TLS have taken it over.
    with suppress(OSError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
