"""The one way in which a job changes its state in Redis: a Lua function that the scripts share.

It holds the change to the legal sources, and keeps the lane and the indexes in step with the job's record.
"""

import json
from collections.abc import Iterable

from app.shared import keys
from app.shared.batch import TALLY_LUA
from app.shared.clock import CLOCK_LUA
from app.shared.deliveries import TELL_LUA
from app.shared.job import SOURCES, SPENT_FIELDS, TERMINAL, JobStatus
from app.shared.metrics import METRICS_LUA

# A job's place in its lane, among all and among its caller's.
LANE_LUA = f"""
local function enter_lane(id, lane, caller, score, deadline)
  local all = '{keys.LANE}' .. lane
  redis.call('ZADD', all, score, id)
  redis.call('ZADD', all .. ':of:' .. caller, score, id)
  redis.call('SADD', all .. ':callers', caller)
  redis.call('ZADD', '{keys.QUEUED}', deadline, id)
  if redis.call('HEXISTS', '{keys.JOB}' .. id, 'fallback') == 1 then redis.call('SADD', all .. ':fallbacks', id) end
end
local function leave_lane(id, lane, caller)
  local all = '{keys.LANE}' .. lane
  redis.call('ZREM', all, id)
  redis.call('ZREM', all .. ':of:' .. caller, id)
  if redis.call('EXISTS', all .. ':of:' .. caller) == 0 then redis.call('SREM', all .. ':callers', caller) end
  redis.call('ZREM', '{keys.QUEUED}', id)
  redis.call('SREM', all .. ':fallbacks', id)
end
"""

# show(id, fields) writes fields of a job, notes since when it has been in its phase, and tells whoever waits for it.
SHOW_LUA = f"""{CLOCK_LUA}
local function show(id, fields)
  local key = '{keys.JOB}' .. id
  for place = 1, #fields, 2 do
    if fields[place] == 'phase' and fields[place + 1] ~= redis.call('HGET', key, 'phase') then
      redis.call('HSET', key, 'phase_at', clock())
    end
  end
  if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
  redis.call('PUBLISH', '{keys.CHANGED_JOB}', id)
  -- Those who share its synthesis show how far it is.
  for _, follower in ipairs(redis.call('SMEMBERS', '{keys.FOLLOWERS}' .. id)) do
    redis.call('PUBLISH', '{keys.CHANGED_JOB}', follower)
  end
end
"""

# transition(id, to, now, sources, fields) answers the status that was met, '' for no such job. `sources` is an array of
# statuses; `fields` a flat array of field, value, …, as `app.shared.job.change` makes them.
TRANSITION_LUA = f"""{LANE_LUA}{SHOW_LUA}{METRICS_LUA}{TELL_LUA}{TALLY_LUA}
-- Called with pcall: whatever is unreadable in the job's record, the change itself is made.
local function count_end(key, lane, to, now)
  count('jobs_ended|' .. lane .. '|' .. to, 1)
  if to == '{JobStatus.FAILED}' then
    local stored = redis.call('HGET', key, 'error')
    local error = stored and cjson.decode(stored)
    count('jobs_failed|' .. lane .. '|' .. (type(error) == 'table' and error.code or 'unknown'), 1)
  end
  observe('job_seconds|' .. lane, math.max(0, now - redis.call('HGET', key, 'created_at')))
end
-- A start is told as it was: the job may have ended before its receiver hears of it. Called with pcall, as what tells
-- of the end is: where a wish cannot be read, the change itself is made.
local function tell_start(id, webhook)
  local key, moment = '{keys.JOB}' .. id, {{}}
  for _, field in ipairs({{'status', 'phase', 'started_at', 'run'}}) do
    moment[field] = redis.call('HGET', key, field) or nil
  end
  tell(key, id, webhook, 'job.started', cjson.encode(moment))
end
local function transition(id, to, now, sources, fields)
  local key = '{keys.JOB}' .. id
  local status = redis.call('HGET', key, 'status')
  if not status then return '' end
  local legal = false
  for _, source in ipairs(sources) do legal = legal or source == status end
  if not legal then return status end
  local job = redis.call('HMGET', key, 'caller', 'lane', 'score', 'deadline', 'webhook', 'batch')
  local mine = '{keys.JOBS}' .. job[1] .. ':'
  redis.call('HSET', key, 'status', to)
  show(id, fields)
  redis.call('ZREM', mine .. status, id)
  redis.call('ZADD', mine .. to, 0, id)
  if to == '{JobStatus.QUEUED}' then
    enter_lane(id, job[2], job[1], job[3], job[4])
  else
    leave_lane(id, job[2], job[1])
  end
  if to == '{JobStatus.RUNNING}' and redis.call('HSETNX', key, 'started_at', now) == 1 and job[5] then
    pcall(tell_start, id, job[5])
  end
  if to == '{JobStatus.RUNNING}' or to == '{JobStatus.CANCELING}' then
    redis.call('ZADD', '{keys.RUNNING}', now, id)
  else
    redis.call('ZREM', '{keys.RUNNING}', id)
  end
  local ended = {" or ".join(f"to == '{status}'" for status in sorted(TERMINAL))}
  if job[6] then tally(job[6], key, status, to, ended, now) end
  if ended then
    redis.call('ZADD', '{keys.FINISHED}', now, id)
    pcall(count_end, key, job[2], to, now)
    if job[5] then pcall(tell_end, id, job[5], to) end
    redis.call('HDEL', key, {", ".join(f"'{name}'" for name in SPENT_FIELDS)})
  end
  return status
end
"""

# A script that does nothing else; its arguments come from `transition_arguments`.
TRANSITION = f"""{TRANSITION_LUA}
return transition(ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4]), cjson.decode(ARGV[5]))
"""


def transition_arguments(
    job_id: str, to: JobStatus, now: float, fields: dict[str, str], sources: Iterable[JobStatus] = ()
) -> list[str]:
    """The arguments of TRANSITION for a change to `to` from `sources` (all legal ones when none are named)."""
    return [job_id, to, repr(now), json.dumps(sorted(sources or SOURCES[to])), json.dumps(flat(fields))]


def flat(fields: dict[str, str]) -> list[str]:
    """Field, value, field, value, … as HSET takes them."""
    return [part for pair in fields.items() for part in pair]
