"""Reads a running kernel's log in the background, for the phase and the progress that the status does not tell.

The log decides nothing: Kaggle cuts and replays it, so it only says how far the notebook seems to be.
"""

import threading
from types import TracebackType
from typing import Self

from app.shared.errors import KavoxError
from app.shared.job import Phase
from workers.kernel import Kernel, KernelHost
from workers.kernel_log import Progress, progress_in

_RECONNECT_SECONDS = 1.0


class LogFollower:
    """`ended` is set each time the stream ends, as it does with the session."""

    def __init__(self, host: KernelHost, kernel: Kernel) -> None:
        self.ended = threading.Event()
        self._host = host
        self._kernel = kernel
        self._latest: Progress | None = None
        self._told: Progress | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"log-{kernel.slug}", daemon=True)

    def start(self) -> None:
        """Begins to read; a second call does nothing."""
        if not self._thread.is_alive() and not self._over.is_set():
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
        while not self._over.is_set():
            try:
                for record in self._host.stream_log(self._kernel):
                    for progress in progress_in(record):
                        if self._latest is None or progress.seq > self._latest.seq:
                            self._latest = progress
                    if self._over.is_set():
                        return
            except KavoxError:
                # Queued kernels have no log yet, and streams are cut; the status poll tells what is wrong.
                pass
            self.ended.set()
            self._over.wait(_RECONNECT_SECONDS)
