"""Waiting without asking: one subscription of the process to what Redis says has changed, for all who wait.

    scripts that change a job ──PUBLISH──► listen ──► stale ids ──► tell: one read of them all ──► each Watch

A change that nobody waits for costs a message and nothing more; one that a thousand clients wait for is read once. A
watch keeps the latest state only, so a slow client misses what is between and never the end. Whatever may have been
missed is read again: after every new subscription, when a restarted Redis has forgotten who listened, and now and then.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from app.shared import keys
from app.shared.batch import is_batch_id
from app.shared.batch_store import BatchStore
from app.shared.job_store import JobStore, Seen

_REFRESH_SECONDS = 20.0
_RETRY_SECONDS = 0.5
_SILENCE_SECONDS = 10.0
_AT_ONCE = 200

log = structlog.get_logger(__name__)


class Watched(Protocol):
    """A job or a batch as it was read; `lane` is whose changes concern it too, '' for none."""

    @property
    def id(self) -> str: ...

    @property
    def lane(self) -> str: ...

    @property
    def ended(self) -> bool: ...


Subject = TypeVar("Subject", bound=Watched)


class Watch(Generic[Subject]):
    """One client's wait for one job or batch. `over` once it must not wait any longer, whatever becomes of that."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self.over = False
        self._latest: Subject | None = None
        self._changed = asyncio.Event()

    def tell(self, seen: Subject) -> None:
        """There is something to look at; what was not looked at before is forgotten."""
        self._latest = seen
        # A job that falls back goes to another lane.
        self.lane = seen.lane
        self._changed.set()

    def close(self) -> None:
        """The client or the process is leaving."""
        self.over = True
        self._changed.set()

    async def news(self) -> Subject | None:
        """How it is now, after it has been read anew; None when the wait is over."""
        await self._changed.wait()
        self._changed.clear()
        return None if self.over else self._latest


class Changes:
    """Tells watches of what they watch. `leaving` says whether the process is about to end."""

    def __init__(self, redis: Redis, jobs: JobStore, batches: BatchStore, leaving: Callable[[], bool]) -> None:
        self._redis = redis
        self._jobs = jobs
        self._batches = batches
        self._leaving = leaving
        self._watches: dict[str, set[Watch[Any]]] = defaultdict(set)
        self._stale: set[str] = set()
        self._wanted = asyncio.Event()

    @contextmanager
    def watch(self, seen: Subject) -> Iterator[Watch[Subject]]:
        """A watch of what was read a moment ago: what has changed since then is the first news."""
        watch = Watch[Subject](seen.lane)
        if self._leaving():
            watch.close()
        self._watches[seen.id].add(watch)
        self._read_anew([seen.id])
        try:
            yield watch
        finally:
            self._watches[seen.id].discard(watch)
            if not self._watches[seen.id]:
                del self._watches[seen.id]

    async def serve(self) -> None:
        """Does the work until it is cancelled. After a defect all parts begin anew, so that nobody waits in vain."""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for part in (self._listen, self._tell, self._end_with_process):
                        tasks.create_task(part())
            except* Exception:
                log.exception("changes are listened to anew")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(keys.CHANGED_JOB, keys.CHANGED_LANE)
                    await self._hear(subscription)
            except (RedisError, OSError) as error:
                log.warning("changes not heard for a moment", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _hear(self, subscription: PubSub) -> None:
        silences = 0
        while True:
            message = await subscription.get_message(timeout=_SILENCE_SECONDS)
            silences = 0 if message else silences + 1
            if silences > 1:
                raise RedisConnectionError("no answer to a ping")
            if message is None:
                await subscription.ping()
            elif message["type"] == "subscribe":
                # Also after the client has reconnected by itself: nobody remembers what was said meanwhile.
                self._read_anew(self._watches)
            elif message["type"] == "message":
                self._note(message["channel"], message["data"])

    def _note(self, channel: str, subject: str) -> None:
        if channel == keys.CHANGED_LANE:
            self._read_anew(one for one, watches in self._watches.items() if next(iter(watches)).lane == subject)
        elif subject in self._watches:
            self._read_anew([subject])

    def _read_anew(self, ids: Iterable[str]) -> None:
        self._stale.update(ids)
        if self._stale:
            self._wanted.set()

    async def _tell(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_REFRESH_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                self._stale.update(self._watches)
            self._wanted.clear()
            stale, self._stale = list(self._stale), set()
            try:
                for start in range(0, len(stale), _AT_ONCE):
                    await self._tell_of(stale[start : start + _AT_ONCE])
            except RedisError as error:
                log.warning("changes not read", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                self._read_anew(stale)

    async def _tell_of(self, ids: Sequence[str]) -> None:
        for seen in await self._read(ids):
            for watch in self._watches.get(seen.id, ()):
                watch.tell(seen)

    async def _read(self, ids: Sequence[str]) -> Sequence[Watched]:
        batches = [one for one in ids if is_batch_id(one)]
        jobs = await self._jobs.read([one for one in ids if not is_batch_id(one)])
        seen = [Seen(job, standing) for job, standing in zip(jobs, await self._jobs.standings(jobs), strict=True)]
        return [*seen, *(await self._batches.read(batches) if batches else ())]

    async def _end_with_process(self) -> None:
        """The server waits for open connections before it ends, so these must not wait for their jobs."""
        while not self._leaving():  # noqa: ASYNC110  # the server sets a flag and calls nobody
            await asyncio.sleep(_RETRY_SECONDS)
        for watches in self._watches.values():
            for watch in watches:
                watch.close()
