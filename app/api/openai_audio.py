"""Finished audio in the format that an OpenAI client asks for.

The one place that knows which formats there are here, so that another way of making them takes its place alone.
"""

import io
from typing import Any

import soundfile
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from app.shared.audio_store import AudioStore, audio_name
from app.shared.errors import RequestRefused
from app.shared.job import Job

FORMATS = {"wav": "audio/wav", "pcm": "audio/pcm"}
DEFAULT_FORMAT = "wav"
PCM_RATE = 24_000
"""Raw samples do not say what they are; OpenAI's are these, mono, signed 16 bits, little-endian."""


def check_format(wanted: str) -> None:
    """Raises RequestRefused for a format that cannot be made, listing those that can."""
    if wanted not in FORMATS:
        detail = f"'{wanted}' cannot be made here; valid: {', '.join(FORMATS)}"
        raise RequestRefused("response_format", detail, code="unsupported_format", valid=list(FORMATS))


async def audio_in(wanted: str, job: Job, audio: dict[str, Any], store: AudioStore) -> Response:
    """The job's audio in this format. Raises Gone or StoreUnavailable."""
    pieces = await store.stream(audio_name(job.id, audio["sha256"], audio["format"]))
    if wanted == audio["format"]:
        return StreamingResponse(pieces, headers={"Content-Length": str(audio["bytes"])}, media_type=FORMATS[wanted])
    content = b"".join([piece async for piece in pieces])
    return Response(await run_in_threadpool(_samples, content), media_type=FORMATS[wanted])


def _samples(wav: bytes) -> bytes:
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="int16", always_2d=True)
    if rate != PCM_RATE or samples.shape[1] != 1:
        detail = f"this speech has {rate} Hz and {samples.shape[1]} channels, and pcm is {PCM_RATE} Hz mono; take wav"
        raise RequestRefused("response_format", detail, code="unsupported_format")
    return bytes(samples.astype("<i2").tobytes())
