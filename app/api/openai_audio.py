"""Finished audio in the format that an OpenAI client asks for.

The job itself speaks a wav, so that the same text in two formats is spoken once; the format is made when it is there.
"""

from starlette.responses import StreamingResponse

from app.api.dependencies import Resources
from app.shared.audio_formats import audio_format, kept_name
from app.shared.job import Job

DEFAULT_FORMAT = "mp3"
"""As OpenAI's service has it."""

_PATIENCE_SECONDS = 120
"""These clients wait for minutes anyway. Two such times and a pause are within JOINABLE_SECONDS."""


async def audio_in(wanted: str, job: Job, owned: Resources) -> StreamingResponse:
    """A finished job's audio in this format.

    Raises Gone, ConversionPending, ConversionFailed, StorageFull or StoreUnavailable.
    """
    made = audio_format(wanted)
    size = await owned.conversions.ready(job, made, _PATIENCE_SECONDS)
    pieces = await owned.audio.stream(kept_name(job.id, job.audio or {}, made))
    return StreamingResponse(pieces, headers={"Content-Length": str(size)}, media_type=made.media_type)
