"""What requests and responses look like. Times are ISO 8601 in UTC, durations seconds, sizes bytes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.shared.audio_formats import FORMATS
from app.shared.job import Job, JobStatus, Phase
from app.shared.job_store import Standing

Choice = Annotated[str, Field(min_length=1, max_length=200)]
"""The name of something that a manifest lists."""


def _whole(value: object) -> object:
    """JSON has one kind of number, so 5.0 is the integer 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Seed = Annotated[int, Field(ge=0, lt=2**31), BeforeValidator(_whole)]

EXAMPLES: dict[str, Any] = {
    "the text alone": {"value": {"text": "The quick brown fox jumps over the lazy dog."}},
    "with a provider and a voice": {
        "value": {"text": "Hello from Kavox.", "provider": "hibari", "voice": "heart", "metadata": {"page": 12}}
    },
}
"""Requests that work when pasted."""


class SpeechRequest(BaseModel):
    """The body of POST /synthesize. What is left out is chosen by the provider's manifest."""

    # Strict: "5" is no number and 1 is no truth, so that a mistake is heard of and not spoken.
    model_config = ConfigDict(strict=True, extra="forbid")

    text: str = Field(description="What to speak.", json_schema_extra={"minLength": 1})
    provider: Choice | None = Field(None, description="One of GET /providers.")
    model: Choice | None = None
    voice: Choice | None = Field(None, description="One of GET /voices, or the id of one of your own.")
    language: Choice | None = None
    format: Choice = Field("wav", description="What `audio` will be.", json_schema_extra={"enum": list(FORMATS)})
    gpu: bool | None = Field(None, description="false: not on Kaggle but on a worker's own machine.")
    seed: Seed | None = Field(None, description="The same seed, the same speech.")
    priority: Literal["low", "normal", "high"] = "normal"
    max_wait_seconds: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = Field(
        None, description="Fail with wait_expired if it still waits after so long."
    )
    cache: bool = Field(True, description="false: spoken anew, and neither kept for nor shared with the same request.")
    on_unavailable: Choice | None = Field(
        None,
        description="local:<provider>: spoken by it on a worker's own machine when there is no GPU quota.",
        json_schema_extra={"pattern": "^local:"},
    )
    options: dict[str, Any] = Field({}, description="Settings of the engine, as GET /providers lists them.")
    metadata: dict[str, Any] = Field({}, description="Yours: kept with the job and given back, up to 16 KiB.")


class Query(BaseModel):
    """The parameters of a listing; a misspelt one is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class JobQuery(Query):
    """The parameters of GET /jobs."""

    status: JobStatus | None = None
    cursor: str | None = Field(None, description="next_cursor of the page before.")
    limit: int = Field(20, ge=1, le=100)


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
    urls: Urls


class JobPage(BaseModel):
    """Some jobs, the newest first; `next_cursor` is null on the last page."""

    jobs: Sequence[JobView]
    next_cursor: str | None


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
