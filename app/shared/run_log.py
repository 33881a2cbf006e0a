"""The log of a run as it is kept, and which of its lines the caller of one of its jobs may read.

A run may carry jobs of several callers. Until its first item, the log is about installing and loading, and everybody's;
after that an error may quote a text, so each caller sees only the lines that name the own job. A line that names
another job is never shown. The jobs of a single caller have no secrets from each other.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self


def log_name(run_id: str) -> str:
    """The name under which a run's log is kept in the audio store."""
    return f"logs/{run_id}.json"


@dataclass(frozen=True)
class LogLine:
    """One line: `time` in seconds since the session's start, `jobs` those of the run that it names.

    `common`: it was written before the first item.
    """

    time: float
    stream: str
    text: str
    jobs: Sequence[str] = ()
    common: bool = False


@dataclass(frozen=True)
class RunLog:
    """`shared`: the run's jobs have several callers. `complete`: nothing was cut out, and the host gave all of it."""

    run: str
    shared: bool
    complete: bool
    lines: Sequence[LogLine]

    def lines_for(self, job_id: str) -> list[LogLine]:
        """The lines that the job's caller may read."""
        if not self.shared:
            return list(self.lines)
        return [
            line for line in self.lines if (line.jobs and set(line.jobs) == {job_id}) or (line.common and not line.jobs)
        ]

    def to_bytes(self) -> bytes:
        """The log as it is stored."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """The log from what is stored."""
        fields: dict[str, Any] = json.loads(stored)
        return cls(**{**fields, "lines": [LogLine(**line) for line in fields["lines"]]})
