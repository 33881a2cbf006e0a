"""The Lua scripts of `run_store.py`: each one change to a run and its jobs that happens whole or not at all.

Every script that writes on behalf of a run begins with its fence: the number grows with each owner, so a worker that
was stopped and wakes up again after another has taken over changes nothing.
"""

from app.shared import keys
from app.shared.deliveries import TELL_LUA
from app.shared.job import JobStatus
from app.shared.transition import SHOW_LUA, TRANSITION_LUA
from workers.billing import BILL_LUA
from workers.run import ENDED

FENCED = "FENCED"
PHASES_SECONDS = 7 * 24 * 3600

# Whether a job is still this run's: one that went back to its lane may be another run's by now.
_BELONGS = f"""
local function belongs(id, run)
  local shown = redis.call('HGET', '{keys.JOB}' .. id, 'run')
  if not shown or shown == 'null' then return false end
  return cjson.decode(shown).id == run
end
"""

# The run is over, so what was to be cancelled is. A job that went back to its lane is not asked again.
_CANCEL_REST = f"""
local function cancel_rest(key, run, now)
  for _, id in ipairs(cjson.decode(redis.call('HGET', key, 'jobs'))) do
    if belongs(id, run) then
      local fields = {{'finished_at', now, 'waiting', 'null'}}
      transition(id, '{JobStatus.CANCELED}', now, {{'{JobStatus.CANCELING}'}}, fields)
    end
  end
  redis.call('DEL', key .. ':cancels')
end
"""

_FENCE = f"""
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then
  return redis.error_reply('{FENCED} another worker owns the run')
end
"""

# Takes run, lease, lane's pause, open runs, lane's busy note, ended runs; token, lease ms, most runs, now, created_at,
# run id, ids of jobs as JSON, fields of each job as JSON, fields of the run as JSON, the least speech that a caller who
# waits has been given, in seconds, the kind of its sessions.
# Answers the jobs that were taken as JSON, 'paused', 'busy' or 'empty'. The speech is put down to its callers.
CLAIM = f"""{TRANSITION_LUA}
local before = redis.call('HGET', KEYS[1], 'jobs')
if before then return before end
if redis.call('EXISTS', KEYS[3]) == 1 then return 'paused' end
local most, open = tonumber(ARGV[3]), redis.call('ZCARD', KEYS[4])
if open >= most then return 'busy' end
-- Runs that wait to be published hold no session; but where none can be, no more machines are to be paid for. Those of
-- other kinds say nothing of this one: Kaggle may be silent, and one's own GPU do well.
for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
  local run = redis.call('HMGET', '{keys.RUN}' .. id, 'gpu', 'own_gpu')
  local kind = run[1] == 'true' and 'gpu' or run[2] == 'true' and 'own_gpu' or 'cpu'
  if kind == ARGV[11] then open = open + 1 end
end
if open >= 2 * most then return 'busy' end
local taken, spent = {{}}, {{}}
local shown = cjson.decode(ARGV[8])
for _, id in ipairs(cjson.decode(ARGV[7])) do
  local met = transition(id, '{JobStatus.RUNNING}', ARGV[4], {{'{JobStatus.QUEUED}'}}, shown)
  if met == '{JobStatus.QUEUED}' then
    taken[#taken + 1] = id
    local job = redis.call('HMGET', '{keys.JOB}' .. id, 'caller', 'seconds')
    spent[job[1]] = (spent[job[1]] or 0) + job[2]
  end
end
if #taken == 0 then return 'empty' end
local floor = math.max(tonumber(redis.call('HGET', '{keys.SERVED}', '') or 0), tonumber(ARGV[10]))
for caller, seconds in pairs(spent) do
  local given = math.max(tonumber(redis.call('HGET', '{keys.SERVED}', caller) or 0), floor)
  redis.call('HSET', '{keys.SERVED}', caller, given + seconds)
end
redis.call('HSET', '{keys.SERVED}', '', floor)
redis.call('DEL', KEYS[5])
local jobs = cjson.encode(taken)
redis.call('HSET', KEYS[1], unpack(cjson.decode(ARGV[9])))
redis.call('HSET', KEYS[1], 'jobs', jobs)
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[4], ARGV[5], ARGV[6])
redis.call('PUBLISH', '{keys.CHANGED_LANE}', cjson.decode(redis.call('HGET', KEYS[1], 'lane')))
return jobs
"""

# Takes run, lease, open runs of each kind; token, lease ms, run id.
# Answers the new fence, 0 when somebody else owns the run or it is closed.
ACQUIRE = """
local open = false
for kind = 3, #KEYS do open = open or redis.call('ZSCORE', KEYS[kind], ARGV[3]) end
if not open then return 0 end
local owner = redis.call('GET', KEYS[2])
if owner == ARGV[1] then return tonumber(redis.call('HGET', KEYS[1], 'fence')) end
if owner then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('HINCRBY', KEYS[1], 'fence', 1)
"""

# Takes run, lease, cancels; fence, token, lease ms. A lease that has run out is taken up again as long as nobody else
# did. Answers whether any of its jobs is to be cancelled.
RENEW = f"""{_FENCE}
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return redis.call('EXISTS', KEYS[3])
"""

# Takes run, lease; fence, fields as JSON.
RELEASE = f"""{_FENCE}
redis.call('HSET', KEYS[1], unpack(cjson.decode(ARGV[2])))
redis.call('DEL', KEYS[2])
"""

# Takes run, its phases, open runs, ended runs; fence, run id, fields of the run as JSON, fields of its jobs that have
# not ended as JSON, the phase that these show, '' for none. A run that is recorded as ended is billed, so that its jobs
# know their shares before they end, and holds no session any more; one whose end was none holds it again.
RECORD = f"""{SHOW_LUA}{TELL_LUA}{_BELONGS}{BILL_LUA}{_FENCE}
local fields = cjson.decode(ARGV[3])
if #fields > 0 then redis.call('HSET', KEYS[1], unpack(fields)) end
local ended = redis.call('HMGET', KEYS[1], 'step', 'ended_at')
if ended[1] == '"ended"' then bill(KEYS[1], ended[2]) end
local from, to = KEYS[4], KEYS[3]
if ended[1] == '"ended"' then from, to = to, from end
local created = redis.call('ZSCORE', from, ARGV[2])
if created then
  redis.call('ZREM', from, ARGV[2])
  redis.call('ZADD', to, created, ARGV[2])
end
local shown = cjson.decode(ARGV[4])
if #shown == 0 then return end
if ARGV[5] ~= '' then
  redis.call('HSETNX', KEYS[2], ARGV[5], clock())
  redis.call('EXPIRE', KEYS[2], {PHASES_SECONDS})
end
for _, id in ipairs(cjson.decode(redis.call('HGET', KEYS[1], 'jobs'))) do
  local key = '{keys.JOB}' .. id
  local job = redis.call('HMGET', key, 'status', 'webhook')
  local open = job[1] == '{JobStatus.RUNNING}' or job[1] == '{JobStatus.CANCELING}'
  if open and belongs(id, ARGV[2]) then
    show(id, shown)
    if job[2] then pcall(tell_progress, id, job[2]) end
  end
end
"""

# Takes run; fence, run id, now. Counts, once, that the run has got a machine: for its jobs that is an attempt.
START = f"""{_BELONGS}{_FENCE}
if redis.call('HGET', KEYS[1], 'running_at') ~= '0.0' then return end
redis.call('HSET', KEYS[1], 'running_at', ARGV[3])
for _, id in ipairs(cjson.decode(redis.call('HGET', KEYS[1], 'jobs'))) do
  if belongs(id, ARGV[2]) then redis.call('HINCRBY', '{keys.JOB}' .. id, 'attempts', 1) end
end
"""

# Takes run; fence, run id, then the arguments of TRANSITION. Answers the status that was met, '' for no job of the run.
SETTLE = f"""{TRANSITION_LUA}{_BELONGS}{_FENCE}
if not belongs(ARGV[3], ARGV[2]) then return '' end
return transition(ARGV[3], ARGV[4], ARGV[5], cjson.decode(ARGV[6]), cjson.decode(ARGV[7]))
"""

# Takes run, lease, open runs, lane's pause, lane's failures; fence, run id, now, fields of its jobs as JSON, pause ms,
# reason, seconds for which the record is kept, failures, seconds for which they count.
# Puts what is still running back into the lane and closes the run.
GIVE_BACK = f"""{TRANSITION_LUA}{_BELONGS}{_CANCEL_REST}{BILL_LUA}{_FENCE}
bill(KEYS[1], ARGV[3])
for _, id in ipairs(cjson.decode(redis.call('HGET', KEYS[1], 'jobs'))) do
  if belongs(id, ARGV[2]) then
    transition(id, '{JobStatus.QUEUED}', ARGV[3], {{'{JobStatus.RUNNING}'}}, cjson.decode(ARGV[4]))
  end
end
cancel_rest(KEYS[1], ARGV[2], ARGV[3])
if tonumber(ARGV[5]) > 0 then redis.call('SET', KEYS[4], ARGV[6], 'PX', ARGV[5]) end
redis.call('PUBLISH', '{keys.CHANGED_LANE}', cjson.decode(redis.call('HGET', KEYS[1], 'lane')))
redis.call('SET', KEYS[5], ARGV[8], 'EX', ARGV[9])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('ZREM', '{keys.RUNS}{ENDED}', ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('HINCRBY', KEYS[1], 'fence', 1)
"""

# Takes run, lease, open runs; fence, run id, now, seconds for which the record is kept.
CLOSE = f"""{TRANSITION_LUA}{_BELONGS}{_CANCEL_REST}{BILL_LUA}{_FENCE}
bill(KEYS[1], ARGV[3])
cancel_rest(KEYS[1], ARGV[2], ARGV[3])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('ZREM', '{keys.RUNS}{ENDED}', ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('HINCRBY', KEYS[1], 'fence', 1)
"""

# Takes open runs of each kind; now, fields of a job that is part of no run as JSON, most jobs.
# Puts jobs back into their lanes whose run is not open, and cancels those that were to be. Answers their ids.
RESCUE = f"""{TRANSITION_LUA}
local rescued = {{}}
for _, id in ipairs(redis.call('ZRANGE', '{keys.RUNNING}', 0, tonumber(ARGV[3]) - 1)) do
  local shown = redis.call('HGET', '{keys.JOB}' .. id, 'run')
  local run = shown and shown ~= 'null' and cjson.decode(shown).id
  local open = false
  for _, kind in ipairs(KEYS) do open = open or (run and redis.call('ZSCORE', kind, run)) end
  if not open then
    rescued[#rescued + 1] = id
    transition(id, '{JobStatus.QUEUED}', ARGV[1], {{'{JobStatus.RUNNING}'}}, cjson.decode(ARGV[2]))
    local fields = {{'finished_at', ARGV[1], 'waiting', 'null'}}
    transition(id, '{JobStatus.CANCELED}', ARGV[1], {{'{JobStatus.CANCELING}'}}, fields)
    redis.call('ZREM', '{keys.RUNNING}', id)
  end
end
return rescued
"""
