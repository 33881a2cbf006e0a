"""GET /jobs/{id}/events: a job's way as server-sent events, for pages and for whoever would poll.

Each event is the job's state, not a step to be counted: whoever reads slowly or comes back gets the newest one. Its id
stands for that state, so that `Last-Event-ID` says which one a client has, to any process and after any restart.

A browser's EventSource comes back by itself after a stream that has ended, and never after an answer that is no stream
(WHATWG HTML, 9.2.3). So while Redis is away it gets a stream without events, and looks again two seconds later.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.api.changes import Changes, Subject
from app.api.dependencies import Owned, Resources, caller_of
from app.api.problems import responses
from app.api.waiting import attended
from app.shared.errors import StoreUnavailable, Unauthorized
from app.shared.job import JobStatus
from app.shared.job_store import Seen
from app.shared.job_view import AudioView, JobError, Waiting, job_view
from app.shared.redis_client import is_outage

router = APIRouter(prefix="/jobs", tags=["jobs"])

RETRY_MILLISECONDS = 2000
_EVENT_STREAM = "text/event-stream"


class JobEvent(BaseModel):
    """What an event tells of a job; the fields are those of the job itself."""

    id: str
    status: JobStatus
    phase: str | None
    progress: float
    position: int | None
    eta_seconds: float | None = Field(description="From the moment of this event.")
    started_at: datetime | None
    finished_at: datetime | None
    warnings: Sequence[str]
    waiting: Waiting | None
    error: JobError | None
    audio: AudioView | None

    @classmethod
    def of(cls, seen: Seen) -> "JobEvent":
        """The event of a job as it was read."""
        view = job_view(seen.job, seen.standing)
        return cls(**{name: view[name] for name in cls.model_fields})

    @property
    def event_id(self) -> str:
        """The same for the same state. The ETA is left out: it changes with every second."""
        return hashlib.sha256(self.model_dump_json(exclude={"eta_seconds"}).encode()).hexdigest()[:16]


class EventStream(EventSourceResponse):
    """Tells FastAPI what it is, for the document."""

    media_type = _EVENT_STREAM


LastEventHeader = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The id of the last event that was received.")
]

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobEvent,
        "description": "Events named `progress`, and one named `end` when the job has ended; their data is a JobEvent.",
    },
    204: {"description": "`Last-Event-ID` is that of the end: there is nothing more to come."},
}


@router.get("/{job_id}/events", response_class=EventStream, responses={**_STREAM, **responses(401, 404, 503)})
async def follow_job(job_id: str, request: Request, owned: Owned, last_event_id: LastEventHeader = None) -> Response:
    """A job's phases, progress and ETA as they change, until it has ended. Comments keep the connection alive."""
    return await followed(request, owned, lambda caller: owned.jobs.look(job_id, caller), _told, last_event_id)


def _told(seen: Seen) -> ServerSentEvent | None:
    its = JobEvent.of(seen)
    # Taken between the reading of the job and of its place: it is no longer waiting, and the next news says so.
    # What shares another job's synthesis has no place once that one runs, and shows its progress instead.
    if its.status is JobStatus.QUEUED and not seen.job.follows and its.position is None:
        return None
    return event(its.model_dump_json(), its.event_id, ended=seen.ended)


def event(data: str, event_id: str, *, ended: bool) -> ServerSentEvent:
    """What is told of something that is followed."""
    return ServerSentEvent(data, event="end" if ended else "progress", id=event_id, retry=RETRY_MILLISECONDS)


async def followed(
    request: Request,
    owned: Resources,
    look: Callable[[str], Awaitable[Subject]],
    told: Callable[[Subject], ServerSentEvent | None],
    last_id: str | None,
) -> Response:
    """The stream of what `look` finds for the caller, as `told` tells it, until it has ended.

    A 204 where its end is the event that the client has already.
    """
    try:
        caller = caller_of(request)
        seen = await look(caller)
    except (RedisError, StoreUnavailable) as error:
        # A process that has never reached Redis cannot tell either whose request it is.
        is_away = isinstance(error, StoreUnavailable) or is_outage(error)
        if is_away and _EVENT_STREAM in request.headers.get("accept", ""):
            return EventSourceResponse(_nothing_yet())
        raise
    last = told(seen)
    if seen.ended and last and last.id == last_id:
        return Response(status_code=204)
    events = _events(request, caller, owned.changes, seen, told, last_id)
    return EventStream(events, ping=owned.settings.heartbeat_seconds)


async def _nothing_yet() -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="Redis does not answer; come back", retry=RETRY_MILLISECONDS)


async def _events(
    request: Request,
    caller: str,
    changes: Changes,
    seen: Subject,
    told: Callable[[Subject], ServerSentEvent | None],
    last_id: str | None,
) -> AsyncIterator[ServerSentEvent]:
    async with attended(request, changes, seen) as watch:
        while True:
            news = told(seen)
            if news and news.id != last_id:
                last_id = news.id
                yield news
            if seen.ended or (found := await watch.news()) is None or not _is_still(caller, request):
                return
            seen = found


def _is_still(caller: str, request: Request) -> bool:
    """Whether the key counts that the stream was asked for with. Without any key, this machine is another caller."""
    try:
        return caller_of(request) == caller
    except Unauthorized:
        return False
