"""POST /synthesize?dry_run=true: what a request would cost and when it would be done, before it is made."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from app.shared.errors import KavoxError
from app.shared.eta import Pace
from app.shared.job import Job
from app.shared.job_store import Standing
from app.shared.job_view import Waiting
from app.shared.provider import Provider


class Estimate(BaseModel):
    """What would come of a request. Nothing was queued."""

    provider: str
    model: str
    voice: str | None
    language: str
    host: str = Field(description="Where it would run: kaggle, emulator or local.")
    gpu: bool
    format: str
    characters: int
    chunks: int = Field(description="How many pieces the engine would speak one after the other.")
    speech_seconds: float = Field(description="How long the audio would be.")
    gpu_seconds: float = Field(description="GPU quota of a run of its own; a job that shares one takes less.")
    gpu_seconds_from: Literal["runs", "assumption", "nothing"] = Field(
        description="What gpu_seconds is learnt from: earlier runs here; none yet, so usual figures; none are needed."
    )
    eta_seconds: float | None = Field(description="Seconds until it would be done; null as long as no run has told.")
    cached: bool = Field(description="It would be answered at once, with speech that is kept.")
    waiting: Waiting | None = Field(description="What it would wait for.")
    warnings: Sequence[str]

    @classmethod
    def of(
        cls,
        job: Job,
        provider: Provider,
        standing: Standing,
        pace: Pace | None,
        *,
        kept: bool,
        refusal: KavoxError | None = None,
    ) -> "Estimate":
        """The estimate for an admitted job that was not submitted; `refusal` is what a new synthesis would meet now."""
        speech = job.speech
        warnings = [f"A new synthesis would be refused now: {refusal.detail}."] if refusal else []
        language = next(one for one in provider.languages if one.code == speech.language)
        seconds, source = _gpu_seconds(job, pace, kept=kept)
        return cls(
            **{name: getattr(speech, name) for name in _FROM_SPEECH},
            warnings=[*speech.warnings, *warnings],
            characters=len(speech.text),
            chunks=len(provider.chunks(speech.text, language.code)),
            speech_seconds=round(speech.estimated_seconds, 1),
            gpu_seconds=seconds,
            gpu_seconds_from=source,
            eta_seconds=0.0 if kept else standing.eta_seconds,
            cached=kept,
            waiting=None if kept else standing.waiting,
        )


_FROM_SPEECH = ("provider", "model", "voice", "language", "host", "gpu", "format")


def _gpu_seconds(job: Job, pace: Pace | None, *, kept: bool) -> tuple[float, Literal["runs", "assumption", "nothing"]]:
    if kept or not job.speech.gpu:
        return 0.0, "nothing"
    known = pace is not None and pace.overhead_gpu_seconds is not None
    seconds = (pace if pace and known else Pace()).gpu_seconds(job.speech.estimated_seconds)
    return round(seconds, 1), "runs" if known else "assumption"
