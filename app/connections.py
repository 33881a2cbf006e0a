"""The connections of an HTTP client, so that they can be cut while somebody waits for an answer on them."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakSet

_OPENED = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")


class Connections:
    """Those of the requests that have `trace` for an extension of that name; it is httpcore's."""

    def __init__(self) -> None:
        self._open: WeakSet[Any] = WeakSet()

    def trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Takes note of a connection that has been made."""
        if event.endswith(_OPENED):
            self._open.add(told["return_value"])

    def cut(self) -> None:
        """Ends them: who waits for an answer is told at once that none comes."""
        for stream in list(self._open):
            # One that is closed already, or that TLS has taken over.
            with suppress(OSError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
