"""A provider's notebook performed once by the local host, as a worker would have it done, and what it has left."""

import hashlib
import json
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.kernel import Push
from workers.local import LocalHost
from workers.notebook import inject

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FIELDS = {"id", "status", "file", "sha256", "sample_rate", "duration_seconds", "chunks", "seconds", "error"}


def an_item(item_id: str, *chunks: str, voice: str, language: str = "en", **changes: Any) -> dict[str, Any]:
    """One item of RUN."""
    item = {"id": item_id, "chunks": list(chunks), "voice": voice, "language": language}
    return item | {"seed": None, "options": {}, "reference": None} | changes


class LocalRun:
    """`result` is result.json, None when there is none; `entries` are its items by id, `wavs` the files by item."""

    def __init__(
        self,
        folder: Path,
        provider: str,
        model: str,
        items: Sequence[Mapping[str, Any]],
        environment: Sequence[str] = (),
        device: str = "cpu",
    ) -> None:
        run = {"run_id": "run-1", "provider": provider, "model": model, "device": device, "install": False}
        source = inject(NOTEBOOKS / f"{provider}.ipynb", {**run, "items": items})
        host = LocalHost(folder / "kernels")
        push = Push("kavox-run-1", source, False, None, timeout_seconds=500, environment=environment)
        kernel = host.push(push)
        self.log = "".join(record.text for record in host.stream_log(kernel) if record.stream == "stdout")
        self.status = host.status(kernel)
        self.directory = folder / "kernels" / kernel.slug
        self.files = {path.name for path in (self.directory / "work").iterdir()}
        result = self.directory / "work" / "result.json"
        self.result: dict[str, Any] | None = json.loads(result.read_text()) if result.exists() else None
        self.entries: dict[str, dict[str, Any]] = {one["id"]: one for one in (self.result or {"items": []})["items"]}

    def failures(self) -> dict[str, str]:
        """What is said of the items that failed, by id."""
        return {name: entry["error"] for name, entry in self.entries.items() if entry["status"] == "failed"}

    def samples(self, name: str) -> memoryview:
        """The item's samples, 16 bits each, after checking that its file is what result.json says of it."""
        entry = self.entries[name]
        path = self.directory / "work" / f"{name}.wav"
        assert set(entry) == FIELDS
        assert (entry["status"], entry["file"], entry["error"]) == ("succeeded", path.name, None)
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
            assert (entry["sample_rate"], entry["duration_seconds"]) == (24000, file.getnframes() / 24000)
            return memoryview(file.readframes(file.getnframes())).cast("h")
