"""Reads a running kernel's log in the background, for the phase and the progress that the status does not tell.

The log decides nothing: Kaggle cuts and replays it, so it only says how far the notebook seems to be.
"""

import threading
from types import TracebackType
from typing import Self

import structlog

from app.shared.errors import KavoxError
from app.shared.job import Phase
from workers.kernel import Kernel, KernelHost
from workers.kernel_log import Progress, progress_in

_SHORTEST_RECONNECT_SECONDS = 0.1
_LONGEST_RECONNECT_SECONDS = 60.0

log = structlog.get_logger()


class LogFollower:
    """`ended` is set whenever a stream that told something new came to its end, as it does with the session.

    A stream that only repeats itself sets nothing and is asked for less and less often: a session may go on for ever
    after its notebook, and its finished log would otherwise be read, and its status polled, without a pause.
    """

    def __init__(self, host: KernelHost, kernel: Kernel) -> None:
        self.ended = threading.Event()
        self._host = host
        self._kernel = kernel
        self._latest: Progress | None = None
        self._told: Progress | None = None
        self._started = False
        self._seen = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"log-{kernel.slug}", daemon=True)

    def start(self) -> None:
        """Begins to read; a second call does nothing."""
        if not self._started:
            self._started = True
            self._thread.start()

    def news(self) -> Progress | None:
        """The newest progress line, None when it has been told already or names no phase of ours."""
        latest = self._latest
        if latest is None or latest is self._told or latest.phase not in set(Phase):
            return None
        self._told = latest
        return latest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The thread is not waited for: it may sit in a read until the host closes the stream.
        self._over.set()

    def _read(self) -> None:
        gap = _SHORTEST_RECONNECT_SECONDS
        while not self._over.wait(gap):
            seen = self._seen
            try:
                self._read_once()
                if self._seen > seen:
                    self.ended.set()
            except KavoxError:
                # Queued kernels have no log yet, and streams are cut; the status poll tells what is wrong.
                pass
            except Exception:
                log.exception("log not readable", kernel=self._kernel.ref)
                return
            news = self._seen > seen
            gap = _SHORTEST_RECONNECT_SECONDS if news else min(_LONGEST_RECONNECT_SECONDS, gap * 2)

    def _read_once(self) -> None:
        """Reads a stream to its end. Each begins at the log's start, so a known record is known by its place."""
        for place, record in enumerate(self._host.stream_log(self._kernel), start=1):
            self._seen = max(self._seen, place)
            for progress in progress_in(record):
                if self._latest is None or progress.seq > self._latest.seq:
                    self._latest = progress
            if self._over.is_set():
                break
