"""What both synthesis routes do with a request: it is admitted, and becomes a job in Redis, or finds one.

known          the same request under the same Idempotency-Key came before: that one's job
joined         OpenAI's clients ask again in silence: the job that is under way
kept           its speech was made before: a job that has succeeded
shared         it is being made for another job: a job that waits for it
new            a job in its lane, whose workers are woken
"""

import math
import time
from collections.abc import Collection
from dataclasses import replace

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import Resources
from app.api.fallback import admit_fallback
from app.api.schemas import SpeechRequest
from app.shared.errors import Gone, NotFound, RequestRefused
from app.shared.identifiers import new_id
from app.shared.job import Job
from app.shared.job_queue import JobQueue
from app.shared.job_store import Seen
from app.shared.presence import living_workers
from app.shared.result_cache import result_key
from app.shared.submission import Allowance, Once, Submitted
from app.shared.voice import ClonedVoice, is_voice_id
from app.shared.voice_store import VoiceStore
from app.shared.webhook import subscription

log = structlog.get_logger(__name__)


async def accept(
    speech_request: SpeechRequest, caller: str, owned: Resources, *, joining: bool = False, once: Once | None = None
) -> Seen:
    """The job that answers the request. With `joining` it may be the one of the same request before it."""
    known = await owned.submissions.known(once) if once else None
    if known is not None:
        structlog.contextvars.bind_contextvars(job=known)
        return await _known(known, caller, owned)
    job = await admitted(speech_request, caller, owned)
    allowance = await allowance_of(job, owned)
    submitted = await owned.submissions.submit(job, joining=joining, once=once, allowance=allowance)
    while submitted.entry is not None:
        entry = submitted.entry
        try:
            job = await owned.kept_speech.give(job, entry)
        except Gone:
            # It was thrown out a moment ago, or somebody has removed the file.
            await owned.submissions.forget(job.result_key, entry)
            submitted = await owned.submissions.submit(job, joining=joining, once=once, allowance=allowance)
            continue
        submitted = Submitted(await owned.submissions.answer(job, entry, joining=joining, once=once))
        if submitted.job_id != job.id:
            await owned.submissions.discard(job.id, entry)
    structlog.contextvars.bind_contextvars(job=submitted.job_id)
    if submitted.wakes:
        await wake(owned.queue, job.speech.lane)
    if submitted.job_id != job.id:
        return await _known(submitted.job_id, caller, owned)
    if submitted.place is not None and submitted.place[0] is None:
        # It is in no lane: it shares the synthesis of another one.
        return await owned.jobs.look(job.id, caller)
    return await owned.jobs.seen(job, submitted.place)


async def admitted(speech_request: SpeechRequest, caller: str, owned: Resources) -> Job:
    """The request as a job that nobody knows of yet. Raises RequestRefused, naming the field."""
    cloned = await cloned_voice(speech_request.voice, owned.voices, caller)
    asks = owned.admission.asks_workers(speech_request, cloned)
    return job_of(speech_request, caller, owned, await local_providers(owned.redis) if asks else set(), cloned)


async def local_providers(redis: Redis) -> set[str]:
    """The providers that a living worker has the packages of."""
    return {name for worker in await living_workers(redis) for name in worker.local_providers}


def job_of(
    speech_request: SpeechRequest,
    caller: str,
    owned: Resources,
    local_providers: Collection[str],
    cloned: ClonedVoice | None,
    batch: str = "",
) -> Job:
    """`admitted` for whoever has looked after voices and workers before; `batch` is the id of the job's batch."""
    admission = owned.admission
    speech = admission.admit(speech_request, local_providers, cloned)
    fallback, warnings = admit_fallback(admission, speech_request, speech, local_providers, cloned)
    if warnings:
        speech = replace(speech, warnings=[*speech.warnings, *warnings])
    wish = speech_request.webhook
    allowed = owned.settings.webhook_receivers
    webhook = None if wish is None else subscription(wish.url, wish.events, caller, allowed)
    now = time.time()
    longest = min(owned.settings.max_wait_hours * 3600, speech_request.max_wait_seconds or math.inf)
    cacheable = speech_request.cache and owned.settings.cache_max_megabytes > 0
    return Job(
        id=new_id(),
        caller=caller,
        created_at=now,
        speech=speech,
        fallback=fallback,
        deadline=now + longest,
        batch=batch,
        webhook=webhook,
        result_key=result_key(caller, speech, admission.providers[speech.provider].revision) if cacheable else "",
    )


async def allowance_of(job: Job, owned: Resources) -> Allowance:
    """What the limits of its caller's keys leave for a new job."""
    limits = owned.keyring.limits_of(job.caller)
    if limits.gpu_seconds is None or not job.speech.gpu:
        return Allowance(limits.waiting)
    used, week_ends = await owned.quota.used_by(job.caller)
    return Allowance(limits.waiting, week_ends if used >= limits.gpu_seconds else None)


async def _known(job_id: str, caller: str, owned: Resources) -> Seen:
    try:
        return await owned.jobs.look(job_id, caller)
    except NotFound:
        raise Gone("what this request led to has expired; send it under a new key") from None


async def cloned_voice(voice_id: str | None, voices: VoiceStore, caller: str) -> ClonedVoice | None:
    """The caller's own voice of this id, None for one of a manifest. Raises RequestRefused for nobody's."""
    if voice_id is None or not is_voice_id(voice_id):
        return None
    try:
        return await voices.get(voice_id, caller)
    except NotFound as error:
        raise RequestRefused("voice", error.detail, code="unknown_voice") from None


async def wake(wakeups: JobQueue, lane: str) -> None:
    """Has a worker look into the lane."""
    try:
        await run_in_threadpool(wakeups.wake_lane, lane)
    except RedisError as error:
        # What is in it is accepted all the same: the workers' sweep finds it.
        log.warning("no worker woken", lane=lane, error=str(error))
