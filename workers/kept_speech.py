"""Keeps what was spoken, so that it answers the same request again, up to a size and for a time.

Files and entries are written in such an order that whoever dies in between leaves either a file that the next attempt
finds in place, or a note of files that the sweep deletes.
"""

import time
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.audio_formats import FORMATS, WAV, kept_name, kept_names
from app.shared.audio_store import AudioStore
from app.shared.errors import KavoxError, StoreUnavailable
from app.shared.job import Job
from app.shared.result_cache import DROP_LUA, Entry
from app.shared.settings import Settings

# An answer to a request takes a conversion at most.
_ANSWERED_SECONDS = 600
_AT_ONCE = 200

log = structlog.get_logger()

# Takes result key, entry, now, most bytes. Keeps the entry unless there is one, and drops those used longest ago while
# there is too much. Answers the file id of the entry that is there now.
_KEEP = f"""{DROP_LUA}
local before = redis.call('GET', '{keys.RESULT}' .. ARGV[1])
redis.call('ZADD', '{keys.RESULTS}', ARGV[3], ARGV[1])
if before then return cjson.decode(before).file_id end
local entry = cjson.decode(ARGV[2])
local savings, bytes = '{keys.SAVINGS}' .. entry.caller, string.format('%.0f', entry.audio.bytes)
redis.call('SET', '{keys.RESULT}' .. ARGV[1], ARGV[2])
redis.call('HINCRBY', savings, 'entries', 1)
redis.call('HINCRBY', savings, 'bytes', bytes)
local kept = redis.call('INCRBY', '{keys.RESULTS_BYTES}', bytes)
while kept > tonumber(ARGV[4]) do
  local oldest = redis.call('ZRANGE', '{keys.RESULTS}', 0, 0)[1]
  if not oldest then break end
  drop(oldest)
  kept = tonumber(redis.call('GET', '{keys.RESULTS_BYTES}'))
end
return entry.file_id
"""

# Takes the time before which nobody has used what is dropped, and how many at most.
_EXPIRE = f"""{DROP_LUA}
for _, key in ipairs(redis.call('ZRANGE', '{keys.RESULTS}', '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  drop(key)
end
"""


class KeptSpeech:
    """The cache as workers see it. Raises redis' own errors."""

    def __init__(self, redis: Redis, audio: AudioStore, settings: Settings) -> None:
        self._redis = redis
        self._audio = audio
        self._most_bytes = round(settings.cache_max_megabytes * 1_000_000)
        self._hours = settings.result_ttl_hours
        self._keep = redis.register_script(_KEEP)
        self._expire = redis.register_script(_EXPIRE)

    def keep(self, job: Job, audio: dict[str, object], gpu_seconds: float) -> None:
        """Keeps a job's checked wav, which is stored as the job's own already. What cannot be kept is no misfortune."""
        size = cast("int", audio["bytes"])
        if not job.result_key or size > self._most_bytes:
            return
        entry = Entry(owner=job.id, caller=job.caller, audio=audio, run=job.run, gpu_seconds=gpu_seconds)
        try:
            self._audio.copy(kept_name(job.id, audio, FORMATS[WAV]), kept_name(entry.file_id, audio, FORMATS[WAV]))
        except KavoxError as error:
            log.warning("speech not kept", job=job.id, detail=error.detail)
            return
        there = self._keep(args=[job.result_key, entry.to_json(), repr(time.time()), self._most_bytes])
        if there != entry.file_id:
            self._audio.delete(*kept_names(entry.file_id, audio))

    def tidy(self) -> None:
        """Drops what nobody has asked for during the retention time, and deletes the files of all that was dropped."""
        try:
            self._expire(args=[repr(time.time() - self._hours * 3600), _AT_ONCE])
            self._note_unanswered()
        finally:
            # On a disk that is full, Redis writes nothing down before there is room.
            self._delete_dropped()

    def _delete_dropped(self) -> None:
        deleted = []
        for stem in cast("list[str]", self._redis.srandmember(keys.REMOVED_RESULTS, _AT_ONCE)):
            file_id, _, sha256 = stem.partition(":")
            try:
                self._audio.delete(*kept_names(file_id, {"sha256": sha256}))
            except StoreUnavailable as error:
                log.warning("kept audio not removed yet", file=file_id, detail=error.detail)
                continue
            deleted.append(stem)
        if deleted:
            self._redis.srem(keys.REMOVED_RESULTS, *deleted)

    def _note_unanswered(self) -> None:
        """Copies that were made for a job which was never written, because its API process died, may go."""
        before = time.time() - _ANSWERED_SECONDS
        for stem in cast("list[str]", self._redis.zrangebyscore(keys.ANSWERING, "-inf", before, 0, _AT_ONCE)):
            if not self._redis.exists(keys.JOB + stem.partition(":")[0]):
                self._redis.sadd(keys.REMOVED_RESULTS, stem)
            self._redis.zrem(keys.ANSWERING, stem)
