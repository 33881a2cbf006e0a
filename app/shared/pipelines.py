"""A client whose commands share one connection: what several requests want at one moment goes to Redis in one write.

redis-py takes longer over getting a single command there and back (a connection from the pool, time-outs, several turns
of the loop) than Redis over answering it. Here a command waits for the end of the event loop's turn; then all that wait
go together, in the order in which they came, without waiting for the answers to those before them.
"""

import asyncio
import builtins
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import NoScriptError, RedisError, TimeoutError

from app.shared.line import Command, Line


class SharedPipelines(Redis):
    """redis-py's client, for commands that do not block; its own pipelines and subscriptions are as ever.

    Raises the same errors. When the server is given up, all commands that wait for it are: none waits twice as long.
    A caller that is cancelled takes its command back if it has not been sent, and disturbs no other.
    """

    def __init__(self, pool: BlockingConnectionPool, *, answer_seconds: float) -> None:
        """The pool's connections are closed with the client. Answers must be there after so many seconds."""
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self._answer_seconds = answer_seconds
        # For all that is shared. How long an answer may take is the line's affair.
        self._connection = pool.connection_class(**{**pool.connection_kwargs, "socket_timeout": None})
        self._waiting: list[Command] = []
        self._line: Line | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._broken: Exception | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Answers the command, once it has gone out with others; one whose answer wants more than decoding goes alone.

        `keys` in the options is for redis-py's cache alone.
        """
        if options and options.keys() - {"keys"}:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        return await self.enqueue(args)

    async def together(self, commands: Iterable[Sequence[Any]]) -> list[Any]:
        """The answers to commands that go out one after the other; each has its name first."""
        return await asyncio.gather(*map(self.enqueue, commands))

    def register_script(self, script: Any) -> Any:
        """A script to be called with `keys` and `args`, as redis-py's own."""
        return _Script(self, script)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Closes the connections; nobody gets an answer any more."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._line is not None:
            self._line.close()
            self._take_back(self._line)
        self._fail_all(asyncio.CancelledError())
        await self._connection.disconnect(nowait=True)
        await super().aclose(close_connection_pool)

    def enqueue(self, arguments: Sequence[Any]) -> "asyncio.Future[Any]":
        """The answer to one command, to be awaited."""
        loop = asyncio.get_running_loop()
        command = Command(arguments, loop.create_future())
        if not self._waiting:
            loop.call_soon(self._send)
        self._waiting.append(command)
        return command.answer

    def _send(self) -> None:
        """All that waits goes out, or has a connection made to go out on."""
        if not self._waiting:
            return
        if self._line is None:
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connect())
            return
        waiting, self._waiting = self._waiting, []
        sent, packed = [], []
        for command in waiting:
            if command.answer.done():
                continue
            try:
                packed.append(_packed(command.arguments))
            except (TypeError, UnicodeError) as error:
                # It cannot be written, which is no reason for the others to fail.
                _fail(command, error)
            else:
                sent.append(command)
        if sent:
            self._line.send(sent, b"".join(packed))

    async def _connect(self) -> None:
        """Has a line made that serves; where it is given up, so are all who wait."""
        try:
            await self._connection.retry.call_with_retry(
                self._attempt, lambda _: self._connection.disconnect(nowait=True)
            )
        except BaseException as error:
            # Those who came meanwhile would wait for the same server.
            self._fail_all(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._connecting = None
            # The line may have broken again in this very turn.
            self._send()

    async def _attempt(self) -> None:
        if self._broken is not None:
            error, self._broken = self._broken, None
            raise error
        try:
            async with asyncio.timeout(self._answer_seconds):
                await self._connection.disconnect(nowait=True)  # what is left of the one before
                await self._connection.connect()  # type: ignore[no-untyped-call]
        except builtins.TimeoutError:
            raise TimeoutError("Redis does not answer in time") from None
        line = self._line = Line(self._connection, self._give, self._lose, silent_seconds=self._answer_seconds)
        self._send()
        if line.under_way and not await line.serves:
            await self._attempt()

    def _lose(self, line: Line, error: Exception) -> None:
        """What had no answer goes out again, on a new line: every script is written so that twice does no harm."""
        self._broken = error if line.under_way else None
        self._take_back(line)
        self._send()

    def _take_back(self, line: Line) -> None:
        self._line = None
        self._waiting[:0] = line.under_way
        line.under_way.clear()

    def _fail_all(self, error: BaseException) -> None:
        waiting, self._waiting = self._waiting, []
        for command in waiting:
            _fail(command, error)

    def _give(self, command: Command, answer: Any) -> None:
        if command.answer.done():
            return
        if isinstance(answer, RedisError):
            command.answer.set_exception(answer)
            return
        decode = self.response_callbacks.get(command.arguments[0])
        try:
            command.answer.set_result(decode(answer) if decode else answer)
        except Exception as error:  # noqa: BLE001  # whoever asked must hear of it, and he alone
            _fail(command, error)


class _Script:
    """Sent by its hash; the server is told the source when it does not know it."""

    def __init__(self, redis: SharedPipelines, source: str) -> None:
        self._redis = redis
        self._source = source
        self._sha = hashlib.sha1(source.encode()).hexdigest()  # noqa: S324  # what the server knows it by

    async def __call__(self, keys: Sequence[Any] = (), args: Sequence[Any] = ()) -> Any:
        """Raises what the client's commands raise."""
        try:
            return await self._redis.enqueue(("EVALSHA", self._sha, len(keys), *keys, *args))
        except NoScriptError:
            return await self._redis.enqueue(("EVAL", self._source, len(keys), *keys, *args))


def _packed(command: Sequence[Any]) -> bytes:
    # The names of some commands are two words: SCRIPT LOAD.
    packed: bytes = hiredis.pack_command((*command[0].split(), *command[1:]))
    return packed


def _fail(command: Command, error: BaseException) -> None:
    if command.answer.done():
        return
    if isinstance(error, Exception):
        command.answer.set_exception(error)
    else:
        command.answer.cancel()
