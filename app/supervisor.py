"""Starts processes, starts them again when they end, and stops them in order.

A process that ends is started again after 0.2 s, then after twice as long each time up to 10 s; one that has lived for
10 s begins anew. Exit code 78 (EX_CONFIG) means that starting it again cannot help: the whole stack stops.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

import structlog

from app.shared.errors import ConfigurationError, Permanent

CHECK_SECONDS = 0.05
UNKNOWN_END = 256
"""Stands for the exit code of a process that was not our child; no real one is as high."""
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
_LONG_LIFE = 10.0

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Program(Protocol):
    """Something that runs in a process of its own."""

    @property
    def name(self) -> str:
        """What the logs call it."""

    @property
    def log_place(self) -> str:
        """Where its own lines are, for people."""

    @property
    def stop_seconds(self) -> float:
        """How long it may take to end after SIGTERM."""

    def start(self) -> None:
        """Starts the process; it does not run now."""

    def exit_code(self) -> int | None:
        """None while the process lives; negative after a signal."""

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the living process."""


@dataclass
class _Watched:
    """A program that shall run; `restart_at` (monotonic seconds) while it waits to be started again."""

    program: Program
    started_at: float
    failures: int = 0
    restart_at: float | None = None


class Supervisor:
    """Keeps programs running.

    `give_up_after` is how often in a row one may end before it has lived long; None: it is started for ever.
    """

    def __init__(self, give_up_after: int | None = None) -> None:
        self.give_up_after = give_up_after
        self._groups: list[list[_Watched]] = []

    def start(self, *programs: Program) -> None:
        """Starts a group of programs and watches them from now on."""
        group: list[_Watched] = []
        self._groups.append(group)
        for program in programs:
            program.start()
            group.append(_Watched(program, time.monotonic()))

    def check(self) -> None:
        """One round: notices what has ended, and starts again what has waited long enough.

        Raises ConfigurationError for a program that exits with 78, and Permanent for one that keeps ending.
        """
        for watched in chain.from_iterable(self._groups):
            now = time.monotonic()
            if watched.restart_at is None:
                self._notice_end(watched, now)
            elif now >= watched.restart_at:
                _start_again(watched.program)
                watched.started_at, watched.restart_at = now, None

    def _notice_end(self, watched: _Watched, now: float) -> None:
        code = watched.program.exit_code()
        if code is None:
            return
        name, place = watched.program.name, watched.program.log_place
        if code == os.EX_CONFIG:
            raise ConfigurationError(f"{name} cannot run with these settings; {place} says why")
        watched.failures = 1 if now - watched.started_at >= _LONG_LIFE else watched.failures + 1
        if self.give_up_after is not None and watched.failures > self.give_up_after:
            raise Permanent(f"{name} keeps ending ({_end(code)}); {place} says why")
        delay = min(_FIRST_DELAY * 2 ** (watched.failures - 1), _LONGEST_DELAY)
        watched.restart_at = now + delay
        log.warning("ended, will be started again", program=name, end=_end(code), delay_seconds=delay)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ends the groups, the last one first: SIGTERM, and SIGKILL after a program's time or on `hurry`."""
        for group in reversed(self._groups):
            started = [watched.program for watched in group if watched.restart_at is None]
            _end_all([program for program in started if program.exit_code() is None], hurry)
        self._groups.clear()


def _start_again(program: Program) -> None:
    try:
        program.start()
    except OSError as error:
        # No memory or no process left. Its last exit code still stands, so the next round counts one more failure.
        log.error("cannot be started", program=program.name, error=str(error))


def _end_all(programs: Sequence[Program], hurry: Callable[[], bool]) -> None:
    began = time.monotonic()
    killed = set()
    for program in programs:
        program.signal(signal.SIGTERM)
    while living := [program for program in programs if program.exit_code() is None]:
        for program in living:
            late = time.monotonic() - began > program.stop_seconds
            if program.name not in killed and (late or hurry()):
                log.warning("does not end, killed", program=program.name)
                program.signal(signal.SIGKILL)
                killed.add(program.name)
        time.sleep(CHECK_SECONDS / 5)
    for program in programs:
        log.info("stopped", program=program.name)


def _end(code: int) -> str:
    if code == UNKNOWN_END:
        return "in an unknown way"
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


class StopRequests:
    """Counts Ctrl-C, SIGTERM and SIGHUP instead of dying from them: the first asks to stop, the second to hurry."""

    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, Any] = {}

    def stop(self) -> bool:
        """Whether to stop."""
        return self.count > 0

    def hurry(self) -> bool:
        """Whether to stop at once."""
        return self.count > 1

    def __enter__(self) -> Self:
        for number in self._SIGNALS:
            # `nohup` has SIGHUP ignored, and means it.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
