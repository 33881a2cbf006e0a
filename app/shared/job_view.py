"""A job as its caller sees it, over HTTP and in webhooks. Times are ISO 8601 in UTC, durations seconds, sizes bytes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from app.shared.job import Job, JobStatus, Phase
from app.shared.job_store import Standing


class Waiting(BaseModel):
    """Why a job waits, and until when if that is known."""

    code: str
    detail: str
    retry_at: datetime | None = None


class JobError(BaseModel):
    """Why a job failed; `retryable` says whether the same request may succeed later."""

    code: str
    detail: str
    retryable: bool


class WavView(BaseModel):
    """The wav that was checked, from which other formats are made."""

    sample_rate: int
    bytes: int
    sha256: str


class AudioView(BaseModel):
    """The finished audio, in the format that the request named, and what was checked about it."""

    url: str
    format: str
    duration_seconds: float
    sample_rate: int
    bytes: int
    sha256: str
    checks: dict[str, Any]
    wav: WavView | None = Field(None, description="What it was made from; null where it is the wav itself.")


class RunView(BaseModel):
    """The notebook run that carried the job; `host` tells Kaggle's audio from the emulator's and this machine's."""

    id: str
    host: str
    kernel: str | None = None
    version: int | None = None
    url: str | None = None
    engine: str | None = None
    notebook_sha256: str | None = None


class Urls(BaseModel):
    """Where a job, its audio, its run's log and its captions are."""

    self: str
    audio: str
    logs: str
    captions: str


class WebhookView(BaseModel):
    """Who is told of a job, and of what."""

    url: str
    events: Sequence[str]


class JobView(BaseModel):
    """A job and how far it has come."""

    id: str
    status: JobStatus
    phase: str | None = Field(description="What is being done, until the job has ended.")
    provider: str
    model: str
    voice: str | None = Field(description="null where an option describes the voice.")
    language: str
    format: str
    gpu: bool
    seed: int | None
    options: dict[str, Any]
    priority: str
    characters: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: float
    position: int | None = Field(description="How many jobs of its lane are older or more urgent, while it waits.")
    eta_seconds: float | None = Field(description="Seconds until its end, learnt from runs before; null if unknown.")
    warnings: Sequence[str]
    waiting: Waiting | None
    error: JobError | None
    audio: AudioView | None
    batch: str | None = Field(description="The batch that it came with.")
    cached: bool = Field(description="Its audio was made for an earlier or simultaneous job of yours.")
    run: RunView | None
    gpu_seconds: float | None = Field(description="The job's share of its runs' GPU time; null until a run has ended.")
    metadata: dict[str, Any]
    webhook: WebhookView | None
    urls: Urls


_PHASES = frozenset(Phase)


def job_path(job_id: str) -> str:
    """Where a job is."""
    return f"/jobs/{job_id}"


def job_view(job: Job, standing: Standing) -> dict[str, Any]:
    """The job as its caller sees it, in the form of JobView; the text itself is not repeated.

    It is no JobView, because checking and serialising it as a model would take longer than reading the job.
    """
    speech, path = job.speech, job_path(job.id)
    waiting = standing.waiting if job.status is JobStatus.QUEUED else job.waiting
    return {
        "id": job.id,
        "status": job.status,
        "phase": None if job.status.terminal else _phase(job, waiting),
        "provider": speech.provider,
        "model": speech.model,
        "voice": speech.voice,
        "language": speech.language,
        "format": speech.format,
        "gpu": speech.gpu,
        "seed": speech.seed,
        "options": speech.options,
        "priority": speech.priority,
        "characters": len(speech.text),
        "created_at": time_of(job.created_at),
        "started_at": time_or_none(job.started_at),
        "finished_at": time_or_none(job.finished_at),
        "progress": float(job.progress if standing.progress is None else standing.progress),
        "position": standing.position,
        "eta_seconds": standing.eta_seconds,
        "warnings": speech.warnings,
        "waiting": waiting and {**_shown(waiting, Waiting), "retry_at": time_or_none(waiting.get("retry_at"))},
        "error": job.error and _shown(job.error, JobError),
        "audio": job.audio and {**_shown(job.audio, AudioView), "url": f"{path}/audio"},
        "batch": job.batch or None,
        "cached": job.cached,
        "run": job.run and _shown(job.run, RunView),
        "gpu_seconds": _gpu_seconds(job),
        "metadata": speech.metadata,
        "webhook": job.webhook and _shown(job.webhook, WebhookView),
        "urls": {"self": path, "audio": f"{path}/audio", "logs": f"{path}/logs", "captions": f"{path}/captions"},
    }


def _shown(stored: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The fields of the model; what else is stored is not for the caller."""
    return {name: stored.get(name) for name in model.model_fields}


def _phase(job: Job, waiting: dict[str, Any] | None) -> Phase:
    """What is being done; of a job that waits, what it waits for."""
    if job.status is JobStatus.QUEUED and waiting and waiting["code"] in _PHASES:
        return Phase(waiting["code"])
    return job.phase


def _gpu_seconds(job: Job) -> float | None:
    if job.speech.gpu and not job.gpu_seconds and not job.status.terminal:
        return None
    return round(job.gpu_seconds, 3)


def time_or_none(seconds: float | None) -> datetime | None:
    """The same for what may not have happened yet."""
    return None if seconds is None else time_of(seconds)


def time_of(seconds: float) -> datetime:
    """As answers tell it."""
    return datetime.fromtimestamp(seconds, UTC)
