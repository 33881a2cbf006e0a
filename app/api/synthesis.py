"""POST /synthesize: a request becomes a job."""

import math
import time
from dataclasses import replace
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from app.api.changes import Seen
from app.api.dependencies import Caller, Owned, Resources
from app.api.fallback import admit_fallback
from app.api.json_body import read_json
from app.api.openapi_headers import headers
from app.api.problems import responses
from app.api.schemas import EXAMPLES, JobView, SpeechRequest, job_path
from app.api.waiting import Preference, PreferHeader, until_ended
from app.shared.errors import NotFound, RequestRefused
from app.shared.identifiers import new_id
from app.shared.job import Job
from app.shared.job_queue import JobQueue
from app.shared.presence import living_workers
from app.shared.settings import Settings
from app.shared.voice import ClonedVoice, is_voice_id
from app.shared.voice_store import VoiceStore

router = APIRouter(tags=["speech"])
log = structlog.get_logger(__name__)


async def _speech_request(request: Request, _: Caller) -> SpeechRequest:
    """The body, once the caller is known: a stranger learns nothing about what is valid."""
    return await read_json(request, SpeechRequest)


# The body is read by `json_body.py` and not by FastAPI, which therefore has to be told what it is.
_BODY = {"content": {"application/json": {"schema": SpeechRequest.model_json_schema(), "examples": EXAMPLES}}}

_ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {"model": JobView, "description": "It ended while the client waited.", **headers("Location")},
    202: {"description": "It is accepted.", **headers("Location", "Retry-After")},
}


@router.post(
    "/synthesize",
    status_code=202,
    responses={**_ACCEPTED, **responses(400, 401, 413, 415, 422, 503)},
    openapi_extra={"requestBody": {"required": True, **_BODY}},
)
async def synthesize(
    speech_request: Annotated[SpeechRequest, Depends(_speech_request)],
    caller: Caller,
    owned: Owned,
    request: Request,
    response: Response,
    prefer: PreferHeader = None,
) -> JobView:
    """Accepts a text. The answer is the job; look at its Location until it has ended, or wait with `Prefer: wait=N`."""
    job = await accept(speech_request, caller, owned)
    response.headers["Location"] = job_path(job.id)
    preference = Preference.of(prefer)
    seen = Seen(job, await owned.jobs.standing(job))
    seen = await until_ended(request, owned.changes, seen, preference.wait or 0)
    preference.apply(response, ended=seen.job.status.terminal)
    if seen.job.status.terminal:
        response.status_code = 200
    else:
        response.headers["Retry-After"] = str(poll_seconds(owned.settings))
    return JobView.of(seen.job, seen.standing)


async def accept(speech_request: SpeechRequest, caller: str, owned: Resources, *, joining: bool = False) -> Job:
    """The request's job, in Redis and in its lane. With `joining` it may be the one of the same request before it."""
    admission, jobs = owned.admission, owned.jobs
    cloned = await _cloned_voice(speech_request, owned.voices, caller)
    workers = await living_workers(owned.redis) if admission.asks_workers(speech_request, cloned) else []
    local_providers = {name for worker in workers for name in worker.local_providers}
    speech = admission.admit(speech_request, local_providers, cloned)
    fallback, warnings = admit_fallback(admission, speech_request, speech, local_providers, cloned)
    speech = replace(speech, warnings=[*speech.warnings, *warnings])
    now = time.time()
    longest = min(owned.settings.max_wait_hours * 3600, speech_request.max_wait_seconds or math.inf)
    job = Job(id=new_id(), caller=caller, created_at=now, speech=speech, fallback=fallback, deadline=now + longest)
    submitted = await jobs.submit(job, joining=joining)
    if submitted.wakes:
        await _wake(owned.queue, job)
    return job if submitted.job_id == job.id else await jobs.get(submitted.job_id, caller)


def poll_seconds(settings: Settings) -> int:
    """How long to wait before looking at a job again: nothing changes faster than its run is polled."""
    return max(1, math.ceil(settings.polling[0]))


async def _cloned_voice(speech_request: SpeechRequest, voices: VoiceStore, caller: str) -> ClonedVoice | None:
    """The caller's own voice that is asked for, None for one of a manifest. Raises RequestRefused for nobody's."""
    voice_id = speech_request.voice
    if voice_id is None or not is_voice_id(voice_id):
        return None
    try:
        return await voices.get(voice_id, caller)
    except NotFound as error:
        raise RequestRefused("voice", error.detail, code="unknown_voice") from None


async def _wake(wakeups: JobQueue, job: Job) -> None:
    try:
        await run_in_threadpool(wakeups.wake_lane, job.speech.lane)
    except RedisError as error:
        # The job is accepted all the same: the workers' sweep finds it in its lane.
        log.warning("no worker woken", job=job.id, lane=job.speech.lane, error=str(error))
