"""Jobs: look, list, cancel; their audio is in `audio.py`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.api.dependencies import Caller, Config, Jobs, resources
from app.api.direct import DirectResponse, DirectRoute
from app.api.openapi_headers import headers
from app.api.problems import responses
from app.api.schemas import JobPage, JobQuery
from app.api.synthesis import poll_seconds
from app.api.waiting import Preference, PreferHeader, until_ended
from app.shared.job_view import JobView, job_view

router = APIRouter(prefix="/jobs", tags=["jobs"])
frequent = APIRouter(prefix="/jobs", tags=["jobs"], route_class=DirectRoute)

_CANCELING: dict[int | str, dict[str, Any]] = {
    202: {"model": JobView, "description": "It is being cancelled.", **headers("Retry-After")}
}


@router.get("", responses=responses(401, 422, 503))
async def list_jobs(query: Annotated[JobQuery, Query()], jobs: Jobs, caller: Caller) -> JobPage:
    """Your jobs, the newest first."""
    page = await jobs.list(caller, query.status, query.cursor, query.limit)
    standings = await jobs.standings(page.jobs)
    views = [job_view(job, standing) for job, standing in zip(page.jobs, standings, strict=True)]
    return JobPage.model_validate({"jobs": views, "next_cursor": page.next_cursor})


@frequent.get("/{job_id}", response_model=JobView, responses=responses(401, 404, 503))
async def read_job(caller: Caller, job_id: str, request: Request, prefer: PreferHeader = None) -> Response:
    """How far a job has come; with `Prefer: wait=N` once it has ended, or after N seconds as it then is."""
    owned, preference = resources(request), Preference.of(prefer)
    seen = await until_ended(request, owned.changes, await owned.jobs.look(job_id, caller), preference.wait or 0)
    response = DirectResponse(job_view(seen.job, seen.standing))
    preference.apply(response, ended=seen.job.status.terminal)
    return response


@router.delete(
    "/{job_id}",
    responses={**_CANCELING, **responses(401, 403, 404, 409, 410, 503)},
)
async def cancel_job(job_id: str, jobs: Jobs, caller: Caller, settings: Config, response: Response) -> JobView:
    """Cancels a job: a waiting one at once; one that runs is `canceling` until its host has confirmed the end."""
    await jobs.cancel(await jobs.get(job_id, caller))
    job = await jobs.get(job_id, caller)
    if not job.status.terminal:
        response.status_code = 202
        response.headers["Retry-After"] = str(poll_seconds(settings))
    return JobView.model_validate(job_view(job, await jobs.standing(job)))
