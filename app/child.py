"""A command that runs as our child and ends with us.

Start children from the main thread: Linux ends a child with the *thread* that started it (PR_SET_PDEATHSIG). Other
systems have no such thing; there a child outlives a supervisor that was killed with SIGKILL.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1


class ChildProcess:
    """A command as a child, in a session of its own so that Ctrl-C on the terminal reaches only its supervisor.

    What it prints goes to `output`, by default to our stderr.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        stop_seconds: float,
        output: Path | None = None,
    ) -> None:
        self.name = name
        self.stop_seconds = stop_seconds
        self._command = command
        self._environment = environment
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_place(self) -> str:
        """Where its lines are."""
        return str(self._output or "its own line on stderr")

    def start(self) -> None:
        """Starts the command."""
        if self._output is None:
            self._spawn(sys.stderr.fileno())
        else:
            with self._output.open("ab") as output:
                self._spawn(output)

    def exit_code(self) -> int | None:
        """None while it lives."""
        return self._running().poll()

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal; one that has just ended takes none."""
        self._running().send_signal(number)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def _spawn(self, output: int | IO[bytes]) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509  # safe here: the supervisor has one thread
        )


def _end_with_parent() -> Callable[[], None] | None:
    """What a child calls first, so that it gets SIGTERM when its parent dies. Only Linux can do that."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have died before the kernel was asked.
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel
