"""Moves jobs that need not wait for GPU quota to the lane in which their fallback is spoken.

A move is one script: it looks again whether the job still waits, in that lane, and whether that lane still pauses for
quota, so that a claim, a cancel or a refresh in between wins.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.errors import QuotaExhausted
from app.shared.job import Job, JobStatus, change, speech_fields
from app.shared.job_queue import JobQueue
from app.shared.presence import local_providers_of_living
from app.shared.transition import LANE_LUA, SHOW_LUA, flat
from workers.job_records import read_job

log = structlog.get_logger()

# Takes id, the lane it is in, the lane it goes to, its fields there as JSON. Answers whether it was moved.
_MOVE = f"""{LANE_LUA}{SHOW_LUA}
local key = '{keys.JOB}' .. ARGV[1]
local job = redis.call('HMGET', key, 'status', 'lane', 'caller', 'deadline')
if job[1] ~= '{JobStatus.QUEUED}' or job[2] ~= ARGV[2] then return 0 end
local pause = redis.call('GET', '{keys.LANE}' .. ARGV[2] .. ':pause')
local why = pause and cjson.decode(pause)
if type(why) ~= 'table' or why.code ~= '{QuotaExhausted.code}' then return 0 end
leave_lane(ARGV[1], job[2], job[3])
redis.call('HDEL', key, 'fallback')
show(ARGV[1], cjson.decode(ARGV[4]))
redis.call('SADD', '{keys.LANES}', ARGV[3])
enter_lane(ARGV[1], ARGV[3], job[3], redis.call('HGET', key, 'score'), job[4])
return 1
"""


class Fallbacks:
    """Raises redis' own errors."""

    def __init__(self, redis: Redis, queue: JobQueue) -> None:
        self._redis = redis
        self._queue = queue
        self._move = redis.register_script(_MOVE)

    def move(self, lane: str) -> None:
        """Moves the jobs of a lane that pauses for quota, if a living worker can speak what they fall back to."""
        waiting = cast("set[str]", self._redis.smembers(f"{keys.LANE}{lane}:fallbacks"))
        if not waiting:
            return
        pause = json.loads(cast("str | None", self._redis.get(f"{keys.LANE}{lane}:pause")) or "{}") or {}
        speakable = local_providers_of_living(self._redis)
        woken = set()
        for job_id in sorted(waiting):
            job = read_job(self._redis, job_id)
            if job and job.fallback and job.fallback.provider in speakable:
                moved = _fallen_back(job, pause)
                stored = flat({**speech_fields(moved), **change(group="", result_key="")})
                if self._move(args=[job_id, lane, moved.speech.lane, json.dumps(stored)]):
                    log.info("job moved for want of quota", job=job_id, lane=lane, to=moved.speech.lane)
                    woken.add(moved.speech.lane)
        if woken:
            self._redis.publish(keys.CHANGED_LANE, lane)
        for other in woken:
            self._redis.publish(keys.CHANGED_LANE, other)
            self._queue.wake_lane(other)


def _fallen_back(job: Job, pause: Mapping[str, Any]) -> Job:
    assert job.fallback is not None  # noqa: S101  # the caller has looked
    until = datetime.fromtimestamp(pause.get("retry_at") or 0, UTC)
    warning = (
        f"No GPU quota until {until:%Y-%m-%d %H:%M} UTC: spoken by '{job.fallback.provider}' on this service's own "
        f"machine instead of '{job.speech.provider}' on Kaggle."
    )
    return replace(job, speech=replace(job.fallback, warnings=[*job.fallback.warnings, warning]), fallback=None)
