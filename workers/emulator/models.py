"""What the emulator remembers: kernels, and one session for each of their versions."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Status(Enum):
    """States of a session, by the names that Kaggle sends (kagglesdk `KernelWorkerStatus`).

    QUEUED ──► RUNNING ──► COMPLETE
       │          ├──────► ERROR
       └──────────┴──────► CANCEL_ACKNOWLEDGED

    Only a script shows the two others: NEW_SCRIPT before QUEUED, CANCEL_REQUESTED before CANCEL_ACKNOWLEDGED.
    """

    QUEUED = "QUEUED"  # accepted, waits for its machine
    RUNNING = "RUNNING"  # boots, executes its cells, or saves its outputs
    COMPLETE = "COMPLETE"  # every cell ran
    ERROR = "ERROR"  # a cell raised, or the session died
    CANCEL_ACKNOWLEDGED = "CANCEL_ACKNOWLEDGED"  # timed out, or its kernel was deleted
    NEW_SCRIPT = "NEW_SCRIPT"  # saved, not queued yet
    CANCEL_REQUESTED = "CANCEL_REQUESTED"  # still saves its outputs


@dataclass(frozen=True)
class Kernel:
    """A notebook at an address; moments are epoch seconds."""

    id: int
    slug: str
    title: str
    created_at: float
    deleted_at: float | None


@dataclass(frozen=True)
class Session:
    """The run of one version of a kernel; moments are epoch seconds.

    `settings` is the push as it came, without the source. The clock's values are those of the time of the push, so that
    a restart with other options changes no session under way. A `scripted` one executes nothing (scripts.py).
    """

    id: int
    kernel_id: int
    version: int
    settings: dict[str, Any]
    gpu: bool
    pushed_at: float
    launch_at: float
    boot_seconds: float
    tail_seconds: float
    time_scale: float
    limit_seconds: float
    started_at: float | None = None
    ended_at: float | None = None
    outcome: Status | None = None
    length_seconds: float = 0.0
    scripted: bool = False

    @property
    def status(self) -> Status:
        if self.outcome is not None:
            return self.outcome
        return Status.QUEUED if self.started_at is None else Status.RUNNING

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    def seconds(self, now: float) -> float:
        """How long the session has held its machine, by the emulated clock."""
        if self.started_at is None:
            return 0.0
        return self.length_seconds if self.ended else max(0.0, now - self.started_at)
