"""The files of one local kernel: LocalHost reads them, the process that executes the notebook writes them.

<slug>/notebook.ipynb   what was pushed
       pid              the process that executes it; once it is there, this kernel is never started again
       running          locked by that process for as long as it lives; no process id says that reliably
       cells            locked by the Jupyter kernel and by every process that a cell forks; names their process group
       log.jsonl        what the notebook has printed so far, one LogRecord a line
       ended.json       the outcome, written last
       runner.log       what went wrong around the notebook
       input/           the files that it finds by KAGGLE_INPUT_DIR: recordings, and links to what is there for all
       work/            the notebook's current directory, and its outputs
"""

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

from workers.kernel import KernelState, KernelStatus, LogRecord


class KernelFolder:
    """The files of one kernel, and the few things that are done with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notebook = path / "notebook.ipynb"
        self.input = path / "input"
        self.work = path / "work"
        self.pid = path / "pid"
        self.lock = path / "running"
        self.cells = path / "cells"
        self.log = path / "log.jsonl"
        self.ended = path / "ended.json"
        self.runner_log = path / "runner.log"

    def create(self, notebook: str, references: Mapping[str, Path], inputs: Path | None) -> None:
        """Everything that the notebook needs. Whatever part of it is there already may be whole or not."""
        self.work.mkdir(exist_ok=True)
        self.input.mkdir(exist_ok=True)
        for name, file in references.items():
            shutil.copyfile(file, self.input / name)
        for shown in inputs.iterdir() if inputs else ():
            if not os.path.lexists(self.input / shown.name):
                (self.input / shown.name).symlink_to(shown)
        write_whole(self.notebook, notebook)

    def is_running(self) -> bool:
        """Whether the process that executes the notebook lives."""
        return _is_locked(self.lock)

    def has_cells_running(self) -> bool:
        """Whether a process of the cells lives, which may outlive the one that executes the notebook."""
        return _is_locked(self.cells)

    def was_started(self) -> bool:
        """Whether this kernel has ever been started."""
        return self.pid.exists() or self.is_running()

    def status(self) -> KernelStatus:
        """The state by what is on disk."""
        # The lock first: whoever has let go of it has written the outcome before.
        running = self.is_running()
        if self.ended.exists():
            ended = json.loads(self.ended.read_text())
            return KernelStatus(KernelState(ended["state"]), ended["message"])
        if running:
            return KernelStatus(KernelState.RUNNING)
        return KernelStatus(KernelState.ERROR, f"the process that executed the notebook died{self._last_words()}")

    def write_ended(self, status: KernelStatus) -> None:
        """Records the outcome, whole or not at all."""
        write_whole(self.ended, json.dumps({"state": status.state.value, "message": status.message}))

    def append_log(self, record: LogRecord) -> None:
        with self.log.open("a", encoding="ascii") as log:
            log.write(json.dumps(astuple(record)) + "\n")

    def read_log(self, offset: int = 0) -> tuple[list[LogRecord], int]:
        """The whole records from this byte offset on, and the offset behind them."""
        try:
            with self.log.open("rb") as log:
                log.seek(offset)
                # The last line may be half written.
                lines = [line for line in log if line.endswith(b"\n")]
        except FileNotFoundError:
            return [], offset
        return [LogRecord(*json.loads(line)) for line in lines], offset + sum(map(len, lines))

    def signal(self, number: signal.Signals) -> None:
        """Signals the process group, if its process has got as far as naming itself."""
        try:
            os.killpg(int(self.pid.read_text()), number)
        except (FileNotFoundError, ProcessLookupError):
            return

    def kill_cells(self) -> None:
        """Ends what `has_cells_running` tells of; as long as it does, nobody else's group has this number."""
        try:
            os.killpg(int(self.cells.read_text()), signal.SIGKILL)
        except (ValueError, ProcessLookupError):  # it has just locked the file, or just ended
            return

    def _last_words(self) -> str:
        try:
            lines = self.runner_log.read_text(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1][:300]}" if said else ""


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that nobody ever reads half of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
