"""GET and HEAD /batches/{id}/audio: all of a batch's audio, as a zip or as one file in order.

The zip is made while it is sent and kept nowhere; its size is known beforehand, because nothing in it is packed. The
one file is made when it is first asked for, a second of speech at a time, and kept for as long as its jobs' audio.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi import Query as QueryParameters
from pydantic import AfterValidator, Field
from starlette.responses import Response, StreamingResponse
from zipstream import ZipStream

from app.api.batch_parts import Part, check_ended, parts_of
from app.api.conversions import PATIENCE_SECONDS, Conversions
from app.api.delivery import (
    AUDIO,
    CONDITIONS,
    CONTENT,
    IfRangeHeader,
    KeptAudio,
    RangeHeader,
    content_disposition,
    delivered,
)
from app.api.dependencies import Caller, Owned, Resources
from app.api.openapi_headers import named, sometimes
from app.api.problems import responses
from app.api.schemas import Choice, Query
from app.api.synthesis import poll_seconds
from app.shared.audio_formats import FORMATS, WAV, AudioFormat, audio_format, kept_name
from app.shared.audio_store import audio_name
from app.shared.batch import Batch
from app.shared.batch_view import BatchSummary, summary
from app.shared.conversion import batch_provenance
from app.shared.errors import RequestRefused
from app.shared.job import Job

router = APIRouter(prefix="/batches", tags=["batches"])

GAP_SECONDS = 0.6
_MOST_GAP_SECONDS = 60
_MOST_JOINED_HOURS = 24
_MOST_WAV_BYTES = 2**32 - 2**16
"""A wav says its size in 32 bits."""

_MOST_JOINED_FILES = 20
"""Of a batch: every format with some gaps."""

_SIZES_AT_ONCE = 8
_ZIP = "application/zip"
# To a tenth: each length of silence is another file.
GapSeconds = Annotated[
    float, Field(ge=0, le=_MOST_GAP_SECONDS, allow_inf_nan=False), AfterValidator(lambda seconds: round(seconds, 1))
]


class BatchAudioQuery(Query):
    """The parameters of GET /batches/{id}/audio."""

    as_: Literal["zip", "joined"] = Field(
        "zip", alias="as", description="zip: a file for each job and a manifest.json; joined: one file, in order."
    )
    format: Choice | None = Field(
        None,
        description="Without it what each job names, in a zip, and wav for the one file.",
        json_schema_extra={"enum": list(FORMATS)},
    )
    gap_seconds: GapSeconds = Field(GAP_SECONDS, description="Silence between each two jobs of the one file.")
    partial: bool = Field(False, description="true: jobs without audio are left out instead of a 409.")
    download: bool = Field(False, description="true: browsers save it instead of playing it.")


_BYTES = {"schema": {"type": "string", "format": "binary"}}
_WHOLE = {
    "description": "The zip or the joined audio.",
    "content": {**CONTENT, _ZIP: _BYTES},
    # A zip is made anew each time.
    "headers": {**named("Content-Length", "Content-Disposition"), **sometimes("ETag", "Accept-Ranges")},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {**AUDIO, 200: _WHOLE}


@router.get(
    "/{batch_id}/audio",
    response_class=StreamingResponse,
    responses={**_ANSWERS, **responses(401, 404, 409, 410, 412, 416, 422, 503)},
    openapi_extra={"parameters": CONDITIONS},
)
async def read_batch_audio(
    batch_id: str,
    request: Request,
    query: Annotated[BatchAudioQuery, QueryParameters()],
    owned: Owned,
    caller: Caller,
    wanted_part: RangeHeader = None,
    if_range: IfRangeHeader = None,
) -> Response:
    """All the speech of a batch that has ended. Byte ranges and conditions are for the joined file alone."""
    batch = await owned.batches.get(batch_id, caller)
    wanted = audio_format(query.format) if query.format else None
    check_ended(batch, poll_seconds(owned.settings))
    parts = await parts_of(batch, owned.batches, owned.audio, partial=query.partial)
    if query.as_ == "zip":
        return await _zipped(batch, parts, wanted, owned)
    kept = await _joined(batch, parts, wanted or FORMATS[WAV], query.gap_seconds, owned)
    disposition = content_disposition(f"{batch.id}.{kept.format.name}", download=query.download)
    return await delivered(kept, request, owned.audio, disposition, wanted_part, if_range)


async def _zipped(batch: Batch, parts: Sequence[Part], wanted: AudioFormat | None, owned: Resources) -> Response:
    archive, entries = ZipStream(sized=True), []
    sizes = await _sizes(parts, wanted, owned.conversions)
    for part in parts:
        entry: dict[str, Any] = {"index": part.index, "id": part.id, "status": part.status, "error": part.error}
        if part.job and part.audio:
            speech, made = part.job.speech, _format(part.job, wanted)
            # Numbered as people count, so that they stand in order wherever names are sorted.
            file = f"{part.index + 1:04}-{part.id}.{made.name}"
            archive.add(owned.audio.pieces(kept_name(part.id, part.audio, made)), file, size=sizes[part.id])
            entry |= {
                "file": file,
                "bytes": sizes[part.id],
                "duration_seconds": part.seconds,
                "provider": speech.provider,
                "voice": speech.voice,
                "language": speech.language,
                "metadata": speech.metadata,
            }
        entries.append(entry)
    described = BatchSummary.model_validate(summary(batch)).model_dump(mode="json", exclude={"urls"})
    archive.add(json.dumps({**described, "jobs": entries}, indent=1, ensure_ascii=False), "manifest.json")
    headers = {
        "Content-Length": str(len(archive)),
        "Content-Disposition": content_disposition(f"{batch.id}.zip", download=True),
    }
    return StreamingResponse(iter(archive), 200, headers, _ZIP)


async def _sizes(parts: Sequence[Part], wanted: AudioFormat | None, conversions: Conversions) -> Mapping[str, int]:
    """How long each file is, by the job's id, once it is there; what has to be made is kept, and found the next time.

    Raises Gone when one has expired, or ConversionPending when it takes too long.
    """
    until = time.monotonic() + PATIENCE_SECONDS

    async def size(job: Job) -> tuple[str, int]:
        return job.id, await conversions.ready(job, _format(job, wanted), max(0.0, until - time.monotonic()))

    jobs = [part.job for part in parts if part.job and part.audio]
    found: list[tuple[str, int]] = []
    for start in range(0, len(jobs), _SIZES_AT_ONCE):
        found += await asyncio.gather(*map(size, jobs[start : start + _SIZES_AT_ONCE]))
    return dict(found)


def _format(job: Job, wanted: AudioFormat | None) -> AudioFormat:
    return wanted or audio_format(job.speech.format)


async def _joined(
    batch: Batch, parts: Sequence[Part], wanted: AudioFormat, gap_seconds: float, owned: Resources
) -> KeptAudio:
    """The one file, once it is kept. Raises RequestRefused for more than it can hold, and what making it raises."""
    heard = [part for part in parts if part.audio]
    rate = wanted.rate_for(max(part.wav["sample_rate"] for part in heard))
    _check_length(sum(part.seconds for part in heard) + gap_seconds * (len(heard) - 1), rate, wanted)
    made_of = [[part.wav["sha256"] for part in heard], gap_seconds, rate, wanted.name]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    name = audio_name(batch.id, digest, wanted.name)
    # Before it is there, so that whatever happens it is found when it is to go.
    if not await owned.batches.note_file(batch, name, most=_MOST_JOINED_FILES):
        detail = f"{_MOST_JOINED_FILES} joined files of this batch are kept; ask for one of those forms, or take as=zip"
        raise RequestRefused("gap_seconds", detail, code="joined_too_often")
    wavs = [kept_name(part.id, part.audio or {}, FORMATS[WAV]) for part in heard]
    tags = batch_provenance(batch, [part.job for part in heard if part.job])
    size = await owned.conversions.joined(name, wavs, wanted, rate, gap_seconds, tags)
    return KeptAudio(name, size, f'"{digest}"', wanted)


def _check_length(seconds: float, rate: int, wanted: AudioFormat) -> None:
    if seconds > _MOST_JOINED_HOURS * 3600:
        detail = f"the speech lasts {seconds / 3600:.1f} hours; one file has at most {_MOST_JOINED_HOURS}: take as=zip"
        raise RequestRefused("as", detail, code="joined_too_long")
    if wanted.name == WAV and 2 * rate * seconds > _MOST_WAV_BYTES:
        detail = f"{seconds / 3600:.1f} hours at {rate} Hz are more than a wav can hold: take flac, mp3, opus or pcm"
        raise RequestRefused("format", detail, code="joined_too_long")
