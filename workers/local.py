"""KernelHost on this machine: for voices that need no GPU, and for people who have one of their own.

Each kernel is a folder (`workers/local_folder.py`). A process of its own executes the notebook there
(`workers/local_runner.py`) and lives on when the worker dies.
"""

import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.shared.errors import HostUnreachable, PushRefused, StorageFull
from workers.kernel import Kernel, KernelState, KernelStatus, LogRecord, Push
from workers.local_environment import without_secrets
from workers.local_folder import KernelFolder

LOG_INTERVAL_SECONDS = 0.1
"""Between two looks at a log that is being written."""

STOP_GRACE_SECONDS = 5.0
"""What a process has to end after SIGTERM, and then after SIGKILL."""

_PLAIN_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


class LocalHost:
    """Executes notebooks as processes of this machine, below `directory`.

    They see no credentials, but for the variables that their push names. What is in `inputs`, models for example, each
    of them finds among its own inputs.
    """

    name = "local"

    def __init__(self, directory: Path, inputs: Path | None = None) -> None:
        self._directory = directory.resolve()
        self._inputs = inputs.resolve() if inputs else None
        self._children: list[subprocess.Popen[bytes]] = []

    def push(self, push: Push) -> Kernel:
        """Starts the notebook, at most once for a slug, however often and from wherever it is pushed."""
        folder = self._folder(push.slug)
        if time.monotonic() > push.not_after:
            raise HostUnreachable(f"too late to start the notebook {push.slug}; the worker was held up")
        with _unreachable(f"cannot start the notebook {push.slug}"):
            # Texts and speech are nobody else's.
            folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(folder.path, os.O_RDONLY):
                if not folder.was_started():
                    self._prepare_and_start(folder, push)
        return self._kernel(push.slug)

    def find(self, slug: str) -> Kernel | None:
        """The kernel, once it has been started."""
        folder = self._folder(slug)
        with _unreachable(f"cannot look for {folder.path}"):
            return self._kernel(slug) if folder.was_started() else None

    def slugs(self, prefix: str) -> set[str]:
        """Those on this machine."""
        return {path.name for path in self._directory.glob("*") if path.name.startswith(prefix)}

    def status(self, kernel: Kernel) -> KernelStatus:
        """ERROR also for a kernel whose process died, and for one whose folder is gone."""
        folder = self._folder(kernel.slug)
        try:
            return folder.status()
        except (OSError, ValueError, KeyError) as error:
            return KernelStatus(KernelState.UNREADABLE, f"{folder.path}: {error}")

    def stream_log(self, kernel: Kernel) -> Iterator[LogRecord]:
        """Looks at the log every LOG_INTERVAL_SECONDS until the session has ended."""
        folder = self._folder(kernel.slug)
        offset = 0
        while True:
            ended = self.status(kernel).state.ended
            records, offset = folder.read_log(offset)
            yield from records
            if ended:
                return
            time.sleep(LOG_INTERVAL_SECONDS)

    def log(self, kernel: Kernel) -> list[LogRecord]:
        return self._folder(kernel.slug).read_log()[0]

    def download(self, kernel: Kernel, names: Collection[str], directory: Path) -> set[str]:
        """Copies files that lie directly in the notebook's directory. Raises StorageFull when there is no room."""
        work = self._folder(kernel.slug).work
        wanted = {name for name in names if name == Path(name).name and (work / name).is_file()}
        with _unreachable(f"cannot copy the outputs of {kernel.slug}"):
            directory.mkdir(parents=True, exist_ok=True)
            for name in wanted:
                part = directory / f"{name}.part"
                try:
                    shutil.copyfile(work / name, part)
                    part.replace(directory / name)
                finally:
                    part.unlink(missing_ok=True)
        return wanted

    def delete(self, slug: str) -> None:
        folder = self._folder(slug)
        if not folder.path.exists():
            return
        with _unreachable(f"cannot delete {folder.path}"):
            self._stop(folder)
            shutil.rmtree(folder.path)

    def clear(self, older_than_seconds: float) -> list[str]:
        """Deletes the kernels that nobody has come back for in so long; their slugs."""
        before = time.time() - older_than_seconds
        cleared = []
        for path in self._directory.glob("*"):
            # Another worker may be clearing too: what it has deleted is gone.
            with suppress(OSError, HostUnreachable):
                old = _PLAIN_SLUG.fullmatch(path.name) and path.is_dir() and path.stat().st_mtime < before
                if old and not KernelFolder(path).is_running():
                    self.delete(path.name)
                    cleared.append(path.name)
        return cleared

    def _prepare_and_start(self, folder: KernelFolder, push: Push) -> None:
        try:
            folder.create(push.notebook, push.references, self._inputs)
            self._start(folder, push)
        except OSError:
            # The next attempt has another slug: nobody would come back for this folder, and the disk may be full.
            shutil.rmtree(folder.path, ignore_errors=True)
            raise

    def _start(self, folder: KernelFolder, push: Push) -> None:
        self._children = [child for child in self._children if child.poll() is None]  # leaves no zombies
        with _locked(folder.lock, os.O_RDWR | os.O_CREAT) as lock, folder.runner_log.open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "workers.local_runner", str(folder.path), str(push.timeout_seconds)],
                cwd=Path(__file__).parents[1],
                env={**without_secrets(os.environ, push.environment), "KAGGLE_INPUT_DIR": str(folder.input)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],  # the child inherits the lock: there is no moment in which nobody holds it
            )
        self._children.append(child)

    def _stop(self, folder: KernelFolder) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + STOP_GRACE_SECONDS
            while folder.is_running() and time.monotonic() < deadline:
                folder.signal(number)
                time.sleep(LOG_INTERVAL_SECONDS)
        # A runner that was killed could not end the cells' processes, and those may hold a GPU's memory.
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        while folder.has_cells_running() and time.monotonic() < deadline:
            folder.kill_cells()
            time.sleep(LOG_INTERVAL_SECONDS)
        if folder.is_running() or folder.has_cells_running():
            raise HostUnreachable(f"the notebook in {folder.path} does not end")

    def _folder(self, slug: str) -> KernelFolder:
        if not _PLAIN_SLUG.fullmatch(slug):
            raise PushRefused(f"'{slug}' cannot be the name of a kernel: use letters, digits and dashes")
        return KernelFolder(self._directory / slug)

    def _kernel(self, slug: str) -> Kernel:
        return Kernel(slug=slug, version=1, ref=f"{self.name}/{slug}", url="", private=True)


@contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    """An open descriptor of a file or folder, locked until it and every copy of it are closed."""
    descriptor = os.open(path, flags)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _unreachable(problem: str) -> Iterator[None]:
    """Turns what the operating system refuses into the errors of a host."""
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else HostUnreachable
        raise kind(f"{problem}: {error.strerror}") from error
