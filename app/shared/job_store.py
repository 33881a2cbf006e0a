"""Jobs and lanes in Redis, as the API sees them: how they come there is in `submission.py`, what workers do to them in
`workers/run_store.py`.

Every change is one script, so that a job is never in two states. Three races are settled here:

- a cancel against a claim: both need the job to be `queued`, and the first one changes that; where the claim was first,
  the run is told instead, and its worker does what can be done;
- two changes to a terminal state: the first wins, the second is told which state it met;
- a repeated script after a lost answer: it finds its own work done and says so.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import structlog

from app.shared import keys
from app.shared.capacity import Capacity
from app.shared.errors import Conflict, Gone, NotFound, RequestRefused
from app.shared.eta import Pace, Paces, eta_seconds
from app.shared.identifiers import is_id
from app.shared.job import UNREADABLE, Job, JobStatus, change, from_fields
from app.shared.pipelines import SharedPipelines
from app.shared.place import PLACE_LUA, Place
from app.shared.transition import TRANSITION_LUA, flat

log = structlog.get_logger(__name__)

# Takes id, now, fields of a cancelled job as JSON, seconds for which the run remembers. Answers the status it has met;
# repeated after a lost answer it says what it met at first.
_CANCEL = f"""{TRANSITION_LUA}
local met = transition(ARGV[1], '{JobStatus.CANCELED}', ARGV[2], {{'{JobStatus.QUEUED}'}}, cjson.decode(ARGV[3]))
if met == '{JobStatus.CANCELED}' and redis.call('HGET', '{keys.JOB}' .. ARGV[1], 'finished_at') == ARGV[2] then
  return '{JobStatus.QUEUED}'
end
if met ~= '{JobStatus.RUNNING}' then return met end
local cancels = '{keys.RUN}' .. cjson.decode(redis.call('HGET', '{keys.JOB}' .. ARGV[1], 'run')).id .. ':cancels'
transition(ARGV[1], '{JobStatus.CANCELING}', ARGV[2], {{'{JobStatus.RUNNING}'}}, {{}})
redis.call('SADD', cancels, ARGV[1])
redis.call('EXPIRE', cancels, ARGV[4])
return met
"""
_CANCELS_SECONDS = 7 * 24 * 3600

# Takes id. Answers the fields of the job, and its place where it waits.
_LOOK = f"""{PLACE_LUA}
local key = '{keys.JOB}' .. ARGV[1]
local job = redis.call('HMGET', key, 'status', 'lane')
return {{redis.call('HGETALL', key), job[1] == '{JobStatus.QUEUED}' and place(ARGV[1], job[2])}}
"""


@dataclass(frozen=True)
class Page:
    """Some of a caller's jobs, the newest first; `next_cursor` is None on the last page."""

    jobs: Sequence[Job]
    next_cursor: str | None


@dataclass(frozen=True)
class Standing:
    """Where a job stands that has not ended: how many jobs of its lane come before it while it waits, what the lane
    waits for, if anything, and in how many seconds the job will be done, if that can be known.

    `waiting` has the fields code, detail and retry_at. Of a job that shares another one's synthesis all of it is that
    one's, and `progress` too.
    """

    position: int | None = None
    waiting: dict[str, Any] | None = None
    eta_seconds: float | None = None
    progress: float | None = None


_NOWHERE = Standing()


@dataclass(frozen=True)
class Seen:
    """A job as it was read, and where it stood."""

    job: Job
    standing: Standing

    @property
    def id(self) -> str:
        """The job's."""
        return self.job.id

    @property
    def lane(self) -> str:
        """Whose changes concern it; another one after it has fallen back."""
        return self.job.speech.lane

    @property
    def ended(self) -> bool:
        """Whether the job has."""
        return self.job.status.terminal


class JobStore:
    """Reads, lists and cancels jobs. Raises redis' own errors when the server does not answer."""

    def __init__(self, redis: SharedPipelines, capacity: Capacity) -> None:
        self._redis = redis
        self._capacity = capacity
        self._paces = Paces(redis)
        self._cancel = redis.register_script(_CANCEL)
        self._look = redis.register_script(_LOOK)

    async def get(self, job_id: str, caller: str) -> Job:
        """Raises NotFound for an id that is unknown or another caller's."""
        fields = cast("dict[str, str]", await self._redis.hgetall(keys.JOB + job_id) if is_id(job_id) else {})
        return _own(fields, job_id, caller)

    async def look(self, job_id: str, caller: str) -> Seen:
        """The job and where it stands, at one moment. Raises NotFound for an id that is unknown or another caller's."""
        found, place = await self._look(args=[job_id]) if is_id(job_id) else ([], None)
        job = _own(dict(zip(found[::2], found[1::2], strict=True)), job_id, caller)
        if job.follows and job.status is JobStatus.QUEUED:
            return Seen(job, await self.standing(job))
        return await self.seen(job, place)

    async def seen(self, job: Job, place: Place | None) -> Seen:
        """The job as it was read together with this place."""
        return Seen(job, await self._standing(job, _NOWHERE if place is None else _placed(*place)))

    async def read(self, job_ids: Sequence[str]) -> Sequence[Job]:
        """Those of these jobs that are there and can be read, whosoever they are, in one round trip."""
        found = await self._redis.together([("HGETALL", keys.JOB + job_id) for job_id in job_ids])
        return [job for fields in found if fields and (job := _readable(fields))]

    async def pace(self, lane: str) -> Pace | None:
        """How long the lane's runs take, None before one has ended."""
        return await self._paces.of(lane)

    async def standing(self, job: Job) -> Standing:
        """Where the job stands; nowhere when it has ended."""
        return (await self.standings([job]))[0]

    async def standings(self, jobs: Sequence[Job]) -> Sequence[Standing]:
        """The standing of each of these jobs, in one round trip, or two where some share others' synthesis."""
        following = [job for job in jobs if job.follows and job.status is JobStatus.QUEUED]
        led = await self._led(following) if following else {}
        standings = await self._own_standings(jobs)
        return [led.get(job.id, own) for job, own in zip(jobs, standings, strict=True)]

    async def _led(self, following: Sequence[Job]) -> Mapping[str, Standing]:
        """Standings of jobs that share the synthesis of others; of one whose leader is gone, none."""
        leaders = await self.read(list({job.follows for job in following}))
        theirs = zip(leaders, await self._own_standings(leaders), strict=True)
        known = {leader.id: (leader, standing) for leader, standing in theirs}
        return {job.id: _sharing(*known[job.follows]) for job in following if job.follows in known}

    async def _own_standings(self, jobs: Sequence[Job]) -> Sequence[Standing]:
        lanes = await self._lanes([job for job in jobs if job.status is JobStatus.QUEUED])
        return [await self._standing(job, lanes.get(job.id, _NOWHERE)) for job in jobs]

    async def _standing(self, job: Job, found: Standing) -> Standing:
        pace = None if job.status.terminal else await self._paces.of(job.speech.lane)
        eta = eta_seconds(job, pace, self._capacity, time.time(), place=found.position, waiting=found.waiting)
        return found if eta is None else replace(found, eta_seconds=eta)

    async def _lanes(self, waiting: Sequence[Job]) -> Mapping[str, Standing]:
        """The places of waiting jobs in their lanes."""
        commands: list[tuple[str, ...]] = []
        for job in waiting:
            lane = keys.LANE + job.speech.lane
            commands += [("ZRANK", lane, job.id), ("MGET", f"{lane}:pause", f"{lane}:busy")]
        answers = await self._redis.together(commands)
        return {
            job.id: _placed(rank, *reasons)
            for job, rank, reasons in zip(waiting, answers[::2], answers[1::2], strict=True)
        }

    async def list(self, caller: str, status: JobStatus | None, cursor: str | None, limit: int) -> Page:
        """The caller's jobs, the newest first. Raises RequestRefused for a cursor that is not one of ours."""
        index = keys.JOBS + caller + (f":{status}" if status else "")
        newest = f"({decode_cursor(cursor)}" if cursor else "+"
        found = await self._redis.zrange(index, newest, "-", bylex=True, desc=True, offset=0, num=limit + 1)
        ids = cast("list[str]", found)
        more = encode_cursor(ids[limit - 1]) if len(ids) > limit else None
        return Page(await self.read(ids[:limit]), more)

    async def cancel(self, job: Job) -> None:
        """Cancels a job that waits, and asks for the end of one that runs. Raises Conflict for one that has ended."""
        now = time.time()
        fields = json.dumps(flat(change(finished_at=now, waiting=None)))
        met = await self._cancel(args=[job.id, repr(now), fields, _CANCELS_SECONDS])
        if met == "":
            raise Gone("the job has expired")
        if JobStatus(met).terminal:
            raise Conflict(f"the job has ended: it is {met}", code="job_ended")


def _own(fields: Mapping[str, str], job_id: str, caller: str) -> Job:
    if not fields or fields["caller"] != caller:
        raise NotFound(f"there is no job '{job_id[:64]}'; GET /jobs lists yours", code="job_not_found")
    return from_fields(fields)


def _readable(fields: Mapping[str, str]) -> Job | None:
    """None for a record that cannot be read: its neighbours are to be seen all the same, and a worker will meet it."""
    try:
        return from_fields(fields)
    except UNREADABLE:
        log.exception("job not readable", job=fields.get("id"))
        return None


def _placed(rank: int | None, *reasons: str | None) -> Standing:
    return Standing(rank, next((json.loads(reason) for reason in reasons if reason), None))


def _sharing(leader: Job, standing: Standing) -> Standing:
    waiting = {
        "code": "shared_synthesis",
        "detail": f"the same is being spoken for your job {leader.id}: its audio will be this job's too",
    }
    return replace(standing, waiting=waiting, progress=leader.progress)


def encode_cursor(identifier: str) -> str:
    """What stands for the last one of a page."""
    return base64.urlsafe_b64encode(identifier.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, is_ours: Callable[[str], bool] = is_id) -> str:
    """The last one of the page before. Raises RequestRefused for a cursor that is not one of ours."""
    try:
        identifier = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        identifier = ""
    if not is_ours(identifier):
        raise RequestRefused(
            "cursor", "not a cursor of this service; take next_cursor from the page before", code="invalid_cursor"
        )
    return identifier
