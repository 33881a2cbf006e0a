"""Where the tests of the engines' notebooks play: an emulator whose sessions run under `.venv-engines`.

    stage.make("tiny_qwen")               tiny checkpoints among the inputs of every session
    heard = stage.perform("qwen", items)  the notebook pushed as a worker pushes it, and what it has left

The interpreter of the sessions is a script that adds folders to PYTHONPATH: so a test can put something in the way of a
package (a `sitecustomize.py`, a module of the package's name) without a trace of it in the notebook.
"""

import hashlib
import json
import subprocess
import time
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.shared.identifiers import new_id
from app.shared.kaggle_credentials import KaggleCredentials
from tests.workers.emulator.driver import KEY, OWNER, Emulator
from workers.kaggle import KaggleHost
from workers.kernel import KernelState, Push
from workers.kernel_metadata import load_kernel_metadata
from workers.notebook import inject

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NOTEBOOKS = ROOT / "notebooks"
PYTHON = ROOT / ".venv-engines" / "bin" / "python"
PATIENCE_SECONDS = 300.0
FIELDS = {"id", "status", "file", "sha256", "sample_rate", "duration_seconds", "chunks", "seconds", "error"}


class Heard:
    """What one run of a notebook has left, as a worker would find it."""

    def __init__(self, state: KernelState, log: str, errors: str, files: set[str], folder: Path) -> None:
        self.state = state
        self.log = log
        self.errors = errors
        self.files = files
        self.result: dict[str, Any] = {}
        if (folder / "result.json").exists():
            self.result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        self.entries: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in self.result.get("items", [])}
        self._folder = folder

    def failures(self) -> dict[str, str]:
        """What the items that failed are told, by id."""
        return {name: entry["error"] for name, entry in self.entries.items() if entry["status"] != "succeeded"}

    def spoken(self) -> set[str]:
        """The ids of the items that succeeded."""
        return set(self.entries) - set(self.failures())

    def wav(self, name: str) -> bytes:
        """The whole file of an item."""
        return (self._folder / f"{name}.wav").read_bytes()

    def samples(self, name: str) -> memoryview:
        """Its samples, each 16 bits."""
        with wave.open(str(self._folder / f"{name}.wav")) as file:
            return memoryview(file.readframes(file.getnframes())).cast("h")

    def seconds(self, name: str) -> float:
        """How long result.json says that it is."""
        return float(self.entries[name]["duration_seconds"])

    def progress(self) -> list[dict[str, Any]]:
        """Every line of progress."""
        return [json.loads(line[8:]) for line in self.log.splitlines() if line.startswith("::kavox ")]

    def check(self, name: str, sample_rate: int = 24000) -> None:
        """Asserts that an item's wav is what result.json says of it, mono PCM_16, and audible."""
        entry = self.entries[name]
        assert set(entry) == FIELDS
        assert (entry["status"], entry["file"], entry["error"]) == ("succeeded", f"{name}.wav", None)
        assert entry["sha256"] == hashlib.sha256(self.wav(name)).hexdigest()
        with wave.open(str(self._folder / entry["file"])) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, sample_rate)
            assert entry["sample_rate"] == sample_rate
            assert entry["duration_seconds"] == file.getnframes() / sample_rate
        assert max(self.samples(name)) > 300


class Stage:
    """An emulator, its inputs, and a host to reach it by."""

    def __init__(self, folder: Path, python_path: Sequence[Path] = ()) -> None:
        self.inputs = folder / "inputs"
        self.inputs.mkdir(parents=True)
        self._folder = folder
        python = folder / "python"
        # One thread: tiny networks gain nothing from more, and wait for each other on a busy machine.
        variables = f'PYTHONPATH="{":".join(map(str, python_path))}" OMP_NUM_THREADS=1'
        python.write_text(f'#!/bin/sh\n{variables} exec "{PYTHON}" "$@"\n')
        python.chmod(0o755)
        options = {"python": python, "input-dir": self.inputs}
        self.emulator = Emulator(folder / "emulator", options).start()
        self.host = KaggleHost(
            name="emulator",
            credentials=KaggleCredentials(username=OWNER, key=KEY),
            owner=None,
            metadata=load_kernel_metadata(NOTEBOOKS),
            timeout_seconds=30,
            url=self.emulator.url,
        )

    def close(self) -> None:
        """Ends the emulator."""
        self.emulator.stop()

    def make(self, generator: str) -> None:
        """Puts the checkpoints of `tests/engines/<generator>.py` among the inputs, once."""
        made = self._folder / f"{generator}.made"
        if not made.exists():
            subprocess.run([PYTHON, HERE / f"{generator}.py", self.inputs], check=True, timeout=PATIENCE_SECONDS)
            made.touch()

    def add(self, name: str, content: bytes) -> dict[str, str]:
        """Puts a file among the inputs; its name and sum, as a reference to it needs them."""
        (self.inputs / name).write_bytes(content)
        return {"file": name, "sha256": hashlib.sha256(content).hexdigest()}

    def perform(self, provider: str, items: Sequence[Mapping[str, Any]], **run: Any) -> Heard:
        """Pushes the provider's notebook with these items, waits for its end, and fetches what it left."""
        run_id = new_id()
        told = {"run_id": run_id, "provider": provider, "device": "cpu", "install": False, **run, "items": items}
        source = inject(NOTEBOOKS / f"{provider}.ipynb", told)
        kernel = self.host.push(Push(f"kavox-{run_id}", source, gpu=False, machine_shape=None, timeout_seconds=3600))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (status := self.host.status(kernel)).state.ended:
            assert time.monotonic() < deadline, "the notebook does not end"
            time.sleep(0.2)
        records = self.host.log(kernel)
        log, errors = ("".join(one.text for one in records if one.stream == name) for name in ("stdout", "stderr"))

        folder = self._folder / run_id
        folder.mkdir()
        self.host.download(kernel, {"result.json"}, folder)
        files = {file.file_name for file in self.emulator.outputs(kernel.slug).files or []}
        files.discard("__notebook__.ipynb")  # papermill's
        heard = Heard(status.state, log, errors, files, folder)
        self.host.download(kernel, {f"{name}.wav" for name in heard.spoken()}, folder)
        return heard
