"""Ends processes of one service with SIGKILL, one every few seconds, as its script says."""

import contextlib
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

import httpx
import psutil

from tests.chaos.script import API, Script
from tests.service import Service


class Killer:
    """Kills from the beginning of its `with` block to the end, or to the end of the storm."""

    def __init__(self, service: Service, script: Script) -> None:
        self.deaths: Counter[str] = Counter()
        """How often each kind of process was killed."""
        self._service = service
        self._script = script
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._storm, name="killer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=30)

    def _storm(self) -> None:
        end = time.monotonic() + self._script.scale.storm
        for pause, victim, number in self._script.kills():
            if self._over.wait(pause) or time.monotonic() > end:
                return
            # One that is just being started again has been killed already: the next one, then. On a busy machine the
            # API takes so long to start that it would never answer anybody.
            if victim == API and not self._answers():
                continue
            if living := self._service.processes(victim):
                self._kill(living[number % len(living)], victim)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self._service.url}/healthz", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _kill(self, process: psutil.Process, victim: str) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            self.deaths[victim] += 1
