"""What the local host leaves behind when something goes wrong: no process, no folder, nothing of the person's own."""

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from app.shared.errors import HostUnreachable
from tests.workers.test_local import a_push, notebook, processes_of, wait_for_end, wait_until, wait_until_gone
from workers.kernel import Kernel, KernelState, Push
from workers.local import LocalHost

FORKS = """
import os, time
if os.fork() == 0:
    open('child.part', 'w').write(str(os.getpid())); os.rename('child.part', 'child')
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "local"


@pytest.fixture
def host(folder: Path) -> LocalHost:
    return LocalHost(folder)


def forked(host: LocalHost, folder: Path) -> tuple[Kernel, list[psutil.Process]]:
    """A kernel whose cell has a child, as those of the engines for GPUs have; its three processes, the child last."""
    kernel = host.push(a_push(notebook(FORKS)))
    wait_until((folder / kernel.slug / "work" / "child").exists)
    child = psutil.Process(int((folder / kernel.slug / "work" / "child").read_text()))
    return kernel, [*(one for one in processes_of(folder, kernel) if one != child), child]


@pytest.mark.parametrize("killed", [0, 1])
def test_a_child_of_a_cell_that_outlives_its_parents_ends_with_the_run(
    host: LocalHost, folder: Path, killed: int
) -> None:
    """Whether the runner or the Jupyter kernel was killed: what still runs, and holds memory, ends with delete."""
    kernel, processes = forked(host, folder)
    assert len(processes) == 3
    processes[killed].kill()
    wait_until_gone(processes[:2])
    wait_for_end(host, kernel)
    assert host.status(kernel).state is KernelState.ERROR

    host.delete(kernel.slug)

    wait_until_gone(processes)
    assert list(folder.iterdir()) == []


def test_delete_ends_the_children_of_a_cell(host: LocalHost, folder: Path) -> None:
    """The ordinary way too leaves none of them."""
    kernel, processes = forked(host, folder)
    host.delete(kernel.slug)
    wait_until_gone(processes)


def test_nothing_is_written_outside_the_runs_folder(
    host: LocalHost, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even by a run that is killed, and by then Jupyter has written down how to reach its kernel."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    kernel, processes = forked(host, folder)
    processes[0].kill()
    host.delete(kernel.slug)
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []
    wait_until_gone(processes)


def test_a_push_that_fails_half_way_leaves_no_folder(host: LocalHost, folder: Path, tmp_path: Path) -> None:
    """Its jobs will come in another run, and the disk may be full."""
    push = Push("kavox-run-1", notebook(), False, None, 60, references={"voice.wav": tmp_path / "gone.wav"})
    with pytest.raises(HostUnreachable, match=r"^cannot start the notebook kavox-run-1: No such file or directory$"):
        host.push(push)
    assert list(folder.iterdir()) == []


def test_a_notebook_finds_what_is_there_for_all(folder: Path, tmp_path: Path) -> None:
    """Beside its own recordings; neither is copied, and neither goes when the kernel does."""
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "tiny" / "config.json").write_text("{}")
    (tmp_path / "voice.wav").write_text("voice")
    host = LocalHost(folder, tmp_path / "models")
    look = "import json, os; json.dump(sorted(os.listdir(os.environ['KAGGLE_INPUT_DIR'])), open('found', 'w'))"
    references = {"voice.wav": tmp_path / "voice.wav"}
    kernel = host.push(Push("kavox-run-1", notebook(look), False, None, 60, references=references))
    wait_for_end(host, kernel)

    host.download(kernel, {"found"}, tmp_path)
    assert json.loads((tmp_path / "found").read_text()) == ["tiny", "voice.wav"]
    assert (folder / kernel.slug / "input" / "tiny" / "config.json").read_text() == "{}"
    host.delete(kernel.slug)
    assert (tmp_path / "models" / "tiny" / "config.json").exists()
    assert (tmp_path / "voice.wav").exists()


def test_addresses_with_passwords_are_withheld_and_what_finds_gpus_and_models_is_not(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a proxy's may pass, because without it there may be no internet."""
    withheld = {"DATABASE_URL": "postgres://me:hidden@host/db", "BROKER": "redis://:hidden@host", "PGPASSFILE": "x"}
    seen = {"CUDA_VISIBLE_DEVICES": "1", "HF_HOME": str(tmp_path), "https_proxy": "http://me:word@proxy:8080"}
    for name, value in (withheld | seen).items():
        monkeypatch.setenv(name, value)
    kernel = host.push(a_push(notebook("import json, os; json.dump(dict(os.environ), open('names', 'w'))")))
    wait_for_end(host, kernel)

    host.download(kernel, {"names"}, tmp_path)
    environment = json.loads((tmp_path / "names").read_text())
    assert not environment.keys() & withheld.keys()
    assert seen.items() <= environment.items()


def test_what_nobody_has_come_back_for_is_cleared(host: LocalHost, folder: Path) -> None:
    """Old folders go; young ones, running ones and what is not the host's stay."""
    wait_for_end(host, host.push(a_push(notebook(), slug="old")))
    wait_for_end(host, host.push(a_push(notebook(), slug="young")))
    running, _ = forked(host, folder)
    (folder / "not_ours").mkdir()
    long_ago = time.time() - 3600
    for name in ("old", running.slug, "not_ours"):
        os.utime(folder / name, (long_ago, long_ago))

    assert host.clear(older_than_seconds=1800) == ["old"]

    assert {path.name for path in folder.iterdir()} == {"young", running.slug, "not_ours"}
    host.delete(running.slug)
    assert LocalHost(folder / "nowhere").clear(0) == []
