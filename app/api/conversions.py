"""Audio in the format that a caller asks for: made when it is first asked for, then kept beside the wav.

Requests for the same conversion share one, only a few are made at a time, and nobody waits for one without end: it goes
on by itself, and is there when the caller comes back.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
from starlette.concurrency import run_in_threadpool

from app.api.problems import ConversionPending
from app.shared.audio_formats import WAV, AudioFormat, kept_name
from app.shared.audio_store import AudioStore
from app.shared.conversion import join, keep_beside
from app.shared.errors import Gone, KavoxError
from app.shared.job import Job
from app.shared.scratch import Scratch

AT_ONCE = 2
MOST_WAITING = 50
MOST_JOINS = 4
PATIENCE_SECONDS = 25
"""A minute of speech takes half a second to two seconds; whoever gives up after 30 s should hear why first."""

log = structlog.get_logger(__name__)


@dataclass
class _Queue:
    """What is being made by name, so many at once; so many at most may be under way."""

    turns: asyncio.Semaphore
    most: int
    under_way: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class Conversions:
    """Those of one API process."""

    def __init__(self, audio: AudioStore, scratch: Scratch) -> None:
        self._audio = audio
        self._scratch = scratch
        self._conversions = _Queue(asyncio.Semaphore(AT_ONCE), MOST_WAITING)
        # Hours of speech take minutes, and others wait for seconds of it.
        self._joins = _Queue(asyncio.Semaphore(1), MOST_JOINS)

    async def ready(self, job: Job, wanted: AudioFormat, patience_seconds: float = PATIENCE_SECONDS) -> int:
        """The size of a finished job's audio in this format, once it is kept.

        Raises Gone when the job's audio has expired, ConversionPending, ConversionFailed, StorageFull or
        StoreUnavailable.
        """
        audio = job.audio or {}
        name = kept_name(job.id, audio, wanted)
        try:
            return await self._audio.size(name)
        except Gone:
            # What the job announces was made by its worker: another file in its place would not be what was announced.
            if wanted.name in {WAV, audio["format"]}:
                raise
        make = partial(keep_beside, self._audio, self._scratch, job, wanted)
        return await self._made(name, wanted, make, self._conversions, patience_seconds)

    async def joined(
        self,
        name: str,
        wavs: Sequence[str],
        wanted: AudioFormat,
        rate: int,
        gap_seconds: float,
        tags: Mapping[str, str],
    ) -> int:
        """The size of `name` in the store once these wavs are kept there as one file, as `conversion.join` makes it.

        Raises what `ready` raises.
        """
        try:
            return await self._audio.size(name)
        except Gone:
            make = partial(self._join, name, wavs, wanted, rate, gap_seconds, tags)
        return await self._made(name, wanted, make, self._joins, PATIENCE_SECONDS)

    async def _made(
        self,
        name: str,
        wanted: AudioFormat,
        make: Callable[[], None],
        queue: _Queue,
        patience_seconds: float,
    ) -> int:
        task = queue.under_way.get(name) or self._start(name, make, queue)
        try:
            async with asyncio.timeout(patience_seconds):
                # The others wait for it too, and so may this caller, next time.
                await asyncio.shield(task)
        except TimeoutError:
            raise ConversionPending(f"the audio is still being made into {wanted.name}; come back for it") from None
        return await self._audio.size(name)

    def _start(self, name: str, make: Callable[[], None], queue: _Queue) -> asyncio.Task[None]:
        if len(queue.under_way) >= queue.most:
            raise ConversionPending("too many conversions are waiting; come back, or ask for the job's own format")
        task = asyncio.create_task(self._in_turn(make, queue.turns))
        queue.under_way[name] = task
        task.add_done_callback(lambda done: self._forget(name, done, queue))
        return task

    async def _in_turn(self, make: Callable[[], None], turns: asyncio.Semaphore) -> None:
        async with turns:
            await run_in_threadpool(make)

    def _forget(self, name: str, task: asyncio.Task[None], queue: _Queue) -> None:
        del queue.under_way[name]
        if not task.cancelled() and (error := task.exception()):
            # Nobody may be waiting any more who would hear of it.
            level = log.warning if isinstance(error, KavoxError) else log.error
            level("conversion failed", name=name, error=str(error))

    def _join(
        self,
        name: str,
        wavs: Sequence[str],
        wanted: AudioFormat,
        rate: int,
        gap_seconds: float,
        tags: Mapping[str, str],
    ) -> None:
        with self._scratch.folder() as folder:
            join(self._fetched(wavs, folder / "source.wav"), folder / "made", wanted, rate, gap_seconds, tags)
            self._audio.put_new(name, folder / "made")
        if not self._audio.has(wavs[0]):
            self._audio.delete(name)
            raise Gone("the audio is no longer stored", code="audio_expired")

    def _fetched(self, wavs: Sequence[str], path: Path) -> Iterator[Path]:
        """Each of them in turn, in the same place."""
        for wav in wavs:
            self._audio.download(wav, path)
            yield path
