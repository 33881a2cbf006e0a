"""Keeps a run's lease alive in the background while a worker is busy with it, and hears of cancels on the way."""

import threading
from types import TracebackType
from typing import Self

import structlog
from redis.exceptions import RedisError

from app.shared.errors import LeaseLost
from workers.run import Run
from workers.run_store import RunStore

RENEW_SECONDS = 2


class Lease:
    """Renews the lease every RENEW_SECONDS for as long as the `with` block runs.

    `cancels` is set when a job of the run is to be cancelled; whoever heeds it clears it.
    """

    def __init__(self, runs: RunStore, run: Run) -> None:
        self.cancels = threading.Event()
        self._runs = runs
        self._run = run
        self._over = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{run.id}", daemon=True)

    def check(self) -> None:
        """Raises LeaseLost when another worker has taken the run over."""
        if self._lost.is_set():
            raise LeaseLost(f"another worker owns run {self._run.id} by now")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=RENEW_SECONDS)

    def _keep(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            try:
                if self._runs.renew(self._run):
                    self.cancels.set()
            except LeaseLost:
                self._lost.set()
                return
            except RedisError as error:
                # The lease may run out now; whoever takes the run over raises its fence.
                structlog.get_logger().warning("lease not renewed", run=self._run.id, error=str(error))
