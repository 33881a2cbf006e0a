"""One connection to Redis on which commands go out while others are under way; answers come in the same order.

redis-py makes the connection, for it knows about addresses, TLS, passwords and databases, and hands it over: its own
way of reading wakes a task for each piece that comes and takes several calls for each answer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import hiredis
from redis._parsers import BaseParser
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError, InvalidResponse, TimeoutError

_NOT_YET = object()


class Command(NamedTuple):
    """What is sent, its name first, and where its answer goes."""

    arguments: Sequence[Any]
    answer: "asyncio.Future[Any]"


class Line(asyncio.Protocol):
    """A connection for as long as it lasts.

    `under_way` are the commands that have no answer yet, the oldest first; `serves` becomes true with the first answer,
    or false where the connection is lost before.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        give: Callable[[Command, Any], None],
        lost: Callable[["Line", Exception], None],
        *,
        silent_seconds: float,
    ) -> None:
        """Takes over a connection of redis-py's that is made. `give` gets each answer, be it an error.

        `lost` gets the error, once, when the connection breaks, when the server answers that it cannot be used now, or
        when commands are under way and it says nothing for so many seconds.
        """
        self.under_way: deque[Command] = deque()
        self._give, self._lost = give, lost
        self._silent_seconds = silent_seconds
        self._loop = asyncio.get_running_loop()
        self._heard_at = 0.0
        self.serves: asyncio.Future[bool] = self._loop.create_future()
        self._watch: asyncio.TimerHandle | None = None
        encoder = connection.encoder
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=BaseParser.parse_error,
            notEnoughData=_NOT_YET,
            **({"encoding": encoder.encoding, "errors": encoder.encoding_errors} if encoder.decode_responses else {}),
        )
        self._transport = cast("asyncio.Transport", connection._writer.transport)  # type: ignore[union-attr]
        self._transport.set_protocol(self)

    def send(self, commands: Sequence[Command], packed: bytes) -> None:
        """Sends these commands, which are `packed` one after the other."""
        if not self.under_way:
            self._heard_at = self._loop.time()
            if self._watch is None:
                self._watch = self._loop.call_later(self._silent_seconds, self._look_for_silence)
        self.under_way += commands
        self._transport.write(packed)

    def close(self) -> None:
        """Ends it; `lost` is not called."""
        self._lost = lambda *_: None
        if self._watch is not None:
            self._watch.cancel()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _NOT_YET:
                if isinstance(answer, ConnectionError):  # it is starting, for example
                    self._lose(answer)
                    return
                if not isinstance(answer, hiredis.PushNotification):
                    self._give(self.under_way.popleft(), answer)
            if not self.serves.done():
                self.serves.set_result(True)
        except InvalidResponse as error:
            self._lose(ConnectionError(f"Redis has answered what cannot be read: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(ConnectionError(f"Redis has closed the connection{f': {exc}' if exc else ''}"))

    def _look_for_silence(self) -> None:
        self._watch = None
        if not self.under_way:
            return
        left = self._heard_at + self._silent_seconds - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._look_for_silence)
        else:
            self._lose(TimeoutError("Redis does not answer in time"))

    def _lose(self, error: Exception) -> None:
        lost = self._lost
        self.close()
        if not self.serves.done():
            self.serves.set_result(False)
        lost(self, error)
