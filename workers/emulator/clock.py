"""How long things take: the session clock, and Kaggle's week.

A session is QUEUED for `queue_seconds`, then RUNNING for boot + work + tail, where work is the cells' own time times
`time_scale`. The time that papermill and the kernel need to start falls into boot and is billed only as far as
boot says. On Kaggle boot takes 11-13 s and the tail 6-10 s (public run logs of 2026-02).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MAX_SESSION_SECONDS = 12 * 3600
"""Kaggle ends a CPU or GPU session after 12 hours."""

SATURDAY = 5


@dataclass(frozen=True)
class Clock:
    """Seconds that a session of this emulator spends around and in its cells."""

    queue_seconds: float = 0.0
    boot_seconds: float = 0.0
    tail_seconds: float = 0.0
    time_scale: float = 1.0


def week_start(now: float) -> float:
    """The last time, in epoch seconds, that the weekly accelerator quota was refreshed: Saturday 00:00 UTC."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today - timedelta(days=(today.weekday() - SATURDAY) % 7)).timestamp()


def week_end(now: float) -> float:
    """The next refresh of the weekly accelerator quota, in epoch seconds."""
    return week_start(now) + timedelta(days=7).total_seconds()


def iso(moment: float) -> str:
    """Epoch seconds as Kaggle writes a moment: UTC with milliseconds and a Z."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
