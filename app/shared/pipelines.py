"""A client whose commands share pipelines: what several requests want at one moment goes to Redis in one write.

redis-py spends more time on getting a single command there and back (a connection from the pool, time-outs, several
tasks' turns) than Redis on answering it. Here a command waits for the end of the event loop's turn, and while one
pipeline is under way for its answers; then all that wait go together, in the order in which they came.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import DataError, RedisError

_AT_ONCE = 200


class _Command(NamedTuple):
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    answer: "asyncio.Future[Any]"


class SharedPipelines(Redis):
    """redis-py's client, for commands that do not block; its own pipelines and subscriptions are as ever.

    Raises the same errors. When the server is given up, all commands that wait for it are: none waits twice as long.
    A caller that is cancelled takes its command back if it has not been sent, and disturbs no other.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting: list[_Command] = []
        self._sending: asyncio.Task[None] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Answers the command, once it has gone out with others."""
        command = _Command(args, options, asyncio.get_running_loop().create_future())
        self._waiting.append(command)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return await command.answer

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Closes the connections; nobody gets an answer any more."""
        if self._sending is not None:
            self._sending.cancel()
        await super().aclose(close_connection_pool)

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
            answers = await self._answers(wanted)
        except (DataError, UnicodeError) as error:
            # One of them cannot be written, which is no reason for the others to fail.
            if len(wanted) == 1:
                _fail(wanted[0], error)
            else:
                for command in wanted:
                    await self._send([command])
            return
        for command, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, RedisError):
                _fail(command, answer)
            elif not command.answer.done():
                command.answer.set_result(answer)

    async def _answers(self, commands: Sequence[_Command]) -> Sequence[Any]:
        async with self.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command.arguments, **command.options)
            return await pipeline.execute(raise_on_error=False)


def _fail(command: _Command, error: BaseException) -> None:
    if command.answer.done():
        return
    if isinstance(error, Exception):
        command.answer.set_exception(error)
    else:
        command.answer.cancel()
