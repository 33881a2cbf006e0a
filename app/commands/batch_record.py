"""What has come of a batch so far: NAME.manifest.jsonl beside its audio, a line for each text that was done or failed.

It is only ever appended to, so a killed command leaves at most half a line. The last line of a number counts.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.commands.batch_file import Item
from app.exit_codes import WrongUsage

# What JSON leaves as it is, and some programs take for the end of a line.
_LINE_ENDS = {ord(sign): json.dumps(sign)[1:-1] for sign in "\x85\u2028\u2029"}


class Record:
    """The manifest of one batch. Raises WrongUsage when it cannot be read or written."""

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
        self._append(json.dumps(entry, ensure_ascii=False).translate(_LINE_ENDS))

    def _append(self, line: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            again = "the same command goes on where this one ended"
            raise WrongUsage(f"{self._path} cannot be written: {error.strerror}; {again}") from None

    def _read(self) -> dict[int, Mapping[str, Any]]:
        try:
            content = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise WrongUsage(f"{self._path} cannot be read: {error.strerror}") from None
        if content and not content.endswith("\n"):
            self._append("")
        known: dict[int, Mapping[str, Any]] = {}
        for line in content.split("\n"):
            try:
                entry = json.loads(line)
                known[int(entry["number"])] = entry
            except (ValueError, TypeError, KeyError):
                continue
        return known
