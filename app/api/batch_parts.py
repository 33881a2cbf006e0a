"""What each job of a batch that has ended contributes to the whole, in order, and what is missing."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.shared.audio_formats import FORMATS, WAV, checked_wav, kept_name
from app.shared.audio_store import AudioStore
from app.shared.batch import Batch
from app.shared.batch_store import EXPIRED, BatchStore
from app.shared.errors import Conflict, Gone
from app.shared.job import Job, JobStatus

_NAMED = 10


@dataclass(frozen=True)
class Part:
    """A job and its place; `job` is without its text, and None when its record is gone, or its file where others do."""

    index: int
    id: str
    job: Job | None

    @property
    def audio(self) -> Mapping[str, Any] | None:
        """What is known of its audio; None where there is none."""
        return self.job.audio if self.job and self.job.status is JobStatus.SUCCEEDED else None

    @property
    def status(self) -> str:
        """The job's."""
        return self.job.status if self.job else EXPIRED

    @property
    def error(self) -> str | None:
        """The code of a failed job's error."""
        return self.job.error["code"] if self.job and self.job.error else None

    @property
    def seconds(self) -> float:
        """How long its audio is."""
        return float(self.audio["duration_seconds"]) if self.audio else 0.0

    @property
    def wav(self) -> Mapping[str, Any]:
        """Sample rate, bytes and sha256 of its checked wav."""
        return checked_wav(self.audio or {})


def check_ended(batch: Batch, retry_seconds: int) -> None:
    """Raises Conflict while some of its jobs have not."""
    if not batch.ended:
        left = batch.total - round(batch.progress * batch.total)
        detail = f"the batch is {batch.status}: {left} of its {batch.total} jobs have not ended"
        raise Conflict(detail, code="batch_not_ready", retry_after=retry_seconds)


async def parts_of(batch: Batch, store: BatchStore, audio: AudioStore, *, partial: bool) -> Sequence[Part]:
    """Every job of a batch that has ended. With `partial`, some may be without audio, but not all.

    Raises Conflict, which names the jobs without audio, or Gone when records have expired, or all files.
    """
    parts: list[Part] = []
    async for some in store.jobs_of(batch):
        found = [Part(len(parts) + place, job_id, _without_text(job)) for place, (job_id, job) in enumerate(some)]
        # Where nothing may be missing, whoever opens the files finds out.
        parts += await asyncio.gather(*(_if_kept(part, audio) for part in found)) if partial else found
    without = [part for part in parts if part.audio is None]
    if without and (not partial or len(without) == len(parts)):
        if any(part.status == EXPIRED for part in without):
            raise Gone("the audio of this batch is no longer stored", code="audio_expired")
        named = ", ".join(f"{part.index} ({part.error or part.status}, {part.id})" for part in without[:_NAMED])
        more = f" and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
        hint = "" if len(without) == len(parts) else "; partial=true leaves them out"
        detail = f"{len(without)} of {len(parts)} jobs have no audio: {named}{more}{hint}"
        raise Conflict(detail, code="batch_incomplete")
    return parts


async def _if_kept(part: Part, audio: AudioStore) -> Part:
    """The part, without what is known of its audio where the file has expired."""
    if part.audio is None:
        return part
    try:
        await audio.size(kept_name(part.id, part.audio, FORMATS[WAV]))
    except Gone:
        return replace(part, job=None)
    return part


def _without_text(job: Job | None) -> Job | None:
    """Twenty million characters are not to be held for the sake of their audio."""
    return job and replace(job, speech=replace(job.speech, text=""), fallback=None)
