"""How a batch becomes jobs in Redis: all of them or none, however long their texts are.

    1  each job's record is written by a script of its own: nothing leads to it yet, and it is gone in ten minutes
    2  one script, in which no text occurs, makes jobs of all of them: it finds them complete and room in the queue,
       puts each into its lane or behind what answers it too, and writes the batch

One script with twenty million characters would hold everybody else up. A process that dies before the second step
leaves nothing that anybody can see, and that little goes by itself.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from app.shared import keys
from app.shared.batch import Batch
from app.shared.batch import to_fields as batch_fields
from app.shared.errors import StoreUnavailable
from app.shared.job import Job, JobStatus, to_fields
from app.shared.metrics import METRICS_LUA
from app.shared.result_cache import PREFIX
from app.shared.sharing import SHARING_LUA
from app.shared.submission import (
    LEADER_SECONDS,
    REMEMBER_LUA,
    UNLIMITED,
    Allowance,
    Once,
    answer_of,
    queue_is_full,
)
from app.shared.transition import LANE_LUA, flat

_STAGED_SECONDS = 600
_AT_ONCE = 50
"""A megabyte of English: others' commands go in between."""

# Takes id, seconds, the fields field, value, … of the job.
_STAGE = f"""
local job = '{keys.JOB}' .. ARGV[1]
redis.call('HSET', job, unpack(ARGV, 3))
redis.call('EXPIRE', job, ARGV[2])
"""

# Takes id, caller, now, most waiting jobs, key of its idempotency, digest of its payload, ids of its jobs and fields of
# the batch as JSON, most waiting jobs of the caller. '' stands for what it has not. Answers a word, and what is known
# or which lanes want waking.
_COMMIT = f"""{LANE_LUA}{METRICS_LUA}{SHARING_LUA}{REMEMBER_LUA}
local batch, caller, now, most, once, payload = unpack(ARGV, 1, 6)
local ids, most_own = cjson.decode(ARGV[7]), tonumber(ARGV[9])
local mine = '{keys.JOBS}' .. caller

-- Puts a job where it will be spoken, or behind what answers it too; whether its lane has got it.
local function enter(id)
  local found = redis.call('HMGET', '{keys.JOB}' .. id, 'lane', 'score', 'deadline', 'result_key', 'fallback')
  local lane, score, deadline, result, fallback = unpack(found)
  count('jobs_accepted|' .. lane, 1)
  local kept = result and redis.call('GET', '{keys.RESULT}' .. result)
  if kept then
    wait_for(id, '{PREFIX}' .. cjson.decode(kept).owner, deadline)
    redis.call('ZADD', '{keys.RESULTS}', 'XX', now, result)
    redis.call('HINCRBY', '{keys.SAVINGS}' .. caller, 'hits', 1)
    count('cache|hit', 1)
    return
  end
  -- What may be spoken elsewhere for want of quota may turn out as another speech.
  local shares = result and not fallback
  local leader = shares and redis.call('GET', '{keys.LEADER}' .. result)
  if leader and under_way(leader) then return follow(id, leader, lane, caller, score, deadline) end
  if shares then redis.call('SET', '{keys.LEADER}' .. result, id, 'EX', {LEADER_SECONDS}) end
  if result then
    redis.call('HINCRBY', '{keys.SAVINGS}' .. caller, 'misses', 1)
    count('cache|miss', 1)
  end
  enter_lane(id, lane, caller, score, deadline)
  return lane
end

-- The answer to this very script was lost; the sweep wakes the lanes.
if redis.call('EXISTS', '{keys.BATCH}' .. batch) == 1 then return {{'accepted', {{}}}} end
if once ~= '' then
  local known = redis.call('GET', '{keys.ONCE}' .. once)
  if known then return {{'known', known}} end
end
for _, id in ipairs(ids) do
  if redis.call('EXISTS', '{keys.JOB}' .. id) == 0 then return {{'lost'}} end
end
if redis.call('ZCARD', '{keys.QUEUED}') + #ids > tonumber(most) then return {{'full'}} end
if most_own and redis.call('ZCARD', mine .. ':{JobStatus.QUEUED}') + #ids > most_own then return {{'own_full'}} end
local lanes, wakes = {{}}, {{}}
for _, id in ipairs(ids) do
  redis.call('PERSIST', '{keys.JOB}' .. id)
  redis.call('ZADD', mine, 0, id)
  redis.call('ZADD', mine .. ':{JobStatus.QUEUED}', 0, id)
  redis.call('RPUSH', '{keys.BATCH}' .. batch .. ':jobs', id)
  local lane = enter(id)
  if lane then lanes[lane] = true end
end
for lane in pairs(lanes) do
  redis.call('SADD', '{keys.LANES}', lane)
  if redis.call('SET', '{keys.LANE}' .. lane .. ':woken', '1', 'NX', 'EX', 10) then wakes[#wakes + 1] = lane end
end
redis.call('HSET', '{keys.BATCH}' .. batch, unpack(cjson.decode(ARGV[8])))
redis.call('ZADD', '{keys.BATCHES}' .. caller, 0, batch)
remember(batch, '', once, payload)
return {{'accepted', wakes}}
"""


@dataclass(frozen=True)
class SubmittedBatch:
    """The batch that answers a request, and the lanes whose workers want waking."""

    batch_id: str
    lanes: Sequence[str] = ()


class BatchSubmissions:
    """Raises redis' own errors when the server does not answer."""

    def __init__(self, redis: Redis, *, max_waiting_jobs: int) -> None:
        self._redis = redis
        self._max_waiting_jobs = max_waiting_jobs
        self._stage = redis.register_script(_STAGE)
        self._commit = redis.register_script(_COMMIT)

    async def submit(
        self, batch: Batch, jobs: Sequence[Job], once: Once | None = None, allowance: Allowance = UNLIMITED
    ) -> SubmittedBatch:
        """Writes the batch with all of these jobs, which name it, unless another one answers the request.

        Raises StoreUnavailable where there is no room for all of them, TooManyWaiting where the caller has none,
        BudgetSpent, and RequestRefused where the idempotency key is another request's.
        """
        if allowance.spent_until is not None:
            raise allowance.refusal("spent")
        for start in range(0, len(jobs), _AT_ONCE):
            await asyncio.gather(*map(self._write, jobs[start : start + _AT_ONCE]))
        ids, fields = json.dumps([job.id for job in jobs]), json.dumps(flat(batch_fields(batch)))
        key, payload = (once.key, once.payload) if once else ("", "")
        word, *more = await self._commit(
            args=[
                batch.id, batch.caller, repr(time.time()), self._max_waiting_jobs, key, payload, ids, fields,
                "" if allowance.waiting is None else allowance.waiting,
            ],
        )  # fmt: skip
        if word == "accepted":
            return SubmittedBatch(batch.id, more[0])
        # Who is refused may ask again every few seconds, each time with as many texts.
        await self._redis.unlink(*(keys.JOB + job.id for job in jobs))
        if word == "full":
            raise queue_is_full()
        if word == "own_full":
            raise allowance.refusal(word)
        if word == "known" and once:
            return SubmittedBatch(answer_of(more[0], once))
        raise StoreUnavailable("Redis took too long to take the batch, and forgot its first jobs; send it again")

    async def _write(self, job: Job) -> None:
        await self._stage(args=[job.id, _STAGED_SECONDS, *flat(to_fields(job))])
