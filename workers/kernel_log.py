"""What a kernel's log says: records out of Kaggle's two formats, and progress out of records.

A finished session's log is a JSON array of records; a running one's is a stream of server-sent events, which is read as
bytes because a client that guesses the charset cuts events in the middle of a character.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workers.kernel import LogRecord

_END = b"END_OF_LOG"
MARKER = "::kavox "
"""How a notebook's line of progress begins."""


@dataclass(frozen=True)
class Progress:
    """One progress line of a notebook. `seq` grows, so that a replayed or doubled line is known."""

    seq: int
    phase: str
    done: int = 0
    of: int = 0

    @property
    def fraction(self) -> float:
        """How much of the items is done, 0 to 1."""
        return min(1.0, self.done / self.of) if self.of else 0.0


def parse_array(text: str) -> list[LogRecord]:
    """The records of a finished session's log; none when it is empty or not a log."""
    try:
        entries = json.loads(text) if text.strip() else []
    except ValueError:
        return []
    return [record for entry in entries if (record := _record(entry))] if isinstance(entries, list) else []


def parse_events(pieces: Iterable[bytes]) -> Iterator[LogRecord]:
    """The records of a live stream, as soon as each is complete; ends at the end marker or where the stream is cut."""
    buffer = b""
    for piece in pieces:
        *lines, buffer = (buffer + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == _END:
                return
            if record := _record_from(data):
                yield record


def progress_in(record: LogRecord) -> Iterator[Progress]:
    """The progress lines in one record."""
    for line in record.text.splitlines():
        if not line.startswith(MARKER):
            continue
        try:
            values = json.loads(line[len(MARKER) :])
            yield Progress(
                int(values["seq"]), str(values["phase"]), int(values.get("done", 0)), int(values.get("of", 0))
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            continue


def _record_from(data: bytes) -> LogRecord | None:
    try:
        return _record(json.loads(data))
    except ValueError:
        return None


def _record(entry: object) -> LogRecord | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("data"), str):
        return None
    time = entry.get("time")
    return LogRecord(str(entry.get("stream_name", "stdout")), float(time) if time else 0.0, entry["data"])
