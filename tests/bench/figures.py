"""What one measurement came to. Seconds are Kaggle's."""

import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Session:
    """One session, as the emulator's books have it; moments are this machine's, in epoch seconds."""

    slug: str
    pushed_at: float
    started_at: float
    ended_at: float
    length: float

    @property
    def late(self) -> float:
        """By how much more it lasted than it stated: the notebook was not done in time. This machine's seconds."""
        return self.ended_at - self.started_at - self.length


@dataclass(frozen=True)
class Figures:
    """`waits` are from the POST to the audio; `seconds` from the first of them to the last audio."""

    jobs: int
    seconds: float
    gpu_seconds: float
    waits: Sequence[float]
    sessions: Sequence[Session] = ()
    publishing: Sequence[float] = ()
    """For each session, from its end to its last audio."""

    @property
    def jobs_per_hour(self) -> float:
        return self.jobs * 3600 / self.seconds

    @property
    def gpu_seconds_per_job(self) -> float:
        return self.gpu_seconds / self.jobs

    @property
    def median_wait(self) -> float:
        return statistics.median(self.waits)

    @property
    def long_wait(self) -> float:
        """What nineteen of twenty jobs do not wait for."""
        return percentile(self.waits, 0.95)

    @property
    def overrun(self) -> float:
        """The most by which a session was late, in this machine's seconds."""
        return max((session.late for session in self.sessions), default=0.0)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not pass."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def read_sessions(data_dir: Path) -> list[Session]:
    """The ended sessions of the emulator with this data directory, in the order of their pushes."""
    db = sqlite3.connect(f"file:{data_dir / 'emulator.sqlite3'}?mode=ro", uri=True)
    try:
        rows = db.execute(
            "SELECT slug, pushed_at, started_at, ended_at, length_seconds FROM kernels"
            " JOIN sessions ON sessions.kernel_id = kernels.id WHERE ended_at IS NOT NULL ORDER BY sessions.id"
        )
        return [Session(*row) for row in rows]
    finally:
        db.close()
