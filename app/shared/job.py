"""A job: one request for speech, its states and what may follow what.

    queued ──► running ──► succeeded
      │  ▲        │ ├────► failed
      │  └────────┘ └────► canceling ──► canceled
      └──► canceled, failed, succeeded

A run that could not start, or that was lost, puts its jobs back to `queued`. A job that shares another one's synthesis
stays `queued` until that one has ended. Nothing follows a terminal state.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field
from dataclasses import fields as fields_of
from enum import StrEnum
from typing import Any

import orjson

MAX_SOURCE_BYTES = 700_000
"""Kaggle takes notebooks of less than 1,000,000 bytes; the template and the JSON around the items need some of it."""


class JobStatus(StrEnum):
    """The coarse state that programs branch on."""

    QUEUED = "queued"  # in its lane; may be cancelled at once
    RUNNING = "running"  # part of a run
    CANCELING = "canceling"  # to be stopped; the host has not confirmed yet
    SUCCEEDED = "succeeded"  # the audio is published
    FAILED = "failed"  # `error` says why
    CANCELED = "canceled"  # stopped at the caller's wish

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED})

# What each state may come from. The store's scripts hold every change to it.
SOURCES: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING}),
    JobStatus.RUNNING: frozenset({JobStatus.QUEUED}),
    JobStatus.CANCELING: frozenset({JobStatus.RUNNING}),
    JobStatus.SUCCEEDED: frozenset({JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.CANCELING}),
    JobStatus.FAILED: frozenset({JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.CANCELING}),
    JobStatus.CANCELED: frozenset({JobStatus.QUEUED, JobStatus.CANCELING}),
}


class Phase(StrEnum):
    """The fine grain, for people."""

    WAITING = "waiting"
    WAITING_FOR_SESSION = "waiting_for_session"
    WAITING_FOR_QUOTA = "waiting_for_quota"
    PUSHING = "pushing"
    KERNEL_QUEUED = "kernel_queued"
    INSTALLING = "installing"
    LOADING = "loading"
    SYNTHESIZING = "synthesizing"
    DOWNLOADING = "downloading"
    CHECKING = "checking"


PRIORITY_STEP_SECONDS = 3600


class Priority(StrEnum):
    """How a job stands against the others."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def head_start_seconds(self) -> int:
        """Counted as if the job had come so much earlier, so that it overtakes and yet nobody waits for ever."""
        return {Priority.LOW: -1, Priority.NORMAL: 0, Priority.HIGH: 1}[self] * PRIORITY_STEP_SECONDS


@dataclass(frozen=True)
class Speech:
    """What is to be spoken, and where: decided when the job is accepted, never changed afterwards.

    `voice` is None where an option stands for one. `reference` is the recording of a cloned voice, with the fields
    voice, file, sha256 and transcript.
    """

    text: str
    provider: str
    model: str
    voice: str | None
    language: str
    host: str
    gpu: bool
    format: str = "wav"
    seed: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    estimated_seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    reference: dict[str, Any] | None = None

    @property
    def lane(self) -> str:
        """Jobs of one lane may share a run."""
        return f"{self.provider}:{self.model}:{self.host}"


@dataclass(frozen=True)
class Job:
    """One request for speech and how far it has come. Times are seconds since 1970, UTC.

    `fallback` is what is spoken instead, on a worker's own machine, when there is no GPU quota for `speech`.
    `phase_at` is when it entered its phase, None while that is the first one. `attempts` are the runs with a machine
    that it was part of; `failures` counts how often it failed alone. Jobs of one `group` share a run with each other
    and with nobody else: a part of a run that failed as a whole. `result_key` is the same for jobs that one synthesis
    can answer, '' where this one must have its own; `webhook` says who is told of it (`webhook.py`). `follows` is the
    id of the job whose synthesis it waits for, or of the kept speech that it is to be given, and `cached` says that its
    audio was made for another job. `batch` is the id of the batch that it came with, '' for one that came alone.
    """

    id: str
    caller: str
    created_at: float
    speech: Speech
    fallback: Speech | None = None
    deadline: float = math.inf
    status: JobStatus = JobStatus.QUEUED
    phase: Phase = Phase.WAITING
    phase_at: float | None = None
    progress: float = 0.0
    attempts: int = 0
    failures: int = 0
    gpu_seconds: float = 0.0
    group: str = ""
    result_key: str = ""
    webhook: dict[str, Any] | None = None
    follows: str = ""
    batch: str = ""
    cached: bool = False
    started_at: float | None = None
    finished_at: float | None = None
    waiting: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None
    run: dict[str, Any] | None = None

    @property
    def answered_at_once(self) -> bool:
        """Whether it had its audio when it was accepted."""
        return self.cached and not self.follows

    @property
    def lane_score(self) -> float:
        """Its place among its caller's jobs: smaller is sooner."""
        return self.created_at - self.speech.priority.head_start_seconds

    @property
    def fingerprint(self) -> str:
        """The same for two jobs of one caller that would be spoken alike."""
        spoken = [
            speech and asdict(speech) | {"metadata": None, "warnings": None, "priority": None}
            for speech in (self.speech, self.fallback)
        ]
        return hashlib.sha256(json.dumps([self.caller, *spoken], sort_keys=True).encode()).hexdigest()

    @property
    def source_bytes(self) -> int:
        """How many bytes it takes in the notebook's source."""
        return source_bytes([self.speech.text, self.speech.options, self.speech.reference]) + 300


def source_bytes(carried: object) -> int:
    """How many bytes something takes in a notebook's source, where it is JSON inside a string inside JSON."""
    carried_json = json.dumps(carried)
    # Each time it becomes a string, it gets two quotes, and a backslash before each quote and backslash.
    return len(carried_json) + 6 + 3 * (carried_json.count('"') + carried_json.count("\\"))


_STORED_AS_JSON = frozenset(
    {
        "deadline", "phase_at", "progress", "attempts", "failures", "gpu_seconds", "group", "started_at", "finished_at",
        "waiting", "error", "audio", "run", "cached", "webhook",
    }
)  # fmt: skip

_STORED_AS_IT_IS = ("result_key", "follows", "batch")
_ACCEPTED_WITH = frozenset({"deadline", "webhook"})

# Infinity is no JSON.
_READ_AS_JSON = _STORED_AS_JSON - {"deadline"}

SPENT_FIELDS = ("lane", "score", "source_bytes", "deadline", "phase", "phase_at", "group", "waiting", "attempts")
"""What a job that has ended needs no longer: it is kept for weeks, and Redis keeps it in memory."""


def to_fields(job: Job) -> dict[str, str]:
    """The job as the fields of a Redis hash; `phase` and `progress` can so be changed without reading the text.

    What is as in a new job is left out, save what the scripts read.
    """
    told = {name: getattr(job, name) for name in _STORED_AS_JSON if getattr(job, name) != _NEW_JOB[name]}
    return {
        "id": job.id,
        "caller": job.caller,
        "created_at": repr(job.created_at),
        **speech_fields(job),
        **({} if job.fallback is None else {"fallback": _stored(job.fallback)}),
        **{name: value for name in _STORED_AS_IT_IS if (value := getattr(job, name))},
        **change(status=job.status, phase=job.phase, **{**told, "deadline": job.deadline}),
    }


def speech_fields(job: Job) -> dict[str, str]:
    """What is stored of the job's speech, and of its place in a lane."""
    return {
        "lane": job.speech.lane,
        "score": repr(job.lane_score),
        "seconds": repr(job.speech.estimated_seconds),
        "source_bytes": str(job.source_bytes),
        "speech": _stored(job.speech),
    }


def change(**fields: object) -> dict[str, str]:
    """Some of a job's changeable fields as they are stored."""
    return {name: _json(value) if name in _STORED_AS_JSON else str(value) for name, value in fields.items()}


def _json(value: object) -> str:
    # orjson has no Infinity, which a deadline may be.
    return orjson.dumps(value).decode() if value != math.inf else "Infinity"


def job_as_it_was(fields: Mapping[str, str], then: Mapping[str, str]) -> Job:
    """The job of this Redis hash at an earlier moment, when no other field than these had changed since it was new."""
    kept = {name: value for name, value in fields.items() if name not in _STORED_AS_JSON or name in _ACCEPTED_WITH}
    return from_fields({**kept, **then})


UNREADABLE = (KeyError, ValueError, TypeError)
"""What `from_fields` raises for a record that nobody of this version can have written."""


def from_fields(fields: Mapping[str, str]) -> Job:
    """The job from the fields of its Redis hash. Raises one of UNREADABLE."""
    return Job(
        id=fields["id"],
        caller=fields["caller"],
        created_at=float(fields["created_at"]),
        speech=_speech(fields["speech"]),
        fallback=_speech(fields["fallback"]) if "fallback" in fields else None,
        status=JobStatus(fields["status"]),
        phase=Phase(fields.get("phase", Phase.WAITING)),
        result_key=fields.get("result_key", ""),
        follows=fields.get("follows", ""),
        batch=fields.get("batch", ""),
        deadline=float(fields.get("deadline", math.inf)),
        **{name: orjson.loads(value) for name, value in fields.items() if name in _READ_AS_JSON},
    )


def _stored(speech: Speech) -> str:
    chosen = {name: value for name, value in vars(speech).items() if value != _USUAL_SPEECH.get(name, MISSING)}
    return orjson.dumps(chosen).decode()


def _speech(stored: str) -> Speech:
    speech = orjson.loads(stored)
    if "priority" in speech:
        speech["priority"] = Priority(speech["priority"])
    return Speech(**speech)


def _defaults(kind: type) -> dict[str, Any]:
    made = {each.name: each.default_factory() for each in fields_of(kind) if each.default_factory is not MISSING}
    return made | {each.name: each.default for each in fields_of(kind) if each.default is not MISSING}


_NEW_JOB, _USUAL_SPEECH = _defaults(Job), _defaults(Speech)
