"""Batches in Redis, as the API sees them: how they come there is in `batch_submission.py`.

A batch is read without its jobs' texts, which may be millions of characters: what must be known of all its jobs is read
by one script, and of the jobs themselves only those that tell when the batch will be done.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from app.shared import keys
from app.shared.batch import Batch, from_fields, is_batch_id
from app.shared.errors import Conflict, Gone, NotFound
from app.shared.job import Job, JobStatus
from app.shared.job_store import JobStore, decode_cursor, encode_cursor
from app.shared.pipelines import SharedPipelines

EXPIRED = "expired"
_AT_ONCE = 50
"""Jobs that are read together, texts included."""

# Takes id. Answers the fields of the batch, and of each job its id, status, error, lane, run and place in the lane.
_LOOK = f"""
local key = '{keys.BATCH}' .. ARGV[1]
local jobs = {{}}
for number, id in ipairs(redis.call('LRANGE', key .. ':jobs', 0, -1)) do
  local found = redis.call('HMGET', '{keys.JOB}' .. id, 'status', 'error', 'lane', 'run')
  local place = found[1] == '{JobStatus.QUEUED}' and redis.call('ZRANK', '{keys.LANE}' .. found[3], id)
  jobs[number] = {{id, found[1], found[2], found[3], found[4], place}}
end
return {{redis.call('HGETALL', key), jobs}}
"""


# Takes the batch's files; a name, how many there may be. Answers whether it is one of them now.
_NOTE_FILE = """
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 1 end
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
return redis.call('SADD', KEYS[1], ARGV[1])
"""


@dataclass(frozen=True)
class Member:
    """A job of a batch: `status` is EXPIRED when its record is gone, `error` the code of one that has failed."""

    id: str
    status: str
    error: str | None


@dataclass(frozen=True)
class BatchSeen:
    """A batch with its jobs, in order, and in how many seconds the last of them will be done, if that can be known."""

    batch: Batch
    members: Sequence[Member]
    eta_seconds: float | None


@dataclass(frozen=True)
class BatchPage:
    """Some of a caller's batches, the newest first; `next_cursor` is None on the last page."""

    batches: Sequence[Batch]
    next_cursor: str | None


class BatchStore:
    """Reads, lists and cancels batches. Raises redis' own errors when the server does not answer."""

    def __init__(self, redis: SharedPipelines, jobs: JobStore) -> None:
        self._redis = redis
        self._jobs = jobs
        self._look = redis.register_script(_LOOK)
        self._note_file = redis.register_script(_NOTE_FILE)

    async def get(self, batch_id: str, caller: str) -> Batch:
        """Raises NotFound for an id that is unknown or another caller's."""
        found = await self._redis.hgetall(keys.BATCH + batch_id) if is_batch_id(batch_id) else {}
        return _own(cast("dict[str, str]", found), batch_id, caller)

    async def look(self, batch_id: str, caller: str) -> BatchSeen:
        """The batch and its jobs at one moment. Raises NotFound for an id that is unknown or another caller's."""
        found, rows = await self._look(args=[batch_id]) if is_batch_id(batch_id) else ([], [])
        batch = _own(dict(zip(found[::2], found[1::2], strict=True)), batch_id, caller)
        members = [Member(job_id, status or EXPIRED, _code(error)) for job_id, status, error, *_ in rows]
        return BatchSeen(batch, members, None if batch.ended else await self._eta(rows))

    async def read(self, batch_ids: Sequence[str]) -> Sequence[Batch]:
        """Those of these batches that are there, whosoever they are, in one round trip."""
        found = await self._redis.together([("HGETALL", keys.BATCH + batch_id) for batch_id in batch_ids])
        return [from_fields(fields) for fields in found if fields]

    async def list(self, caller: str, cursor: str | None, limit: int) -> BatchPage:
        """The caller's batches, the newest first. Raises RequestRefused for a cursor that is not one of ours."""
        newest = f"({decode_cursor(cursor, is_batch_id)}" if cursor else "+"
        index = keys.BATCHES + caller
        found = await self._redis.zrange(index, newest, "-", bylex=True, desc=True, offset=0, num=limit + 1)
        ids = cast("list[str]", found)
        more = encode_cursor(ids[limit - 1]) if len(ids) > limit else None
        return BatchPage(await self.read(ids[:limit]), more)

    async def jobs_of(self, batch: Batch) -> AsyncIterator[Sequence[tuple[str, Job | None]]]:
        """The ids of the batch's jobs in order, each with its job or None when that is gone; a few at a time."""
        ids = cast("list[str]", await self._redis.lrange(f"{keys.BATCH}{batch.id}:jobs", 0, -1))
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            found = {job.id: job for job in await self._jobs.read(some)}
            yield [(job_id, found.get(job_id)) for job_id in some]

    async def note_file(self, batch: Batch, name: str, *, most: int) -> bool:
        """Writes down, before it is there, a file that goes when the batch's audio does; False for one too many."""
        return bool(await self._note_file(keys=[f"{keys.BATCH}{batch.id}:files"], args=[name, most]))

    async def cancel(self, batch: Batch) -> None:
        """Cancels its jobs that wait, and asks for the end of those that run. Raises Conflict when all have ended."""
        if batch.ended:
            raise Conflict(f"the batch has ended: it is {batch.status}", code="batch_ended")
        async for some in self.jobs_of(batch):
            await asyncio.gather(*(self._cancel(job) for _, job in some if job and not job.status.terminal))

    async def _cancel(self, job: Job) -> None:
        with suppress(Conflict, Gone):  # it ended a moment ago
            await self._jobs.cancel(job)

    async def _eta(self, rows: Iterable[Sequence[Any]]) -> float | None:
        """When the last one will be done: in each lane the one behind all others, of each run one of its jobs."""
        last: dict[tuple[str, str], tuple[int, str]] = {}
        for job_id, status, _, lane, run, place in rows:
            if status in {JobStatus.QUEUED, JobStatus.RUNNING}:
                group = (lane, json.loads(run)["id"] if status == JobStatus.RUNNING and run else "")
                last[group] = max(last.get(group, (-1, "")), (-1 if place is None else place, job_id))
        jobs = await self._jobs.read([job_id for _, job_id in last.values()])
        etas = [standing.eta_seconds for standing in await self._jobs.standings(jobs)]
        known = [eta for eta in etas if eta is not None]
        return max(known) if known and len(known) == len(etas) else None


def _own(fields: Mapping[str, str], batch_id: str, caller: str) -> Batch:
    if not fields or fields["caller"] != caller:
        raise NotFound(f"there is no batch '{batch_id[:64]}'; GET /batches lists yours", code="batch_not_found")
    return from_fields(fields)


def _code(error: str | None) -> str | None:
    found = json.loads(error) if error else None
    return found and found["code"]
