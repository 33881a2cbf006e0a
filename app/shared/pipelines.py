"""A client whose commands share pipelines: what several requests want at one moment goes to Redis in one write.

redis-py takes longer over getting a single command there and back (a connection from the pool, time-outs, several turns
of the loop) than Redis over answering it. Here a command waits for the end of the event loop's turn, and while others
are under way for their answers; then all that wait go together, in the order in which they came.
"""

import asyncio
import builtins
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError, TimeoutError

_AT_ONCE = 200


class _Command(NamedTuple):
    arguments: Sequence[Any]
    answer: "asyncio.Future[Any]"


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
        # For all that is shared. Its time-out is that of a whole exchange, below.
        self._connection = pool.connection_class(**{**pool.connection_kwargs, "socket_timeout": None})
        self._waiting: list[_Command] = []
        self._sending: asyncio.Task[None] | None = None

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
        if self._sending is not None:
            self._sending.cancel()
        await self._connection.disconnect()
        await super().aclose(close_connection_pool)

    def enqueue(self, arguments: Sequence[Any]) -> "asyncio.Future[Any]":
        """The answer to one command, to be awaited."""
        command = _Command(arguments, asyncio.get_running_loop().create_future())
        self._waiting.append(command)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return command.answer

    async def _send_all(self) -> None:
        sent: Sequence[_Command] = ()
        try:
            while self._waiting:
                sent, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._send(sent)
        except BaseException as error:
            # Those who came meanwhile would wait for the same server.
            for command in (*sent, *self._waiting):
                _fail(command, error)
            self._waiting = []
            if not isinstance(error, Exception):
                raise
        finally:
            self._sending = None

    async def _send(self, commands: Sequence[_Command]) -> None:
        wanted = [command for command in commands if not command.answer.done()]
        try:
            answers = await self._answers([command.arguments for command in wanted])
        except (TypeError, UnicodeError) as error:
            # One of them cannot be written, which is no reason for the others to fail.
            if len(wanted) == 1:
                _fail(wanted[0], error)
            else:
                for command in wanted:
                    await self._send([command])
            return
        for command, answer in zip(wanted, answers, strict=True):
            try:
                self._give(command, answer)
            except Exception as error:  # noqa: BLE001  # whoever asked must hear of it, and he alone
                _fail(command, error)

    def _give(self, command: _Command, answer: Any) -> None:
        if isinstance(answer, RedisError):
            raise answer
        decode = self.response_callbacks.get(command.arguments[0])
        if not command.answer.done():
            command.answer.set_result(decode(answer) if decode else answer)

    async def _answers(self, commands: Sequence[Sequence[Any]]) -> Sequence[Any]:
        packed = b"".join(map(_packed, commands))
        answers: Sequence[Any] = await self._connection.retry.call_with_retry(
            lambda: self._exchange(packed, len(commands)), lambda _: self._connection.disconnect()
        )
        return answers

    async def _exchange(self, packed: bytes, count: int) -> Sequence[Any]:
        try:
            # redis-py's own time-outs, around each answer, take longer than the answers.
            async with asyncio.timeout(self._answer_seconds):
                await self._connection.send_packed_command(packed)
                return [await self._answer() for _ in range(count)]
        except builtins.TimeoutError:
            raise TimeoutError("Redis does not answer in time") from None

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error


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


def _fail(command: _Command, error: BaseException) -> None:
    if command.answer.done():
        return
    if isinstance(error, Exception):
        command.answer.set_exception(error)
    else:
        command.answer.cancel()
