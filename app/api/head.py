"""HEAD for every address that has GET: the same answer without its body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _NoBodyWantedError(Exception):
    """The headers are out, and nobody wants the body."""


class HeadAsGet:
    """Middleware: routes see a GET, and are stopped once the headers are out, so that no stream runs in vain."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A part can be asked for with GET alone (RFC 9110, 14.2).
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]

        async def send_headers(message: Message) -> None:
            if message["type"] != "http.response.start":
                raise _NoBodyWantedError
            await send(message)
            await send({"type": "http.response.body", "body": b""})

        try:
            await self._app({**scope, "method": "GET", "headers": headers}, receive, send_headers)
        except* _NoBodyWantedError:
            pass
