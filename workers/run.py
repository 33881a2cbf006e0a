"""A run: one execution of a notebook that carries one or more jobs, and the steps that are written down on its way.

    CLAIMED ──► PUSHING ──► PUSHED ──► ENDED ──► closed
       ▲ inject    push │      follow     publish
       └────────────────┘ the host certainly refused

Whoever owns the run's lease goes on from the recorded step, whatever became of the worker before.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from app.shared.quota import RUN_KINDS
from workers.kernel import Kernel

# Kaggle ends every session after twelve hours.
LONGEST_SESSION_SECONDS = 12 * 3600
# KAVOX_RUN_TIMEOUT_MINUTES is for so much speech, which is as much as a shared run carries by default.
_TIMED_SPEECH_SECONDS = 900

# The kinds of open runs that are limited apart; those that have ended hold no machine any more.
ENDED = "ended"
SESSIONS = (*RUN_KINDS, ENDED)


class Step(StrEnum):
    """What is known to have happened."""

    CLAIMED = "claimed"  # the jobs belong to the run; nothing has left this machine
    PUSHING = "pushing"  # a push was about to be made: the kernel may or may not exist
    PUSHED = "pushed"  # the host has accepted the kernel
    ENDED = "ended"  # the kernel's session is over; its outputs are still to be fetched


@dataclass(frozen=True)
class Run:
    """One run. Times are seconds since 1970, UTC; `fence` grows with each new owner.

    `failures`: how many attempts in a row led to nothing, those of its lane before it was pushed included; `defects`:
    how many of them were Kavox's own fault. `gpu`: on a GPU of Kaggle's; `own_gpu`: on whatever GPU its machine has.
    `speech_seconds` is what its jobs were estimated at, and sets its deadline.
    `machine` names the only place that can go on with it, for a run of the local host; it is empty for all others.
    `billed` are the GPU seconds that were put down for it.
    """

    id: str
    lane: str
    provider: str
    model: str
    host: str
    gpu: bool
    prefix: str
    machine: str
    jobs: Sequence[str]
    created_at: float
    own_gpu: bool = False
    speech_seconds: float = 0.0
    step: Step = Step.CLAIMED
    fence: int = 1
    failures: int = 0
    defects: int = 0
    retry_at: float = 0.0
    pushing_at: float = 0.0
    pushed_at: float = 0.0
    running_at: float = 0.0
    ended_at: float = 0.0
    billed: float = 0.0
    version: int = 0
    ref: str = ""
    url: str = ""
    private: bool = False
    notebook_sha256: str = ""
    outcome: str = ""
    failure_message: str = ""

    def timeout_seconds(self, minutes: float) -> float:
        """Its deadline from its first RUNNING, where `minutes` are those of an ordinary run.

        A longer text runs alone and has as much more time, or no second attempt could do better either.
        """
        return min(LONGEST_SESSION_SECONDS, minutes * 60 * max(1.0, self.speech_seconds / _TIMED_SPEECH_SECONDS))

    @property
    def sessions(self) -> str:
        """Which of the limits it counts against."""
        return "gpu" if self.gpu else "own_gpu" if self.own_gpu else "cpu"

    @property
    def slug(self) -> str:
        """The kernel's slug: fresh for every run, and found again from the run's id alone."""
        return f"{self.prefix}-{self.id}"

    @property
    def kernel(self) -> Kernel:
        """The kernel that it was pushed to."""
        return Kernel(slug=self.slug, version=self.version, ref=self.ref, url=self.url, private=self.private)

    def with_fields(self, **fields: Any) -> Self:
        """The run with some fields changed."""
        return replace(self, **fields)

    def view(self, engine: str) -> dict[str, Any]:
        """What a job shows of its run."""
        return {
            "id": self.id,
            "host": self.host,
            "kernel": self.ref or None,
            "version": self.version or None,
            "url": self.url or None,
            "engine": engine,
            "notebook_sha256": self.notebook_sha256 or None,
        }

    def to_fields(self) -> dict[str, str]:
        """The run as the fields of a Redis hash."""
        return stored(**asdict(self))

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> Self:
        """The run from the fields of its Redis hash."""
        values = {name: json.loads(value) for name, value in fields.items()}
        values["step"] = Step(values["step"])
        return cls(**values)


def stored(**fields: object) -> dict[str, str]:
    """Some of a run's fields as they are stored."""
    return {name: json.dumps(value) for name, value in fields.items()}
