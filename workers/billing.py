"""What a run has cost: a Lua function that run scripts share, so that the bill is written with the run's end.

Kaggle bills one second a second of wall clock from RUNNING to the session's end, whatever the number of cards, and
nothing without a GPU. The run's jobs share it by the length of their speech, and a job that was part of several runs
has a share of each. `app/shared/quota.py` says what can go wrong and what the ledger is good for.
"""

from app.shared import keys
from app.shared.quota import USUAL_REFRESH, WEEK_SECONDS

# After so many weeks nobody asks any more.
_KEPT_SECONDS = 10 * WEEK_SECONDS

# bill(key, now): puts down what the run at `key` has taken and was not billed for; calling it again adds nothing.
# A session whose end is not recorded has ended now. A recorded end may turn out to be none: then the rest comes later.
# It comes after SHOW_LUA, because whoever waits for a job is told of its share.
BILL_LUA = f"""
local function bill(key, now)
  local run = redis.call('HMGET', key, 'gpu', 'running_at', 'ended_at', 'billed', 'jobs', 'host', 'step', 'lane')
  if run[1] ~= 'true' then return end
  local began, ended = tonumber(run[2]), tonumber(run[3])
  if run[7] ~= '"ended"' then ended = tonumber(now) end
  local taken = began > 0 and math.max(0, ended - began) or 0
  local billed = tonumber(run[4] or '0') or 0
  local seconds = taken - billed
  local host = cjson.decode(run[6])
  redis.call('DEL', '{keys.QUOTA}' .. host .. ':fresh')
  -- Bills are kept to the millisecond.
  if seconds < 0.001 then return end
  redis.call('HSET', key, 'billed', string.format('%.3f', taken))
  redis.pcall('HINCRBYFLOAT', '{keys.METRICS}', 'gpu_seconds|' .. cjson.decode(run[8]), string.format('%.3f', seconds))
  local jobs, total = {{}}, 0
  for _, id in ipairs(cjson.decode(run[5])) do
    local job = redis.call('HMGET', '{keys.JOB}' .. id, 'caller', 'seconds', 'gpu_seconds', 'finished_at', 'batch')
    if job[1] then
      local speech = math.max(0.001, tonumber(job[2]))
      jobs[#jobs + 1] = {{id, job[1], speech, tonumber(job[3] or '0'), job[4] and job[5]}}
      total = total + speech
    end
  end
  local anchor = tonumber(redis.call('HGET', '{keys.QUOTA}' .. host, 'refreshes_at') or '{USUAL_REFRESH}')
  local week = anchor + math.floor((ended - anchor) / {WEEK_SECONDS}) * {WEEK_SECONDS}
  local ledger = '{keys.GPU_LEDGER}' .. host .. ':' .. string.format('%.0f', week)
  for _, job in ipairs(jobs) do
    local share = seconds * job[3] / total
    show(job[1], {{'gpu_seconds', string.format('%.3f', job[4] + share)}})
    redis.call('HINCRBYFLOAT', ledger, job[2], string.format('%.3f', share))
    -- A batch has counted what the job had taken when it ended.
    local batch = job[5] and '{keys.BATCH}' .. job[5]
    if batch and redis.call('EXISTS', batch) == 1 then
      redis.call('HINCRBYFLOAT', batch, 'gpu_seconds', string.format('%.3f', share))
    end
  end
  -- Under no caller's name: when it was last added to.
  redis.call('HSET', ledger, '', now)
  redis.call('EXPIRE', ledger, {_KEPT_SECONDS})
end
"""
