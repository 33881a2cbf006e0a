"""What has come of a batch so far: NAME.manifest.jsonl beside its audio, a line for each text that was done or failed.

It is only ever appended to, so a killed command leaves at most half a line. The last line of a number counts.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.commands.batch_file import Item


class Record:
    """The manifest of one batch. Raises OSError when it cannot be written."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder, self._stem = folder, stem
        self._path = folder / f"{stem}.manifest.jsonl"
        self._known = self._read()

    def is_done(self, item: Item) -> bool:
        """Whether the audio of this very request is there, unchanged."""
        entry = self._known.get(item.number, {})
        if entry.get("request") != item.digest or entry.get("status") != "succeeded":
            return False
        try:
            content = (self._folder / item.file_name(self._stem)).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == entry.get("sha256")

    def entry(self, item: Item) -> Mapping[str, Any]:
        """What is known of an item."""
        return self._known.get(item.number, {})

    def note(self, item: Item, **outcome: Any) -> None:
        """Writes down what has become of an item."""
        entry = {
            "number": item.number,
            "file": item.file_name(self._stem),
            **outcome,
            "text": item.request["text"],
            "request": item.digest,
        }
        self._known[item.number] = entry
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _read(self) -> dict[int, Mapping[str, Any]]:
        try:
            content = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return {}
        if content and not content.endswith("\n"):
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n")
        known: dict[int, Mapping[str, Any]] = {}
        for line in content.split("\n"):
            try:
                entry = json.loads(line)
                known[int(entry["number"])] = entry
            except (ValueError, TypeError, KeyError):
                continue
        return known
