"""What a run needs of a place that executes notebooks: the states of a kernel and the KernelHost protocol.

`workers/kaggle.py` (Kaggle and its emulator) and `workers/local.py` (this machine) implement it; `workers/synthesis.py`
knows nothing but this file. Every method has a time-out of its own, and all but `push` may be called again at any time
with the same outcome.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class KernelState(Enum):
    """Where a kernel's session stands.

    QUEUED ──► RUNNING ──► COMPLETE
                  ├──────► ERROR
                  └──────► CANCELED
    """

    QUEUED = "queued"  # accepted, waits for a machine
    RUNNING = "running"  # its cells are being executed, or its outputs are being saved
    COMPLETE = "complete"  # every cell ran; says nothing about the audio
    ERROR = "error"  # a cell raised, or the session died; outputs may still be there
    CANCELED = "canceled"  # stopped by a person, a time-out or the host's limit; outputs may still be there
    UNREADABLE = "unreadable"  # the host answered something that says nothing; ask again, never an end

    @property
    def ended(self) -> bool:
        return self in {KernelState.COMPLETE, KernelState.ERROR, KernelState.CANCELED}


@dataclass(frozen=True)
class Push:
    """One notebook on its way to a host.

    `slug` is fresh for each run and derives from the run's id; `notebook` is the whole source as nbformat JSON.
    `environment` names variables of this process that the notebook may see; only the local host has a use for them.
    Its inputs are `datasets` (owner/slug) on Kaggle, and on the local host files by the name that they shall have.
    `not_after` is a moment of `time.monotonic()`: a host hands nothing over later, because a worker that was frozen may
    by then have been succeeded by another, which has looked for the kernel in vain and pushed it itself.
    """

    slug: str
    notebook: str
    gpu: bool
    machine_shape: str | None
    timeout_seconds: int
    environment: Collection[str] = ()
    datasets: Sequence[str] = ()
    references: Mapping[str, Path] = field(default_factory=dict)
    not_after: float = math.inf


@dataclass(frozen=True)
class Kernel:
    """A kernel that a host has accepted. `private` is None where the host's answer did not say."""

    slug: str
    version: int
    ref: str
    url: str
    private: bool | None = None


@dataclass(frozen=True)
class KernelStatus:
    """One reading of a kernel's session.

    `message` is the host's own failure text, often empty; `retry_after` how many seconds it wants to be left alone for.
    """

    state: KernelState
    message: str = ""
    retry_after: float | None = None


@dataclass(frozen=True)
class LogRecord:
    """One piece of a session's log: `stream` is stdout or stderr, `time` seconds since the session's start."""

    stream: str
    time: float
    text: str


class KernelHost(Protocol):
    """A place that executes notebooks. Errors are those of `app.shared.errors`."""

    name: str

    def push(self, push: Push) -> Kernel:
        """Hands the notebook over.

        Raises PushUncertain when it may have been accepted all the same; SessionsTaken, QuotaExhausted, PushRefused
        or CredentialsRejected when it certainly was not; HostUnreachable when it never left.
        """

    def find(self, slug: str) -> Kernel | None:
        """The kernel with this slug, or None when every way of looking denies it. Raises HostUnreachable."""

    def slugs(self, prefix: str) -> set[str]:
        """The slugs of all kernels here that begin so. Raises HostUnreachable."""

    def status(self, kernel: Kernel) -> KernelStatus:
        """The state of this version's session; UNREADABLE instead of an exception for what makes no sense."""

    def stream_log(self, kernel: Kernel) -> Iterator[LogRecord]:
        """The log as it is written, from its start; ends when the session or the connection does."""

    def log(self, kernel: Kernel) -> list[LogRecord]:
        """The log of an ended session; empty when there is none."""

    def download(self, kernel: Kernel, names: Collection[str], directory: Path) -> set[str]:
        """Fetches the named output files into `directory`, whole or not at all; returns the names that were there.

        Raises HostUnreachable when any of them could not be fetched; the others may be in the directory all the same.
        """

    def delete(self, slug: str) -> None:
        """Removes the kernel, which also ends its session; done when it is not there. Raises HostUnreachable."""
