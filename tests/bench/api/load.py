"""The load, in a process of its own: connections that are kept busy, or clients that wait for their jobs.

It takes orders from stdin, a JSON object a line, and answers each with lines of JSON:

    {"port", "requests": [text, …], "connections", "seconds"}       a BLANK in a request becomes a new number each time
        → {"answers", "seconds", "statuses": {…}, "p50", "p99", "busy"}      as soon as the last answer is there
    {"port", "requests": [text, …], "marker"}        a client each, which reads until its answer contains the marker
        → {"open": clients}, and when the last one has read it {"told": clients}

It parses no more of an answer than where it ends, so that its own share of the time is small; `busy` says how small.
"""

import asyncio
import itertools
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

import uvloop

from tests.bench.figures import percentile

BLANK = "########"

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_OPENED_AT_ONCE = 100
_PATIENCE_SECONDS = 30
_FOLLOWED_SECONDS = 60


class _Connection(asyncio.Protocol):
    """Sends one request after the other, each when the one before is answered."""

    def __init__(self, requests: Iterator[bytes], until: float, took: list[float], statuses: Counter[str]) -> None:
        self._requests = requests
        self._until = until
        self._took = took
        self._statuses = statuses
        self._head = b""
        self._left = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._head, 0, end)
            assert length, self._head
            self._left = int(length[1]) - (len(self._head) - end - 4)
            self._statuses[self._head[9:12].decode()] += 1
            self._head = b""
        if not self._left:
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server has closed a connection"))

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(next(self._requests))

    def _answered(self) -> None:
        now = time.perf_counter()
        self._took.append(now - self._asked)
        if now < self._until:
            self._ask()
        else:
            self.done.set_result(None)
            self._transport.close()


class _Follower(asyncio.Protocol):
    """Sends one request and reads what comes, piece by piece, until the marker is in it."""

    def __init__(self, request: bytes, marker: bytes) -> None:
        self._request = request
        self._marker = marker
        self._tail = b""
        self.told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        seen = self._tail + data
        self._tail = seen[-len(self._marker) :]
        if self._marker in seen and not self.told.done():
            self.told.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.told.done():
            self.told.set_exception(exc or ConnectionError("the server has closed a connection"))


_numbers = itertools.count()


def _unlike(requests: Sequence[bytes]) -> Iterator[bytes]:
    """The requests again and again, no two of those with a blank alike."""
    blank = BLANK.encode()
    for request in itertools.cycle(requests):
        yield request.replace(blank, b"%08d" % next(_numbers))


async def _keep_busy(order: dict[str, Any]) -> None:
    requests = _unlike([request.encode() for request in order["requests"]])
    took: list[float] = []
    statuses: Counter[str] = Counter()
    began, worked = time.perf_counter(), time.process_time()
    until = began + order["seconds"]
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Connection(requests, until, took, statuses), "127.0.0.1", order["port"])
        for _ in range(order["connections"])
    ]
    async with asyncio.timeout(order["seconds"] + _PATIENCE_SECONDS):
        await asyncio.gather(*(connection.done for _, connection in opened))
    seconds = time.perf_counter() - began
    _tell(
        answers=len(took),
        seconds=seconds,
        statuses=statuses,
        p50=percentile(took, 0.5),
        p99=percentile(took, 0.99),
        busy=(time.process_time() - worked) / seconds,
    )


async def _follow(order: dict[str, Any]) -> None:
    loop, turns = asyncio.get_running_loop(), asyncio.Semaphore(_OPENED_AT_ONCE)

    async def open_one(request: str) -> _Follower:
        async with turns:
            made = lambda: _Follower(request.encode(), order["marker"].encode())  # noqa: E731
            return (await loop.create_connection(made, "127.0.0.1", order["port"]))[1]

    followers = await asyncio.gather(*map(open_one, order["requests"]))
    _tell(open=len(followers))
    async with asyncio.timeout(_FOLLOWED_SECONDS):
        await asyncio.gather(*(follower.told for follower in followers))
    _tell(told=len(followers))


def _tell(**told: Any) -> None:
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()


def main() -> None:
    """Takes orders until stdin ends."""
    for line in sys.stdin:
        order = json.loads(line)
        uvloop.run(_follow(order) if "marker" in order else _keep_busy(order))


if __name__ == "__main__":
    main()
