"""POST /synthesize: a request becomes a job."""

import math
import time
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import Admitting, Caller, Config, Connection, Jobs, Wakeups
from app.api.json_body import read_json
from app.api.problems import responses
from app.api.schemas import EXAMPLES, JobView, SpeechRequest, job_path
from app.shared.identifiers import new_id
from app.shared.job import Job
from app.shared.job_queue import JobQueue
from app.shared.presence import living_workers
from app.shared.settings import Settings

router = APIRouter(tags=["speech"])
log = structlog.get_logger(__name__)


async def _speech_request(request: Request, _: Caller) -> SpeechRequest:
    """The body, once the caller is known: a stranger learns nothing about what is valid."""
    return await read_json(request, SpeechRequest)


# The body is read by `json_body.py` and not by FastAPI, which therefore has to be told what it is.
_BODY = {"content": {"application/json": {"schema": SpeechRequest.model_json_schema(), "examples": EXAMPLES}}}


@router.post(
    "/synthesize",
    status_code=202,
    responses=responses(400, 401, 413, 415, 422, 503),
    openapi_extra={"requestBody": {"required": True, **_BODY}},
)
async def synthesize(
    speech_request: Annotated[SpeechRequest, Depends(_speech_request)],
    caller: Caller,
    admission: Admitting,
    jobs: Jobs,
    wakeups: Wakeups,
    redis: Connection,
    settings: Config,
    response: Response,
) -> JobView:
    """Accepts a text. The answer is the job; poll it at its Location until it has ended."""
    workers = await living_workers(redis) if admission.asks_workers(speech_request) else []
    local_providers = {name for worker in workers for name in worker.local_providers}
    speech = admission.admit(speech_request, local_providers)
    job = Job(id=new_id(), caller=caller, created_at=time.time(), speech=speech)
    if await jobs.submit(job):
        await _wake(wakeups, job)
    response.headers["Location"] = job_path(job.id)
    response.headers["Retry-After"] = str(poll_seconds(settings))
    return JobView.of(job, await jobs.position(job))


def poll_seconds(settings: Settings) -> int:
    """How long to wait before looking at a job again: nothing changes faster than its run is polled."""
    return max(1, math.ceil(settings.polling[0]))


async def _wake(wakeups: JobQueue, job: Job) -> None:
    try:
        await run_in_threadpool(wakeups.wake_lane, job.speech.lane)
    except RedisError as error:
        # The job is accepted all the same: the workers' sweep finds it in its lane.
        log.warning("no worker woken", job=job.id, lane=job.speech.lane, error=str(error))
