"""Starts and kills the processes that execute notebooks.

A runner leads a session of its own, so that neither Ctrl-C nor `kill -9` of the emulator reaches it. Its kernel leads
another one (jupyter_client does that), which is why both groups are noted in the workspace.
"""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from workers.emulator.workspace import Workspace

SOURCE_ROOT = Path(__file__).resolve().parents[2]

KEPT_VARIABLES = re.compile(
    r"LANG|LC_.*|TZ|LD_LIBRARY_PATH|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|PIP_.*"
)
SECRET_VARIABLES = re.compile(r"KAGGLE|KAVOX|TOKEN|KEY|SECRET|PASSWORD")


def notebook_environment(
    environ: dict[str, str], workspace: Workspace, kernelspecs: Path, python: Path
) -> dict[str, str]:
    """What a notebook sees of this machine's environment: no credentials, and little else."""
    kept = {
        name: value
        for name, value in environ.items()
        if KEPT_VARIABLES.fullmatch(name) and not SECRET_VARIABLES.search(name)
    }
    return kept | {
        # A `pip` or `python` that the notebook calls is its own interpreter's.
        "PATH": os.pathsep.join([str(python.parent), environ.get("PATH", os.defpath)]),
        "HOME": str(workspace.home),
        "JUPYTER_PATH": str(kernelspecs),
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "KAGGLE_INPUT_DIR": str(workspace.input),
    }


def write_kernelspec(folder: Path, python: Path) -> None:
    """Makes `python3` mean this interpreter, whatever kernelspecs the machine has."""
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    path = folder / "kernels" / "python3" / "kernel.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(spec), encoding="utf-8")


class Launcher:
    """The processes of this emulator's sessions, those that an earlier emulator started included."""

    def __init__(self, kernelspecs: Path, python: Path) -> None:
        """`python` is the notebooks' interpreter; the runner's own is this one."""
        self._kernelspecs = kernelspecs
        self._python = python
        self._children: list[subprocess.Popen[bytes]] = []
        write_kernelspec(kernelspecs, python)

    def start(self, workspace: Workspace, started_at: float, boot_seconds: float) -> None:
        """Starts the runner of a session, unless it lives already."""
        try:
            lock = workspace.lock()
        except BlockingIOError:
            return
        try:
            with workspace.runner_output.open("ab") as output:
                child = subprocess.Popen(
                    [
                        sys.executable,
                        *("-m", "workers.emulator.runner"),
                        *(str(workspace.path), str(started_at), str(boot_seconds)),
                    ],
                    cwd=SOURCE_ROOT,
                    env=notebook_environment(dict(os.environ), workspace, self._kernelspecs, self._python),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(lock,),
                    start_new_session=True,
                )
        finally:
            os.close(lock)
        workspace.add_process(child.pid)
        self._children.append(child)

    def kill(self, workspace: Workspace) -> None:
        """Kills a session's runner and kernel. Of a dead runner nothing is killed: its ids may be others' by now."""
        if not workspace.alive():
            return
        for pid in workspace.processes():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def reap(self) -> None:
        """Lets the system forget the children that have ended."""
        self._children = [child for child in self._children if child.poll() is None]
