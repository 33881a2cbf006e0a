"""A session's log: records {"stream_name", "time", "data"}, time in seconds since the session's start.

On disk a record is a line, so that it can be followed while it is written. Kaggle gives the log of an ended session as
the text of a JSON array, and that of a running one as server-sent events that end with END_OF_LOG
(kaggle_api_extended.py, `kernels_logs_stream`).
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

END_OF_LOG = b"data: END_OF_LOG\n\n"


class LogWriter:
    """Appends to the log of a session that started at `started_at` (epoch seconds), one record a line of text.

    `on_line` sees every line of stdout.
    """

    def __init__(self, path: Path, started_at: float, on_line: Callable[[str], None]) -> None:
        self._path = path
        self._started_at = started_at
        self._on_line = on_line
        self._partial: dict[str, str] = {}

    def write(self, stream: str, text: str) -> None:
        """Writes the whole lines of the text and keeps the rest for later: Kaggle's records end in a newline."""
        *lines, rest = (self._partial.get(stream, "") + text).split("\n")
        self._partial[stream] = rest
        self._append(stream, [line + "\n" for line in lines])

    def close(self) -> None:
        """Writes what never got its newline."""
        for stream, rest in self._partial.items():
            self._append(stream, [rest] if rest else [])
        self._partial.clear()

    def _append(self, stream: str, lines: list[str]) -> None:
        seconds = round(time.time() - self._started_at, 3)
        with self._path.open("a", encoding="utf-8") as file:
            for line in lines:
                file.write(json.dumps({"stream_name": stream, "time": seconds, "data": line}) + "\n")
                if stream == "stdout":
                    self._on_line(line)


def append_records(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Adds to a log what is not in it yet: `records` is all that should be there by now."""
    written = path.read_bytes().count(b"\n") if path.exists() else 0
    if written < len(records):
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records[written:])


class LogFollower:
    """Reads a growing log, whole records only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def events(self) -> list[bytes]:
        """The records since the last call as server-sent events.

        They are raw UTF-8 under a content type without a charset, the hardest case that Kaggle may be: whether it
        names a charset or escapes is not known.
        """
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        records = [json.loads(line) for line in whole.split(b"\n") if line]
        return [f"data: {json.dumps(record, ensure_ascii=False)}\n\n".encode() for record in records]


def log_text(path: Path) -> str:
    """The whole log in the layout of Kaggle's log files."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return "[" + "\n,".join(lines) + "\n]\n" if lines else "[]\n"
