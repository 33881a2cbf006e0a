"""Lua for jobs that are not spoken themselves, because another one's synthesis, or kept speech, answers them too.

`app/shared/submission.py` and `batch_submission.py` write such jobs, `workers/followers.py` ends them.
"""

from app.shared import keys
from app.shared.job import JobStatus

# under_way(id) says whether a job has not ended. wait_for(id, leader, deadline) makes the job end as its leader does,
# which is a job or what is kept of one. follow(…) is that for a leader that is a job: it becomes as urgent as the most
# urgent of those that wait for it. Wants count(), of METRICS_LUA.
SHARING_LUA = f"""
local function under_way(other)
  local status = redis.call('HGET', '{keys.JOB}' .. other, 'status')
  return status == '{JobStatus.QUEUED}' or status == '{JobStatus.RUNNING}'
end
local function wait_for(id, leader, deadline)
  redis.call('HSET', '{keys.JOB}' .. id, 'follows', leader)
  redis.call('ZADD', '{keys.QUEUED}', deadline, id)
  redis.call('SADD', '{keys.FOLLOWERS}' .. leader, id)
  redis.call('SADD', '{keys.FOLLOWED}', leader)
end
local function follow(id, leader, lane, caller, score, deadline)
  wait_for(id, leader, deadline)
  redis.call('HINCRBY', '{keys.SAVINGS}' .. caller, 'shared', 1)
  count('cache|shared', 1)
  local its = redis.call('HMGET', '{keys.JOB}' .. leader, 'score', 'status')
  if tonumber(score) < tonumber(its[1]) then
    redis.call('HSET', '{keys.JOB}' .. leader, 'score', score)
    if its[2] == '{JobStatus.QUEUED}' then
      redis.call('ZADD', '{keys.LANE}' .. lane, 'XX', score, leader)
      redis.call('ZADD', '{keys.LANE}' .. lane .. ':of:' .. caller, 'XX', score, leader)
    end
  end
end
"""
