"""Answers a request with speech that is kept: its job gets audio of its own, in its own format, and has succeeded."""

import hashlib
import time
from dataclasses import replace
from typing import Any

from app.api.conversions import Conversions
from app.shared.audio_formats import FORMATS, WAV, audio_format, converted, kept_name
from app.shared.audio_store import AudioStore
from app.shared.job import Job, JobStatus
from app.shared.result_cache import Entry


class KeptSpeech:
    """What the cache has for the API."""

    def __init__(self, audio: AudioStore, conversions: Conversions) -> None:
        self._audio = audio
        self._conversions = conversions

    async def give(self, job: Job, entry: Entry) -> Job:
        """The job with the entry's speech, which is kept as the job's own from now on.

        Raises Gone when it is kept no more, ConversionPending, ConversionFailed, StorageFull or StoreUnavailable.
        """
        # Other formats are made beside the cache's own wav, so that the next one who asks finds them.
        kept = replace(job, id=entry.file_id, audio=entry.audio)
        wanted = audio_format(job.speech.format)
        size = await self._conversions.ready(kept, wanted)
        for one in {WAV, wanted.name}:
            names = (kept_name(file_id, entry.audio, FORMATS[one]) for file_id in (entry.file_id, job.id))
            await self._audio.copy_async(*names)
        return replace(
            job,
            status=JobStatus.SUCCEEDED,
            finished_at=time.time(),
            progress=1.0,
            cached=True,
            audio=entry.audio if wanted.name == WAV else await self._converted(kept, wanted.name, size),
            run=entry.run,
        )

    async def _converted(self, kept: Job, name: str, size: int) -> dict[str, Any]:
        wav = kept.audio or {}
        digest = hashlib.sha256()
        async for piece in await self._audio.stream(kept_name(kept.id, wav, FORMATS[name])):
            digest.update(piece)
        return converted(wav, FORMATS[name], FORMATS[name].rate_for(wav["sample_rate"]), size, digest.hexdigest())
