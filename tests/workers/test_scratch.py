"""What is on its way stays with nobody: not after an error, and not after `kill -9`."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.shared.scratch import Scratch

DYING = """
import os, signal, sys
from pathlib import Path
from app.shared.scratch import Scratch
with Scratch(Path(sys.argv[1])).folder() as folder:
    (folder / "a.wav.part").write_bytes(b"RIFF")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_is_gone_after_its_block_whatever_happened(tmp_path: Path) -> None:
    """Also with files in it, and after an error."""

    def fail() -> None:
        with Scratch(tmp_path).folder() as folder:
            (folder / "a.wav").write_bytes(b"RIFF")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_worker_leaves_is_cleared_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    """The next worker does it when it starts."""
    subprocess.run([sys.executable, "-c", DYING, str(tmp_path)], check=False)
    assert len(list(tmp_path.rglob("*.part"))) == 1
    with Scratch(tmp_path).folder() as used:
        Scratch(tmp_path).clear()
        assert sorted(path.name for path in tmp_path.iterdir()) == [used.name]
    assert not list(tmp_path.iterdir())
