"""How a request becomes a job in Redis, or finds the one that answers it: one script, so that nothing is in between.

In this order: the request was sent before under the same Idempotency-Key; it joins the job of the same request that is
under way (OpenAI's clients, which repeat in silence); its speech is kept already; it follows a job that is being spoken
alike; or it is a new job in its lane. A repeated script after a lost answer finds its own work done and says so.
"""

import math
import time
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis

from app.shared import keys
from app.shared.deliveries import TELL_LUA
from app.shared.errors import BudgetSpent, RequestRefused, StoreUnavailable, TooManyRequests, TooManyWaiting
from app.shared.job import Job, JobStatus, to_fields
from app.shared.metrics import METRICS_LUA
from app.shared.place import PLACE_LUA, Place
from app.shared.result_cache import FORGET, Entry, stem
from app.shared.sharing import SHARING_LUA
from app.shared.transition import LANE_LUA, flat

JOINABLE_SECONDS = 300
"""After a success: whoever is sent away while another format is made of the audio has come back by then."""

_JOINABLE_FAILURE_SECONDS = 30
_WAITING_SECONDS = 5
_DAY = 24 * 3600
# Longer than any job waits and runs; one that has ended leads nobody, whatever is still written of it.
LEADER_SECONDS = 10 * _DAY

# remember(id, same, once, payload) lets a repeated request find the job.
REMEMBER_LUA = f"""
local function remember(id, same, once, payload)
  if same ~= '' then redis.call('SET', '{keys.SAME}' .. same, id, 'EX', {_DAY}) end
  if once ~= '' then redis.call('SET', '{keys.ONCE}' .. once, payload .. ':' .. id, 'EX', {_DAY}) end
end
"""

# Takes id, lane, caller, score, deadline, most waiting jobs, result key, whether it may share a synthesis ('1'), what
# it has in common with a request that it may join, key of its idempotency, digest of its payload, now, most waiting
# jobs of the caller, whether its GPU budget is spent ('1'), and the fields field, value, … of the job. '' stands for
# what it has not.
# Answers a word and what belongs to it; `Submissions.submit` says which.
_SUBMIT = f"""{LANE_LUA}{METRICS_LUA}{PLACE_LUA}{SHARING_LUA}{REMEMBER_LUA}
local id, lane, caller, score, deadline = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local most, result, shares, same, once, payload, now = tonumber(ARGV[6]), unpack(ARGV, 7, 12)
local most_own, spent = tonumber(ARGV[13]), ARGV[14]
local job = '{keys.JOB}' .. id

-- One that has not ended, or not for long, because a client that lost its connection at that moment asks again. Only a
-- job that was cancelled is never joined.
local function joinable(other)
  if under_way(other) then return true end
  local found = redis.call('HMGET', '{keys.JOB}' .. other, 'status', 'finished_at')
  local after = {{ {JobStatus.SUCCEEDED} = {JOINABLE_SECONDS}, {JobStatus.FAILED} = {_JOINABLE_FAILURE_SECONDS} }}
  return after[found[1]] ~= nil and redis.call('TIME')[1] - found[2] < after[found[1]]
end

if once ~= '' then
  local known = redis.call('GET', '{keys.ONCE}' .. once)
  if known then return {{'known', known}} end
end
if same ~= '' then
  local other = redis.call('GET', '{keys.SAME}' .. same)
  if other and other ~= id and joinable(other) then
    remember(other, same, once, payload)
    return {{'joined', other}}
  end
end
if redis.call('EXISTS', job) == 0 then
  if result ~= '' then
    local entry = redis.call('GET', '{keys.RESULT}' .. result)
    if entry then
      redis.call('ZADD', '{keys.ANSWERING}', now, id .. ':' .. cjson.decode(entry).audio.sha256)
      return {{'found', entry}}
    end
  end
  if redis.call('ZCARD', '{keys.QUEUED}') >= most then return {{'full'}} end
  local queued = '{keys.JOBS}' .. caller .. ':{JobStatus.QUEUED}'
  if most_own and redis.call('ZCARD', queued) >= most_own then return {{'own_full'}} end
  local leader = shares == '1' and redis.call('GET', '{keys.LEADER}' .. result)
  leader = leader and under_way(leader) and leader
  -- What is kept, or being spoken anyway, costs nothing more.
  if spent == '1' and not leader then return {{'spent'}} end
  redis.call('HSET', job, unpack(ARGV, 15))
  count('jobs_accepted|' .. lane, 1)
  redis.call('ZADD', '{keys.JOBS}' .. caller, 0, id)
  redis.call('ZADD', queued, 0, id)
  remember(id, same, once, payload)
  if leader then
    follow(id, leader, lane, caller, score, deadline)
    return {{'accepted', 0, place(id, lane)}}
  end
  if shares == '1' then redis.call('SET', '{keys.LEADER}' .. result, id, 'EX', {LEADER_SECONDS}) end
  if result ~= '' then
    redis.call('HINCRBY', '{keys.SAVINGS}' .. caller, 'misses', 1)
    count('cache|miss', 1)
  end
  enter_lane(id, lane, caller, score, deadline)
  redis.call('SADD', '{keys.LANES}', lane)
end
local woken = redis.call('SET', '{keys.LANE}' .. lane .. ':woken', '1', 'NX', 'EX', 10) and 1 or 0
return {{'accepted', woken, place(id, lane)}}
"""

# Takes id, caller, lane, now, result key, sha256 of the kept wav, GPU seconds that are saved, what it has in common
# with a request that it may join, key of its idempotency, digest of its payload, fields of the job.
# Writes a job that has its audio already. Answers '' or what is known under the idempotency key.
_ANSWER = f"""{METRICS_LUA}{TELL_LUA}{REMEMBER_LUA}
local id, caller, lane, now, result, sha256, saved, same, once, payload = unpack(ARGV, 1, 10)
local job, savings = '{keys.JOB}' .. id, '{keys.SAVINGS}' .. caller
if redis.call('EXISTS', job) == 1 then return '' end
if once ~= '' then
  local known = redis.call('GET', '{keys.ONCE}' .. once)
  if known then return known end
end
redis.call('HSET', job, unpack(ARGV, 11))
redis.call('ZADD', '{keys.JOBS}' .. caller, 0, id)
redis.call('ZADD', '{keys.JOBS}' .. caller .. ':{JobStatus.SUCCEEDED}', 0, id)
redis.call('ZADD', '{keys.FINISHED}', now, id)
redis.call('ZREM', '{keys.ANSWERING}', id .. ':' .. sha256)
redis.call('ZADD', '{keys.RESULTS}', 'XX', now, result)
redis.call('HINCRBY', savings, 'hits', 1)
redis.call('HINCRBYFLOAT', savings, 'gpu_seconds_saved', saved)
count('jobs_accepted|' .. lane, 1)
count('jobs_ended|' .. lane .. '|{JobStatus.SUCCEEDED}', 1)
count('cache|hit', 1)
count('gpu_seconds_saved', saved)
local webhook = redis.call('HGET', job, 'webhook')
if webhook then pcall(tell_end, id, webhook, '{JobStatus.SUCCEEDED}') end
remember(id, same, once, payload)
return ''
"""


@dataclass(frozen=True)
class Once:
    """A request that its client may repeat under the same Idempotency-Key: the key, its caller's own, and a digest of
    what was asked for."""

    key: str
    payload: str


@dataclass(frozen=True)
class Submitted:
    """What has become of a request: the job that answers it and whether the workers of its lane want waking, or the
    kept speech that its job is to be answered with. `place` is a new job's."""

    job_id: str = ""
    wakes: bool = False
    entry: Entry | None = None
    place: Place | None = None


@dataclass(frozen=True)
class Allowance:
    """What the caller's keys leave it: how many of its jobs may wait, and until when its GPU budget is spent.

    None: no limit, and not spent. The time is in seconds since 1970.
    """

    waiting: int | None = None
    spent_until: float | None = None

    def refusal(self, word: str) -> TooManyRequests:
        """What a new job is refused with."""
        if word == "own_full":
            detail = f"{self.waiting} jobs of this name are waiting, and no more may; try again when some have run"
            return TooManyWaiting(detail, retry_after=_WAITING_SECONDS)
        seconds = max(1, math.ceil((self.spent_until or 0) - time.time()))
        detail = "this name has used its share of the week's GPU hours; providers without a GPU need none of it"
        return BudgetSpent(detail, retry_after=seconds)


UNLIMITED = Allowance()


class Submissions:
    """Raises redis' own errors when the server does not answer."""

    def __init__(self, redis: Redis, *, max_waiting_jobs: int) -> None:
        self._redis = redis
        self._max_waiting_jobs = max_waiting_jobs
        self._submit = redis.register_script(_SUBMIT)
        self._answer = redis.register_script(_ANSWER)
        self._forget = redis.register_script(FORGET)

    async def known(self, once: Once) -> str | None:
        """The id of the job or batch that this request has led to before.

        Raises RequestRefused where it was another request.
        """
        found = cast("str | None", await self._redis.get(keys.ONCE + once.key))
        return None if found is None else answer_of(found, once)

    async def submit(
        self, job: Job, *, joining: bool = False, once: Once | None = None, allowance: Allowance = UNLIMITED
    ) -> Submitted:
        """Writes the job and its place in the lane, unless another one answers the request.

        Raises StoreUnavailable when as many jobs wait as may, TooManyWaiting when as many of the caller's do,
        BudgetSpent, and RequestRefused where the idempotency key is another request's.
        """
        same, key, payload = _marks(job, joining=joining, once=once)
        # What may be spoken elsewhere for want of quota may turn out as another speech.
        shares = bool(job.result_key) and job.fallback is None
        word, *more = await self._submit(
            args=[
                job.id, job.speech.lane, job.caller, repr(job.lane_score), repr(job.deadline), self._max_waiting_jobs,
                job.result_key, "1" if shares else "", same, key, payload, repr(time.time()),
                "" if allowance.waiting is None else allowance.waiting, "1" if allowance.spent_until else "",
                *flat(to_fields(job)),
            ],
        )  # fmt: skip
        if word == "full":
            raise queue_is_full()
        if word in {"own_full", "spent"}:
            raise allowance.refusal(word)
        if word == "known" and once:
            return Submitted(answer_of(more[0], once))
        if word == "joined":
            return Submitted(more[0])
        if word == "found":
            return Submitted(entry=Entry.from_json(more[0]))
        return Submitted(job.id, wakes=bool(more[0]), place=more[1])

    async def answer(self, job: Job, entry: Entry, *, joining: bool = False, once: Once | None = None) -> str:
        """Writes a job that has succeeded with kept speech; its id, or that of the job that answers the request.

        Raises RequestRefused where the idempotency key is another request's.
        """
        same, key, payload = _marks(job, joining=joining, once=once)
        known = await self._answer(
            args=[
                job.id, job.caller, job.speech.lane, repr(job.finished_at), job.result_key, entry.audio["sha256"],
                repr(entry.gpu_seconds), same, key, payload, *flat(to_fields(job)),
            ]
        )  # fmt: skip
        return answer_of(known, once) if known and once else job.id

    async def is_kept(self, result_key: str) -> bool:
        """Whether there is speech that answers a request at once."""
        return bool(result_key and await self._redis.exists(keys.RESULT + result_key))

    async def forget(self, result_key: str, entry: Entry) -> None:
        """The entry's audio is gone: it answers nobody any more."""
        await self._forget(args=[result_key, entry.file_id])

    async def discard(self, job_id: str, entry: Entry) -> None:
        """The files that were made for a job which came to nothing may go."""
        await self._redis.sadd(keys.REMOVED_RESULTS, stem(job_id, entry.audio["sha256"]))


def _marks(job: Job, *, joining: bool, once: Once | None) -> tuple[str, str, str]:
    return (job.fingerprint if joining else "", once.key if once else "", once.payload if once else "")


def answer_of(found: str, once: Once) -> str:
    """What the request led to, of what is known under its key. Raises RequestRefused where it was another request."""
    payload, _, job_id = found.partition(":")
    if payload != once.payload:
        detail = "this key came with another request in the last 24 hours; take a new key for a new request"
        raise RequestRefused("Idempotency-Key", detail, code="idempotency_key_reused")
    return job_id


def queue_is_full() -> StoreUnavailable:
    """What whoever sends jobs is told while there is no room for them."""
    return StoreUnavailable(
        "as many jobs are waiting as KAVOX_MAX_WAITING_JOBS allows; try again later", code="queue_full"
    )
