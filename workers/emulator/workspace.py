"""The folder of one session: what the application puts there and what the runner leaves.

notebook.ipynb   the pushed source
working/         the notebook's current directory, Kaggle's /kaggle/working; its files are the outputs
input/           Kaggle's /kaggle/input: datasets/<owner>/<slug>/ (or, as before 2026, <slug>/ alone) of each dataset
                 that the push named, and links to
                 what the emulator was told to show every session
home/            HOME of the notebook, for caches
log.jsonl        the log, a record a line, as it is written
result.json      how the cells ended; written last, atomically
lock             locked by the runner for as long as it lives
processes        ids of the process groups to kill: the runner's and its kernel's
runner.txt       what the runner itself prints, for whoever debugs the emulator
"""

import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """How the cells of a session ended.

    `cell_seconds` is their own time; `stated_seconds` the work that the notebook itself stated, or None.
    """

    failed: bool
    cell_seconds: float
    stated_seconds: float | None
    finished_at: float

    def work_seconds(self, time_scale: float) -> float:
        return self.cell_seconds * time_scale if self.stated_seconds is None else self.stated_seconds


class Workspace:
    """The paths of a session's folder, and the few facts that are read from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notebook = path / "notebook.ipynb"
        self.working = path / "working"
        self.input = path / "input"
        self.home = path / "home"
        self.log = path / "log.jsonl"
        self.runner_output = path / "runner.txt"
        self._result = path / "result.json"
        self._lock = path / "lock"
        self._processes = path / "processes"

    def create(self, source: str, inputs: Path | None) -> None:
        """Makes the folder for a notebook's source; what is in `inputs` will be among its inputs."""
        # One may be there from a push that was killed before it was stored: then its number is given again.
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in (self.working, self.input, self.home):
            folder.mkdir(parents=True, exist_ok=True)
        for shown in inputs.iterdir() if inputs else ():
            (self.input / shown.name).symlink_to(shown)
        self.notebook.write_text(source, encoding="utf-8")

    def mount(self, place: str, folder: Path) -> None:
        """Shows a dataset's files at this place among the inputs, for as long as the session's folder lives."""
        target = self.input / place
        target.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            # Neither a link to a folder, which searches do not follow, nor one that dies with the dataset.
            (target / file.name).hardlink_to(file)

    def lock(self) -> int:
        """Takes the lock and returns its descriptor, for the runner to inherit; BlockingIOError if it is taken."""
        descriptor = os.open(self._lock, os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise
        return descriptor

    def alive(self) -> bool:
        """Whether the runner lives; a lock cannot be mistaken as a process id can."""
        if not self._lock.exists():
            return False
        try:
            os.close(self.lock())
        except BlockingIOError:
            return True
        return False

    def add_process(self, pid: int) -> None:
        with self._processes.open("a", encoding="ascii") as file:
            file.write(f"{pid}\n")

    def processes(self) -> list[int]:
        if not self._processes.exists():
            return []
        return [int(line) for line in self._processes.read_text(encoding="ascii").split()]

    def write_result(self, result: Result) -> None:
        part = self._result.with_suffix(".part")
        part.write_text(json.dumps(asdict(result)), encoding="utf-8")
        part.replace(self._result)

    def result(self) -> Result | None:
        try:
            return Result(**json.loads(self._result.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def last_sign_of_life(self) -> float | None:
        """When the log was last written to, in epoch seconds."""
        return self.log.stat().st_mtime if self.log.exists() else None
