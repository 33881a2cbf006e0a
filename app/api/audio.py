"""GET and HEAD /jobs/{id}/audio: the finished audio, whole or in part, in the format that is asked for."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi import Query as QueryParameters
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from app.api.byte_ranges import is_known, is_meant, requested_part
from app.api.dependencies import Audio, Caller, Config, Converting, Jobs
from app.api.openapi_headers import headers
from app.api.problems import PreconditionFailed, responses
from app.api.schemas import Choice, Query
from app.api.synthesis import poll_seconds
from app.shared.audio_formats import FORMATS, AudioFormat, audio_format, checked_wav, kept_name
from app.shared.errors import Conflict
from app.shared.job import Job, JobStatus

router = APIRouter(prefix="/jobs", tags=["jobs"])


RangeHeader = Annotated[str | None, Header(alias="Range", description="One range of bytes.", examples=["bytes=0-99"])]
IfRangeHeader = Annotated[
    str | None, Header(alias="If-Range", description="An ETag: the part of this version, else the whole.")
]


class AudioQuery(Query):
    """The parameters of GET /jobs/{id}/audio."""

    format: Choice | None = Field(
        None, description="Without it the one that the job names.", json_schema_extra={"enum": list(FORMATS)}
    )
    download: bool = Field(False, description="true: browsers save it instead of playing it.")


# These may be there several times, so they are read by us and not by FastAPI.
_CONDITIONS = [
    {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
    for name, text in (("If-Match", "ETags: any other version is a 412."), ("If-None-Match", "ETags of what you have."))
]
_CONTENT = {
    wanted.media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
    for wanted in FORMATS.values()
}
_HAVING = ("ETag", "Accept-Ranges", "Content-Length", "Content-Disposition")
_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The audio.", "content": _CONTENT, **headers(*_HAVING)},
    206: {"description": "The part that Range asks for.", "content": _CONTENT, **headers(*_HAVING, "Content-Range")},
    304: {"description": "If-None-Match names it: you have it already.", **headers("ETag", "Accept-Ranges")},
}


@router.get(
    "/{job_id}/audio",
    response_class=StreamingResponse,
    responses={**_AUDIO, **responses(401, 404, 409, 410, 412, 416, 422, 503)},
    openapi_extra={"parameters": _CONDITIONS},
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
    known = _finished_audio(job, poll_seconds(settings))
    wanted = asked_for or audio_format(known["format"])
    size = await conversions.ready(job, wanted)
    etag = _etag(known, wanted)
    headers = {"ETag": etag, "Accept-Ranges": "bytes"}
    if not is_meant(request.headers.getlist("if-match"), etag):
        raise PreconditionFailed(f"the audio is {etag}, and If-Match names another version")
    if is_known(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    part = requested_part(wanted_part, if_range, etag, size)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    headers["Content-Length"] = str(size if part is None else len(part))
    # Both halves are ours, so nothing in the name can end the header or leave the folder.
    headers["Content-Disposition"] = (
        f'{"attachment" if query.download else "inline"}; filename="{job.id}.{wanted.name}"'
    )
    pieces = await audio.stream(kept_name(job.id, known, wanted), part)
    return StreamingResponse(pieces, 200 if part is None else 206, headers, wanted.media_type)


def _etag(known: dict[str, Any], wanted: AudioFormat) -> str:
    """What is kept under a name is never replaced, so a name is as strong a validator as the content's own sha256."""
    if wanted.name == known["format"]:
        return f'"{known["sha256"]}"'
    digest = checked_wav(known)["sha256"]
    return f'"{digest}"' if wanted.name == "wav" else f'"{digest}-{wanted.name}"'


def _finished_audio(job: Job, retry_seconds: int) -> dict[str, Any]:
    """What is known of the job's audio. Raises Conflict when there is none, or none yet."""
    if job.status is JobStatus.FAILED and job.error:
        raise Conflict(f"the job failed: {job.error['code']}: {job.error['detail']}", code="job_failed")
    if job.status is JobStatus.CANCELED:
        raise Conflict("the job was cancelled, so there is no audio", code="job_canceled")
    if job.status is not JobStatus.SUCCEEDED or job.audio is None:
        detail = f"the audio is not there yet: the job is {job.status}"
        raise Conflict(detail, code="audio_not_ready", retry_after=retry_seconds)
    return job.audio
