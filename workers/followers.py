"""Jobs that share the synthesis of another one, their leader, or have kept speech for a leader: they end as it does.

    the leader succeeded        each of them gets the audio, in its own format
    it failed                   so do they: the same would fail again
    it was cancelled, waited    the first of them is spoken in its place, and the others follow that one
    for too long, or is gone

Done right after a run is published, and by the sweep for whatever else has ended. It may be done twice, and by several
workers at once.
"""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.audio_formats import (
    FORMATS,
    WAV,
    AudioFormat,
    audio_format,
    checked_wav,
    converted,
    kept_name,
    kept_names,
)
from app.shared.audio_store import AudioStore
from app.shared.conversion import keep_beside
from app.shared.errors import ConversionFailed, Gone, KavoxError
from app.shared.job import Job, JobStatus, change
from app.shared.job_queue import JobQueue
from app.shared.metrics import count
from app.shared.result_cache import FORGET, PREFIX, Entry
from app.shared.scratch import Scratch
from app.shared.submission import LEADER_SECONDS
from app.shared.transition import LANE_LUA, TRANSITION, transition_arguments
from workers.job_records import read_job

log = structlog.get_logger()

# Takes a leader that leads no longer, and one of its followers, which is spoken in its place. One that may be spoken
# elsewhere for want of quota is spoken for itself, and leads nobody: it may turn out as another speech. Answers
# 'leads', 'alone', or nil for a job that does not follow any more.
_LEAD = f"""{LANE_LUA}
local old, new = ARGV[1], ARGV[2]
local key = '{keys.JOB}' .. new
local job = redis.call('HMGET', key, 'status', 'follows', 'lane', 'caller', 'score', 'deadline', 'result_key')
redis.call('SREM', '{keys.FOLLOWERS}' .. old, new)
if job[1] ~= '{JobStatus.QUEUED}' or job[2] ~= old then return end
redis.call('HDEL', key, 'follows')
enter_lane(new, job[3], job[4], job[5], job[6])
redis.call('SADD', '{keys.LANES}', job[3])
redis.call('PUBLISH', '{keys.CHANGED_JOB}', new)
if redis.call('HEXISTS', key, 'fallback') == 1 then return 'alone' end
redis.call('SET', '{keys.LEADER}' .. job[7], new, 'EX', {LEADER_SECONDS})
local others = redis.call('SMEMBERS', '{keys.FOLLOWERS}' .. old)
for _, other in ipairs(others) do
  redis.call('HSET', '{keys.JOB}' .. other, 'follows', new)
  redis.call('SADD', '{keys.FOLLOWERS}' .. new, other)
  redis.call('SADD', '{keys.FOLLOWED}', new)
end
redis.call('DEL', '{keys.FOLLOWERS}' .. old)
redis.call('SREM', '{keys.FOLLOWED}', old)
return 'leads'
"""

# Takes a leader. Nobody need look after it any more once nobody follows it.
_LEAVE = f"""
if redis.call('EXISTS', '{keys.FOLLOWERS}' .. ARGV[1]) == 0 then redis.call('SREM', '{keys.FOLLOWED}', ARGV[1]) end
"""

_AT_ONCE = 200
# Other formats may have to be made of the speech, and the rest of the sweep waits meanwhile: after so long it goes on.
_SWEPT_SECONDS = 3.0


class Followers:
    """Raises redis' own errors."""

    def __init__(self, redis: Redis, audio: AudioStore, queue: JobQueue, scratch: Scratch) -> None:
        self._redis = redis
        self._audio = audio
        self._queue = queue
        self._scratch = scratch
        self._lead = redis.register_script(_LEAD)
        self._leave = redis.register_script(_LEAVE)
        self._transition = redis.register_script(TRANSITION)
        self._forget = redis.register_script(FORGET)

    def settle_all(self) -> None:
        """Ends some of what waits for kept speech, and for a synthesis that has ended."""
        until = time.monotonic() + _SWEPT_SECONDS
        for leader_id in self._redis.sscan_iter(keys.FOLLOWED, match=f"{PREFIX}*", count=1000):
            self._settle_followers(leader_id, self._kept(leader_id), until)
            if time.monotonic() > until:
                break
        some = cast("list[str]", self._redis.srandmember(keys.FOLLOWED, _AT_ONCE))
        self.settle(some, until=time.monotonic() + _SWEPT_SECONDS)

    def settle(self, leaders: Sequence[str], *, until: float = math.inf) -> None:
        """Ends what waits for those of these jobs that have ended; from `until` on, of `time.monotonic()`, one of what
        waits for each, and the sweep does the rest."""
        followed = self._redis.smismember(keys.FOLLOWED, list(leaders)) if leaders else []
        for leader_id in (leader for leader, is_followed in zip(leaders, followed, strict=True) if is_followed):
            if leader_id.startswith(PREFIX):
                continue
            leader = self._read(leader_id)
            if leader is None or leader.status.terminal:
                self._settle_followers(leader_id, leader, until)

    def _settle_followers(self, leader_id: str, leader: Job | None, until: float) -> None:
        members = cast("set[str]", self._redis.smembers(keys.FOLLOWERS + leader_id))
        jobs = sorted(filter(None, map(self._read, members)), key=lambda job: job.lane_score)
        for job in (job for job in jobs if job.status is JobStatus.QUEUED):
            try:
                if leader is not None and self._end_like(leader, job):
                    if time.monotonic() > until:
                        return
                    continue
                spoken = self._lead(args=[leader_id, job.id])
                if spoken:
                    self._queue.wake_lane(job.speech.lane)
                if spoken == "leads":
                    return
            except (KavoxError, OSError) as error:
                # No room on the disk, mostly. The sweep comes back to it.
                log.warning("shared speech not given yet", job=job.id, leader=leader_id, detail=str(error))
                return
        # Kept speech may have been asked for meanwhile: those who came since stay.
        if members:
            self._redis.srem(keys.FOLLOWERS + leader_id, *members)
        self._leave(args=[leader_id])

    def _end_like(self, leader: Job, job: Job) -> bool:
        """Whether the job could be ended as its leader was."""
        if leader.status is JobStatus.SUCCEEDED and leader.audio:
            try:
                self._succeed(leader, job)
            except Gone:
                if leader.id.startswith(PREFIX):
                    self._forget(args=[job.result_key, leader.id])
                return False
            except ConversionFailed as error:
                self._end(job, JobStatus.FAILED, error=error.view())
            return True
        if leader.status is JobStatus.FAILED and leader.error and leader.error["code"] != "wait_expired":
            self._end(job, JobStatus.FAILED, error=leader.error)
            return True
        return False

    def _succeed(self, leader: Job, job: Job) -> None:
        audio, wanted = leader.audio or {}, audio_format(job.speech.format)
        # Another format is made beside the leader's own wav, so that the next one who waits for it finds it.
        shown = self._in_format(leader, wanted)
        for one in {WAV, wanted.name}:
            names = (kept_name(file_id, audio, FORMATS[one]) for file_id in (leader.id, job.id))
            self._audio.copy(*names)
        met = self._end(job, JobStatus.SUCCEEDED, audio=shown, run=leader.run, cached=True, progress=1.0)
        if met == JobStatus.QUEUED:
            count(self._redis, "gpu_seconds_saved", amount=leader.gpu_seconds)
            self._redis.hincrbyfloat(keys.SAVINGS + job.caller, "gpu_seconds_saved", leader.gpu_seconds)
        elif met != JobStatus.SUCCEEDED:
            # Cancelled meanwhile, or given up.
            self._audio.delete(*kept_names(job.id, audio))

    def _in_format(self, leader: Job, wanted: AudioFormat) -> Mapping[str, Any]:
        """What a job shows of the leader's audio in this format, in which it is kept from now on."""
        audio = leader.audio or {}
        if wanted.name == audio["format"]:
            return audio
        wav = {**audio, **checked_wav(audio), "format": WAV}
        wav.pop("wav", None)
        if wanted.name == WAV:
            return wav
        name = kept_name(leader.id, audio, wanted)
        if not self._audio.has(name):
            keep_beside(self._audio, self._scratch, leader, wanted)
        size, digest = 0, hashlib.sha256()
        for piece in self._audio.pieces(name):
            size += len(piece)
            digest.update(piece)
        return converted(wav, wanted, wanted.rate_for(wav["sample_rate"]), size, digest.hexdigest())

    def _end(self, job: Job, to: JobStatus, **fields: object) -> str:
        """The status that was met."""
        now = time.time()
        changed = change(finished_at=now, waiting=None, **fields)
        arguments = transition_arguments(job.id, to, now, changed, [JobStatus.QUEUED])
        met = cast("str", self._transition(args=arguments))
        if met == JobStatus.QUEUED:
            log.info("job ended", job=job.id, status=to)
        return met

    def _kept(self, leader_id: str) -> Job | None:
        """Kept speech as a job that has succeeded with it; None when it is kept no more."""
        for job in filter(None, map(self._read, cast("set[str]", self._redis.smembers(keys.FOLLOWERS + leader_id)))):
            stored = cast("str | None", self._redis.get(keys.RESULT + job.result_key))
            entry = Entry.from_json(stored) if stored else None
            if entry is None or entry.file_id != leader_id:
                return None
            return replace(
                job,
                id=leader_id,
                status=JobStatus.SUCCEEDED,
                audio=entry.audio,
                run=entry.run,
                gpu_seconds=entry.gpu_seconds,
            )
        return None

    def _read(self, job_id: str) -> Job | None:
        return read_job(self._redis, job_id)
