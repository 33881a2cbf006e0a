"""Executes one notebook of the local host: `python -m workers.local_runner FOLDER SECONDS`, started by `LocalHost`.

It ends itself after SECONDS and on SIGTERM, its Jupyter kernel with it, and leaves its outcome in FOLDER.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from uuid import uuid4

import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from workers.kernel import KernelState, KernelStatus, LogRecord
from workers.local_folder import KernelFolder, write_whole

KERNEL_NAME = "kavox"

# The lock is inherited by every process that a cell forks: whoever holds it belongs to this notebook. It dies with the
# runner at once, not at its next look whether that one still lives.
_KERNEL = """
import ctypes, fcntl, os, runpy, sys
if sys.platform == "linux":
    PR_SET_PDEATHSIG, SIGKILL = 1, 9
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
cells = os.open("../cells", os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(cells, fcntl.LOCK_EX)
os.write(cells, str(os.getpgrp()).encode())
runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
"""


class LogStream:
    """A file-like object, as papermill wants it, that appends to the kernel's log."""

    def __init__(self, folder: KernelFolder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._start = time.monotonic()

    def write(self, text: str) -> None:
        self._folder.append_log(LogRecord(self._name, round(time.monotonic() - self._start, 3), text))

    def flush(self) -> None:
        """Nothing is held back."""


def main() -> None:
    """Executes the notebook of the folder named on the command line."""
    folder, seconds = KernelFolder(Path(sys.argv[1])), int(sys.argv[2])
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    write_whole(folder.pid, str(os.getpid()))
    signal.alarm(seconds)
    try:
        status = execute(folder)
    except SystemExit as stop:
        status = KernelStatus(KernelState.CANCELED, str(stop.code))
    except Exception as error:
        folder.write_ended(KernelStatus(KernelState.ERROR, f"{type(error).__name__}: {error}"))
        raise
    folder.write_ended(status)


def execute(folder: KernelFolder) -> KernelStatus:
    """Runs every cell, in `work/` and under this very interpreter, whatever Jupyter kernels the machine knows."""
    _install_kernel(folder.path / "jupyter")
    os.chdir(folder.path)  # papermill expands braces in paths, so it gets none but plain names
    stdout, stderr = LogStream(folder, "stdout"), LogStream(folder, "stderr")
    try:
        papermill.execute_notebook(
            folder.notebook.name,
            "executed.ipynb",
            kernel_name=KERNEL_NAME,
            cwd=folder.work.name,
            progress_bar=False,
            stdout_file=stdout,
            stderr_file=stderr,
            shutdown_kernel="immediate",  # the kernel's whole process group
            config=_sockets(),
        )
    except PapermillExecutionError as error:
        stderr.write(str(error))
        return KernelStatus(KernelState.ERROR, f"{error.ename}: {error.evalue}")
    return KernelStatus(KernelState.COMPLETE)


def _install_kernel(directory: Path) -> None:
    kernel = directory / "kernels" / KERNEL_NAME
    kernel.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-c", _KERNEL, "-f", "{connection_file}", "--log-level=ERROR"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Kavox", "language": "python"}), encoding="utf-8"
    )
    os.environ["JUPYTER_PATH"] = str(directory)
    # Else the key to the kernel outlives a killed runner in the home directory, which may be read-only.
    os.environ["JUPYTER_RUNTIME_DIR"] = str(directory / "runtime")
    os.environ["IPYTHONDIR"] = str(directory / "ipython")  # no start-up files of the user's


def _sockets() -> Config:
    """Where Linux has sockets that are names alone, the kernel listens on those.

    Jupyter chooses free TCP ports, lets go of them, and has the kernel take them a second later; whoever takes one in
    between, kills the kernel.
    """
    if sys.platform != "linux":
        return Config()
    return Config(KernelManager={"transport": "ipc", "ip": f"@kavox-{uuid4()}"})


def _stop(number: int, _frame: FrameType | None) -> None:
    """Ends the notebook; a second signal must not disturb the clean-up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    raise SystemExit("it ran longer than it may" if number == signal.SIGALRM else "it was told to stop")


if __name__ == "__main__":
    main()
