"""The local host: notebooks really run as processes of this machine, outlive their worker, and can be stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.shared.errors import HostUnreachable, PushRefused
from workers.kernel import Kernel, KernelState, Push
from workers.local import LocalHost

ROOT = Path(__file__).parents[2]

RUN_FOR_EVER = "open('begun', 'w').close(); import time; time.sleep(600)"
WAIT_FOR_GO = "import os, time\nopen('started', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.02)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Braces and blanks in a path are nothing special.
    return tmp_path / "local {host}"


@pytest.fixture
def host(folder: Path) -> LocalHost:
    return LocalHost(folder)


def notebook(*cells: str) -> str:
    """A notebook of these code cells; its kernelspec names a kernel that this machine does not have."""
    nodes: list[dict[str, Any]] = [
        {"id": f"cell-{number}", "cell_type": "code", "metadata": {}, "source": code}
        | {"outputs": [], "execution_count": None}
        for number, code in enumerate(cells)
    ]
    kernelspec = {"name": "elsewhere", "display_name": "Elsewhere", "language": "python"}
    return json.dumps({"cells": nodes, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5})


def a_push(source: str, *, slug: str = "kavox-run-1", timeout_seconds: int = 60) -> Push:
    return Push(slug=slug, notebook=source, gpu=False, machine_shape=None, timeout_seconds=timeout_seconds)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 seconds in vain"
        time.sleep(0.02)


def wait_for_end(host: LocalHost, kernel: Kernel) -> None:
    wait_until(lambda: host.status(kernel).state.ended)


def processes_of(folder: Path, kernel: Kernel) -> list[psutil.Process]:
    """The process that executes the notebook and the Jupyter kernel that it has started."""
    executor = psutil.Process(int((folder / kernel.slug / "pid").read_text()))
    return [executor, *executor.children(recursive=True)]


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def run_for_ever(host: LocalHost, folder: Path, **changes: Any) -> tuple[Kernel, list[psutil.Process]]:
    """A kernel in the middle of its only cell, and its two processes."""
    kernel = host.push(a_push(notebook(RUN_FOR_EVER), **changes))
    wait_until((folder / kernel.slug / "work" / "begun").exists)
    processes = processes_of(folder, kernel)
    assert len(processes) == 2
    return kernel, processes


def test_a_notebook_runs_under_this_interpreter_in_its_own_directory(
    host: LocalHost, folder: Path, tmp_path: Path
) -> None:
    """Whatever Jupyter kernels the machine knows, the cells are executed by this very Python, in the work folder."""
    kernel = host.push(a_push(notebook("import sys, os; open('where', 'w').write(f'{sys.executable} {os.getcwd()}')")))
    wait_for_end(host, kernel)

    assert host.status(kernel).state is KernelState.COMPLETE
    assert host.download(kernel, ["where"], tmp_path) == {"where"}
    assert (tmp_path / "where").read_text() == f"{sys.executable} {folder / kernel.slug / 'work'}"
    assert kernel.private
    assert kernel.url == ""


def test_a_notebook_is_executed_over_no_port_of_the_machine(host: LocalHost, folder: Path) -> None:
    """Jupyter chooses its ports before it takes them, so another program that takes one could end a notebook."""
    kernel, (executor, _) = run_for_ever(host, folder)
    assert not executor.net_connections("tcp")
    host.delete(kernel.slug)


def test_a_notebook_sees_no_secret_of_the_service(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings and credentials stay out of the notebook's environment, the rest is there."""
    secrets = {"KAGGLE_USERNAME", "KAVOX_REDIS_URL", "HF_TOKEN", "aws_access_key_id", "MY_SECRET", "DB_PASSWORD"}
    for name in secrets | {"HARMLESS"}:
        monkeypatch.setenv(name, "x")
    kernel = host.push(a_push(notebook("import json, os; json.dump(list(os.environ), open('names', 'w'))")))
    wait_for_end(host, kernel)

    host.download(kernel, ["names"], tmp_path)
    names = set(json.loads((tmp_path / "names").read_text()))

    assert not names & secrets
    assert {"HARMLESS", "PATH"} <= names


def test_the_log_is_read_while_it_is_written(host: LocalHost, folder: Path) -> None:
    """A line arrives while the cell that printed it still runs; afterwards the log is the same."""
    kernel = host.push(a_push(notebook(f"print('first')\n{WAIT_FOR_GO}\nprint('last')")))
    stream = host.stream_log(kernel)

    first = next(stream)
    assert host.status(kernel).state is KernelState.RUNNING
    assert host.log(kernel) == [first]
    (folder / kernel.slug / "work" / "go").touch()
    rest = list(stream)

    assert (first.stream, first.text) == ("stdout", "first\n")
    assert "".join(record.text for record in rest) == "last\n"
    assert 0 <= first.time <= rest[0].time < 60
    assert host.log(kernel) == list(host.stream_log(kernel)) == [first, *rest]


def test_a_cell_that_raises_ends_the_run_in_error(host: LocalHost, tmp_path: Path) -> None:
    """The status names the exception, the log carries the traceback, and what was written before is there."""
    kernel = host.push(a_push(notebook("open('before', 'w').close()", "1 / 0", "open('after', 'w').close()")))
    wait_for_end(host, kernel)

    status = host.status(kernel)
    assert (status.state, status.message) == (KernelState.ERROR, "ZeroDivisionError: division by zero")
    assert any(record.stream == "stderr" and "1 / 0" in record.text for record in host.log(kernel))
    assert host.download(kernel, ["before", "after"], tmp_path) == {"before"}


def test_a_notebook_is_started_once_however_often_it_is_pushed(host: LocalHost, folder: Path) -> None:
    """Pushes of one slug from several workers at once, and after its end, are one run."""
    push = a_push(notebook("open('starts', 'a').write('started\\n')", WAIT_FOR_GO))
    with ThreadPoolExecutor(4) as workers:
        kernels = set(workers.map(lambda other: other.push(push), [LocalHost(folder) for _ in range(4)]))
    (kernel,) = kernels
    (folder / kernel.slug / "work" / "go").touch()
    wait_for_end(host, kernel)

    assert host.push(push) == host.find(push.slug) == kernel
    assert host.status(kernel).state is KernelState.COMPLETE
    assert (folder / kernel.slug / "work" / "starts").read_text() == "started\n"


def test_a_run_that_is_killed_is_seen_as_dead(host: LocalHost, folder: Path) -> None:
    """After kill -9 the status is ERROR, the log stream ends, nothing runs on, and a push does not start it again."""
    kernel, processes = run_for_ever(host, folder)
    assert host.status(kernel).state is KernelState.RUNNING

    processes[0].kill()
    wait_for_end(host, kernel)

    status = host.status(kernel)
    assert (status.state, status.message) == (KernelState.ERROR, "the process that executed the notebook died")
    assert list(host.stream_log(kernel)) == []
    wait_until_gone(processes)
    assert host.push(a_push(notebook(RUN_FOR_EVER))) == kernel
    assert host.status(kernel).state is KernelState.ERROR


def test_a_run_outlives_its_worker(folder: Path) -> None:
    """kill -9 of the pushing process and of its whole group leaves the notebook running to its end."""
    script = (
        "import sys, time; from pathlib import Path; from tests.workers.test_local import *; "
        "LocalHost(Path(sys.argv[1])).push(a_push(notebook(WAIT_FOR_GO))); time.sleep(600)"
    )
    worker = subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=ROOT, start_new_session=True)
    host = LocalHost(folder)
    # Not before its first cell runs: until then the runner may still be leaving the worker's group.
    wait_until((folder / "kavox-run-1" / "work" / "started").exists)
    kernel = host.find("kavox-run-1")
    assert kernel is not None

    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()

    assert host.status(kernel).state is KernelState.RUNNING
    (folder / kernel.slug / "work" / "go").touch()
    wait_for_end(host, kernel)
    assert host.status(kernel).state is KernelState.COMPLETE


def test_a_run_ends_at_its_time_out(host: LocalHost, folder: Path) -> None:
    """A notebook that never ends is stopped with its kernel, and says why."""
    kernel, processes = run_for_ever(host, folder, timeout_seconds=6)
    wait_for_end(host, kernel)

    status = host.status(kernel)
    assert (status.state, status.message) == (KernelState.CANCELED, "it ran longer than it may")
    wait_until_gone(processes)


def test_delete_stops_a_run_and_leaves_nothing(host: LocalHost, folder: Path) -> None:
    """Processes and files are gone when delete returns, and a second delete is no error."""
    kernel, processes = run_for_ever(host, folder)

    host.delete(kernel.slug)

    wait_until_gone(processes)
    assert host.find(kernel.slug) is None
    assert list(folder.iterdir()) == []
    assert host.status(kernel).state is KernelState.ERROR
    host.delete(kernel.slug)


def test_only_files_of_the_work_folder_are_downloaded(host: LocalHost, tmp_path: Path) -> None:
    """A name that leads elsewhere, or to a folder, or nowhere, is not there."""
    kernel = host.push(a_push(notebook("open('a.wav', 'w').write('a'); import os; os.mkdir('sub')")))
    wait_for_end(host, kernel)
    got = tmp_path / "got"

    names = ["a.wav", "../notebook.ipynb", "/etc/passwd", "sub", "..", "", "gone.wav"]
    assert host.download(kernel, names, got) == {"a.wav"}
    assert [path.name for path in got.iterdir()] == ["a.wav"]


def test_a_push_that_cannot_be_written_never_left(tmp_path: Path) -> None:
    """A folder that cannot be made is one clear line, and nothing is found afterwards."""
    (tmp_path / "file").touch()
    host = LocalHost(tmp_path / "file")

    with pytest.raises(HostUnreachable, match=r"^cannot start the notebook kavox-run-1: Not a directory$"):
        host.push(a_push(notebook()))


@pytest.mark.parametrize("slug", ["../elsewhere", "a/b", "a.part", "", ".", ".."])
def test_a_slug_that_leads_elsewhere_is_refused(host: LocalHost, slug: str) -> None:
    """Kernels live directly below the host's folder."""
    with pytest.raises(PushRefused, match="letters, digits and dashes"):
        host.push(a_push(notebook(), slug=slug))
