"""GET and HEAD /jobs/{id}/audio: the finished audio, whole or in part, in the format that is asked for."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Query as QueryParameters
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from app.api.delivery import (
    AUDIO,
    CONDITIONS,
    IfRangeHeader,
    KeptAudio,
    RangeHeader,
    content_disposition,
    delivered,
)
from app.api.dependencies import Audio, Caller, Config, Converting, Jobs
from app.api.problems import responses
from app.api.schemas import Choice, Query
from app.api.synthesis import poll_seconds
from app.shared.audio_formats import FORMATS, AudioFormat, audio_format, checked_wav, kept_name
from app.shared.errors import Conflict
from app.shared.job import Job, JobStatus

router = APIRouter(prefix="/jobs", tags=["jobs"])


class AudioQuery(Query):
    """The parameters of GET /jobs/{id}/audio."""

    format: Choice | None = Field(
        None, description="Without it the one that the job names.", json_schema_extra={"enum": list(FORMATS)}
    )
    download: bool = Field(False, description="true: browsers save it instead of playing it.")


@router.get(
    "/{job_id}/audio",
    response_class=StreamingResponse,
    responses={**AUDIO, **responses(401, 404, 409, 410, 412, 416, 422, 503)},
    openapi_extra={"parameters": CONDITIONS},
)
async def read_audio(
    job_id: str,
    request: Request,
    query: Annotated[AudioQuery, QueryParameters()],
    jobs: Jobs,
    audio: Audio,
    conversions: Converting,
    settings: Config,
    caller: Caller,
    wanted_part: RangeHeader = None,
    if_range: IfRangeHeader = None,
) -> Response:
    """The finished audio. HEAD, single byte ranges and conditional requests work too."""
    job = await jobs.get(job_id, caller)
    asked_for = query.format and audio_format(query.format)
    known = finished_audio(job, poll_seconds(settings))
    wanted = asked_for or audio_format(known["format"])
    size = await conversions.ready(job, wanted)
    kept = KeptAudio(kept_name(job.id, known, wanted), size, _etag(known, wanted), wanted)
    disposition = content_disposition(f"{job.id}.{wanted.name}", download=query.download)
    return await delivered(kept, request, audio, disposition, wanted_part, if_range)


def _etag(known: dict[str, Any], wanted: AudioFormat) -> str:
    """What is kept under a name is never replaced, so a name is as strong a validator as the content's own sha256."""
    if wanted.name == known["format"]:
        return f'"{known["sha256"]}"'
    digest = checked_wav(known)["sha256"]
    return f'"{digest}"' if wanted.name == "wav" else f'"{digest}-{wanted.name}"'


def finished_audio(job: Job, retry_seconds: int) -> dict[str, Any]:
    """What is known of the job's audio. Raises Conflict when there is none, or none yet."""
    if job.status is JobStatus.FAILED and job.error:
        raise Conflict(f"the job failed: {job.error['code']}: {job.error['detail']}", code="job_failed")
    if job.status is JobStatus.CANCELED:
        raise Conflict("the job was cancelled, so there is no audio", code="job_canceled")
    if job.status is not JobStatus.SUCCEEDED or job.audio is None:
        detail = f"the audio is not there yet: the job is {job.status}"
        raise Conflict(detail, code="audio_not_ready", retry_after=retry_seconds)
    return job.audio
