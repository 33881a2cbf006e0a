"""Jobs and their audio: look, list, cancel, listen."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from app.api.dependencies import Audio, Caller, Config, Jobs, Listening
from app.api.problems import responses
from app.api.schemas import JobPage, JobQuery, JobView
from app.api.synthesis import poll_seconds
from app.api.waiting import Preference, PreferHeader, until_ended
from app.shared.audio_store import audio_name
from app.shared.errors import Conflict
from app.shared.job import Job, JobStatus

router = APIRouter(prefix="/jobs", tags=["jobs"])

MEDIA_TYPES = {"wav": "audio/wav"}


@router.get("", responses=responses(401, 422, 503))
async def list_jobs(query: Annotated[JobQuery, Query()], jobs: Jobs, caller: Caller) -> JobPage:
    """Your jobs, the newest first."""
    page = await jobs.list(caller, query.status, query.cursor, query.limit)
    standings = await jobs.standings(page.jobs)
    views = [JobView.of(job, standing) for job, standing in zip(page.jobs, standings, strict=True)]
    return JobPage(jobs=views, next_cursor=page.next_cursor)


@router.get("/{job_id}", responses=responses(401, 404, 503))
async def read_job(
    job_id: str,
    request: Request,
    changes: Listening,
    caller: Caller,
    response: Response,
    prefer: PreferHeader = None,
) -> JobView:
    """How far a job has come; with `Prefer: wait=N` once it has ended, or after N seconds as it then is."""
    preference = Preference.of(prefer)
    seen = await until_ended(request, changes, await changes.look(job_id, caller), preference.wait or 0)
    preference.apply(response, ended=seen.job.status.terminal)
    return JobView.of(seen.job, seen.standing)


@router.delete(
    "/{job_id}",
    responses={**responses(401, 404, 409, 410, 503), 202: {"model": JobView, "description": "It is being cancelled."}},
)
async def cancel_job(job_id: str, jobs: Jobs, caller: Caller, settings: Config, response: Response) -> JobView:
    """Cancels a job: a waiting one at once; one that runs is `canceling` until its host has confirmed the end."""
    await jobs.cancel(await jobs.get(job_id, caller))
    job = await jobs.get(job_id, caller)
    if not job.status.terminal:
        response.status_code = 202
        response.headers["Retry-After"] = str(poll_seconds(settings))
    return JobView.of(job, await jobs.standing(job))


_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio.",
        "content": {"audio/wav": {"schema": {"type": "string", "contentMediaType": "audio/wav"}}},
    }
}


@router.get(
    "/{job_id}/audio",
    response_class=StreamingResponse,
    responses={**_AUDIO, **responses(401, 404, 409, 410, 503)},
)
async def read_audio(job_id: str, jobs: Jobs, audio: Audio, settings: Config, caller: Caller) -> StreamingResponse:
    """The finished audio."""
    job = await jobs.get(job_id, caller)
    finished = _finished_audio(job, poll_seconds(settings))
    extension, sha256 = finished["format"], finished["sha256"]
    headers = {
        "Content-Length": str(finished["bytes"]),
        "Content-Disposition": f'inline; filename="{job.id}.{extension}"',
        "ETag": f'"{sha256}"',
    }
    pieces = await audio.stream(audio_name(job.id, sha256, extension))
    return StreamingResponse(pieces, 200, headers, MEDIA_TYPES[extension])


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
