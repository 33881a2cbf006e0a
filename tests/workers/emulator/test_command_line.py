"""Kaggle's own command line, unmodified, against the emulator: the road that any user of Kaggle knows."""

import json
from pathlib import Path

import pytest

from .driver import OWNER, Emulator, notebook

pytestmark = pytest.mark.slow


def test_a_kernel_is_pushed_followed_downloaded_listed_and_deleted(emulator: Emulator, tmp_path: Path) -> None:
    """The official command line sees a notebook through its whole life."""
    source = notebook("print('hello from the cell')", "import pathlib; pathlib.Path('sub').mkdir()",
                      "pathlib.Path('sub/a.txt').write_text('спасибо')")  # fmt: skip
    (tmp_path / "speak.ipynb").write_text(source)
    metadata = {
        "id": f"{OWNER}/my-first-run",
        "title": "My first run",
        "code_file": "speak.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": "true",
    }
    (tmp_path / "kernel-metadata.json").write_text(json.dumps(metadata))

    pushed = emulator.kaggle("push", "-p", str(tmp_path))
    followed = emulator.kaggle("logs", f"{OWNER}/my-first-run", "--follow")
    ended = emulator.wait_until_ended("my-first-run")
    status = emulator.kaggle("status", f"{OWNER}/my-first-run")
    fetched = emulator.kaggle("output", f"{OWNER}/my-first-run", "-p", str(tmp_path / "out"))
    listed = emulator.kaggle("list", "--mine")
    deleted = emulator.kaggle("delete", f"{OWNER}/my-first-run", "--yes")

    assert "Kernel version 1 successfully pushed" in pushed
    assert f"https://www.kaggle.com/code/{OWNER}/my-first-run" in pushed
    assert "hello from the cell" in followed
    assert ended == "COMPLETE"
    assert 'has status "KernelWorkerStatus.COMPLETE"' in status
    assert "Output file downloaded" in fetched
    assert (tmp_path / "out/sub/a.txt").read_text() == "спасибо"
    assert (tmp_path / "out/__notebook__.ipynb").stat().st_size > 0
    log = json.loads((tmp_path / "out/my-first-run.log").read_text())
    assert "Debugger warning" in log[0]["data"]
    assert {"stream_name": "stdout", "data": "hello from the cell\n"}.items() <= log[-1].items()
    assert f"{OWNER}/my-first-run" in listed
    assert "deleted successfully" in deleted
    assert emulator.kaggle("list", "--mine").strip() == "Not found"


def test_a_kernel_that_is_not_there_is_denied(emulator: Emulator) -> None:
    """The official command line explains a missing kernel with Kaggle's denied permission."""
    assert "Permission 'kernels.get' was denied" in emulator.kaggle("status", f"{OWNER}/nobody-knows")
