"""Batches: hand over many texts at once, look, wait, cancel; their audio is in `batch_audio.py`."""

import hashlib
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sse_starlette import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app.api.acceptance import allowance_of, wake
from app.api.batch_request import BATCH_EXAMPLES, PATH, BatchRequest, Surroundings, batch_schema, jobs_of, parse_batch
from app.api.batch_schemas import BatchList, BatchQuery, BatchView, batch_view
from app.api.dependencies import Caller, Owned, Resources
from app.api.direct import DirectResponse
from app.api.events import EventStream, LastEventHeader, event, followed
from app.api.idempotency import IdempotencyKey, once
from app.api.json_body import check_media_type
from app.api.openapi_headers import headers, sometimes
from app.api.problems import responses
from app.api.synthesis import poll_seconds
from app.api.waiting import Preference, PreferHeader, until_ended
from app.shared.batch import COMPLETED, Batch, new_batch_id
from app.shared.batch_store import BatchSeen
from app.shared.batch_view import BatchSummary, batch_path, summary
from app.shared.errors import Gone, NotFound
from app.shared.job import JobStatus
from app.shared.submission import Once
from app.shared.webhook import subscription

router = APIRouter(prefix=PATH, tags=["batches"])

_END = COMPLETED.rpartition(".")[2]

_BODY = {"content": {"application/json": {"schema": batch_schema(), "examples": BATCH_EXAMPLES}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": BatchView,
        "description": "All of its jobs ended while the client waited.",
        "headers": sometimes("Location"),
    },
    202: {"model": BatchView, "description": "It is accepted.", **headers("Location", "Retry-After")},
}
_CANCELING: dict[int | str, dict[str, Any]] = {
    202: {"model": BatchView, "description": "Some of its jobs are being cancelled.", **headers("Retry-After")}
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "model": BatchSummary,
        "description": "Events named `progress`, and one named `end` when all jobs have ended; data is a BatchSummary.",
    },
    204: {"description": "`Last-Event-ID` is that of the end: there is nothing more to come."},
}


@router.post(
    "",
    status_code=202,
    response_model=BatchView,
    responses={**_ANSWERS, **responses(400, 401, 410, 413, 415, 422, 503)},
    openapi_extra={"requestBody": {"required": True, **_BODY}},
)
async def create_batch(
    caller: Caller,
    owned: Owned,
    request: Request,
    idempotency_key: IdempotencyKey,
    prefer: PreferHeader = None,
) -> Response:
    """Accepts up to 1,000 texts, all of them or none. Each becomes a job of its own, which knows its batch."""
    check_media_type(request.headers.get("content-type", ""))
    # Reading millions of characters takes seconds, in which others want to be served.
    batch_request = await run_in_threadpool(parse_batch, await request.body())
    unrepeated = await run_in_threadpool(once, idempotency_key, caller, PATH, batch_request)
    seen = await _accepted(batch_request, caller, owned, unrepeated)
    preference = Preference.of(prefer)
    seen = await _awaited(request, seen, owned, preference)
    answered = seen.batch.ended and preference.wait
    response = DirectResponse(batch_view(seen), 200 if answered else 202)
    response.headers["Location"] = batch_path(seen.batch.id)
    preference.apply(response, ended=seen.batch.ended)
    if not answered:
        response.headers["Retry-After"] = str(poll_seconds(owned.settings))
    return response


@router.get("", responses=responses(401, 422, 503))
async def list_batches(query: Annotated[BatchQuery, Query()], owned: Owned, caller: Caller) -> BatchList:
    """Your batches, the newest first, without their jobs."""
    page = await owned.batches.list(caller, query.cursor, query.limit)
    return BatchList.model_validate({"batches": list(map(summary, page.batches)), "next_cursor": page.next_cursor})


@router.get("/{batch_id}", response_model=BatchView, responses=responses(401, 404, 503))
async def read_batch(
    batch_id: str, request: Request, owned: Owned, caller: Caller, prefer: PreferHeader = None
) -> Response:
    """How far a batch has come; with `Prefer: wait=N` once it has ended, or after N seconds as it then is."""
    preference = Preference.of(prefer)
    seen = await _awaited(request, await owned.batches.look(batch_id, caller), owned, preference)
    response = DirectResponse(batch_view(seen))
    preference.apply(response, ended=seen.batch.ended)
    return response


@router.delete("/{batch_id}", responses={**_CANCELING, **responses(401, 404, 409, 503)})
async def cancel_batch(batch_id: str, owned: Owned, caller: Caller, response: Response) -> BatchView:
    """Cancels all jobs of a batch that have not ended; what has been spoken stays."""
    await owned.batches.cancel(await owned.batches.get(batch_id, caller))
    seen = await owned.batches.look(batch_id, caller)
    if not seen.batch.ended:
        response.status_code = 202
        response.headers["Retry-After"] = str(poll_seconds(owned.settings))
    return BatchView.model_validate(batch_view(seen))


@router.get("/{batch_id}/events", response_class=EventStream, responses={**_STREAM, **responses(401, 404, 503)})
async def follow_batch(
    batch_id: str, request: Request, owned: Owned, last_event_id: LastEventHeader = None
) -> Response:
    """A batch's counts as they change, until all of its jobs have ended. Comments keep the connection alive."""
    return await followed(request, owned, lambda caller: owned.batches.get(batch_id, caller), _told, last_event_id)


async def _accepted(batch_request: BatchRequest, caller: str, owned: Resources, unrepeated: Once | None) -> BatchSeen:
    """The batch that answers the request: a new one, or that of the same request before it."""
    known = await owned.submissions.known(unrepeated) if unrepeated else None
    if known is None:
        url, allowed = batch_request.webhook, owned.settings.webhook_receivers
        webhook = None if url is None else subscription(url, [_END], caller, allowed)
        batch_id, around = new_batch_id(), await Surroundings.of(batch_request, caller, owned)
        jobs = await run_in_threadpool(jobs_of, batch_request, batch_id, around, owned)
        batch = Batch(
            id=batch_id,
            caller=caller,
            created_at=time.time(),
            total=len(jobs),
            characters=sum(len(job.speech.text) for job in jobs),
            counts={JobStatus.QUEUED: len(jobs)},
            name=batch_request.name,
            metadata=batch_request.metadata,
            webhook=webhook,
        )
        # What any of them needs: a batch is accepted whole.
        allowance = await allowance_of(next((job for job in jobs if job.speech.gpu), jobs[0]), owned)
        submitted = await owned.batch_submissions.submit(batch, jobs, unrepeated, allowance)
        for lane in submitted.lanes:
            await wake(owned.queue, lane)
        known = submitted.batch_id
    try:
        return await owned.batches.look(known, caller)
    except NotFound:
        raise Gone("what this request led to has expired; send it under a new key") from None


async def _awaited(request: Request, seen: BatchSeen, owned: Resources, preference: Preference) -> BatchSeen:
    if seen.batch.ended or not preference.wait:
        return seen
    await until_ended(request, owned.changes, seen.batch, preference.wait)
    return await owned.batches.look(seen.batch.id, seen.batch.caller)


def _told(batch: Batch) -> ServerSentEvent:
    data = BatchSummary.model_validate(summary(batch)).model_dump_json()
    # The same for the same state.
    return event(data, hashlib.sha256(data.encode()).hexdigest()[:16], ended=batch.ended)
