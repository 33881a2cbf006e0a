"""uvicorn with two additions: it says when it is ready, and lets the application drop a connection without an answer.

It uses httptools, because Kaggle's command line reaches the emulator as a proxy, with absolute URLs, which h11 refuses.
"""

import socket
import sys

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workers.emulator.lines import say

DROP = "emulator.drop"
"""The extension of an ASGI scope whose value closes the connection at once."""


class DroppingProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with the connection's own close at hand in the scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: {"close": self.transport.close}}


class EmulatorServer(uvicorn.Server):
    """Prints one line when it accepts connections."""

    def __init__(self, application: ASGIApp, ready_line: str) -> None:
        # A log stream never ends by itself, so that shutting down waits for no connection longer than a second.
        config = uvicorn.Config(
            application, http=DroppingProtocol, log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        super().__init__(config)
        self._ready_line = ready_line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        say(self._ready_line, sys.stdout)
