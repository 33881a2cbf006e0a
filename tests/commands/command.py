"""The real command line, as a process."""

import os
import pty
import shlex
import subprocess
from pathlib import Path
from typing import Any

from tests.stack.processes import KAVOX, clean_environment

PATIENCE_SECONDS = 90


class Command:
    """`kavox` in one folder and with these settings (KAVOX_… left off)."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.settings = settings

    def start(self, line: str, *more: object, **settings: object) -> "subprocess.Popen[bytes]":
        """Starts a command that goes on by itself: a line as a shell takes it, and `more` words.

        `settings` take the place of the common ones, None of any.
        """
        return self.started([*shlex.split(line), *more], settings, stdin=subprocess.PIPE)

    def __call__(self, line: str, *more: object, **settings: object) -> "Ended":
        """Runs a command to its end."""
        return Ended(self.start(line, *more, **settings))

    def on_terminal(self, line: str, **settings: object) -> "Terminal":
        """Starts a command whose stdout and stderr are a terminal."""
        return Terminal(self, shlex.split(line), settings)

    def started(self, arguments: Any, settings: Any, **streams: Any) -> "subprocess.Popen[bytes]":
        """The process, with its output in pipes unless `streams` say otherwise."""
        given = {name: value for name, value in {**self.settings, **settings}.items() if value is not None}
        return subprocess.Popen(
            [KAVOX, *map(str, arguments)],
            cwd=self.folder,
            env={**clean_environment(self.folder, **given), "TERM": "xterm", "COLUMNS": "200"},
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )


class Ended:
    """What a command has left: `code`, stdout as bytes, stderr as text."""

    def __init__(self, command: "subprocess.Popen[bytes]", stdin: bytes = b"") -> None:
        out, errors = command.communicate(stdin, timeout=PATIENCE_SECONDS)
        self.code, self.out, self.errors = command.returncode, out, errors.decode()

    @property
    def line(self) -> str:
        """The one line of an error."""
        assert self.errors.startswith("kavox: "), self.errors
        assert self.errors.count("\n") == 1, self.errors
        return self.errors.strip()


class Terminal:
    """A command on a terminal, which reads what it shows."""

    def __init__(self, command: Command, arguments: Any, settings: Any) -> None:
        self._screen, inside = pty.openpty()
        self.process = command.started(arguments, settings, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)
        self.shown = ""

    def read_until(self, words: str) -> None:
        """Reads until these words were shown."""
        while words not in self.shown:
            assert self._read(), f"{words!r} was not shown: {self.shown}"

    def end(self) -> int:
        """Reads to the end; the exit status."""
        while self._read():
            pass
        os.close(self._screen)
        return self.process.wait(PATIENCE_SECONDS)

    def _read(self) -> bool:
        try:
            more = os.read(self._screen, 65_536)
        except OSError:
            # How Linux tells that the other side was closed.
            return False
        self.shown += more.decode(errors="replace")
        return bool(more)
