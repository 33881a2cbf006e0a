"""Cloned voices in Redis, as workers see them: where each recording was uploaded to, and what is still to be deleted.

A race is settled here: a voice that its caller removes while its recording is on its way to a host. The host is written
down before the upload and again after it; whichever script finds the voice gone leaves a note for the sweep. The one
before an upload does so too, because another worker may have died right after one that nobody has heard of since.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from redis import Redis

from app.shared import keys
from app.shared.voice_store import DATASET

# Takes voice, removed voices; host, version ('' for one that is not known yet), id, file.
# Answers the version that is known, nil where the voice was removed; then the sweep looks at the host once more.
_NOTE = f"""
local field = '{DATASET}' .. ARGV[1]
if redis.call('EXISTS', KEYS[1]) == 1 then
  if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], field, ARGV[2])
  else redis.call('HSETNX', KEYS[1], field, '') end
  return redis.call('HGET', KEYS[1], field)
end
local removed = cjson.decode(redis.call('HGET', KEYS[2], ARGV[3]) or cjson.encode({{ARGV[4]}}))
for _, host in ipairs(removed) do if host == ARGV[1] then return false end end
removed[#removed + 1] = ARGV[1]
redis.call('HSET', KEYS[2], ARGV[3], cjson.encode(removed))
return false
"""

# Takes removed voices; id, what was read, what is left. Changes nothing if somebody else did in between.
_SETTLE = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
"""


@dataclass(frozen=True)
class RemovedVoice:
    """What is left of a voice: its recording here, and a dataset on each of these hosts."""

    id: str
    file: str
    hosts: list[str]
    record: str


class VoiceRecords:
    """Raises redis' own errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._note = redis.register_script(_NOTE)
        self._settle = redis.register_script(_SETTLE)

    def is_there(self, voice_id: str) -> bool:
        """Whether the voice is still its caller's."""
        return bool(self._redis.exists(keys.VOICE + voice_id))

    def begin(self, voice_id: str, host: str, file: str) -> str | None:
        """Writes down that the host may have the recording: the version that it is known to have, '' when none is.

        None when the voice was removed.
        """
        return self._noted(voice_id, host, "", file)

    def uploaded(self, voice_id: str, host: str, version: int, file: str) -> bool:
        """Writes down which version the host has; False when the voice was removed meanwhile."""
        return self._noted(voice_id, host, str(version), file) is not None

    def removed(self) -> Iterator[RemovedVoice]:
        """The voices of which something is still to be deleted."""
        for voice_id, record in cast("dict[str, str]", self._redis.hgetall(keys.REMOVED_VOICES)).items():
            file, *hosts = json.loads(record)
            yield RemovedVoice(voice_id, file, hosts, record)

    def settle(self, voice: RemovedVoice, hosts_left: list[str]) -> None:
        """Writes down which hosts still have a dataset of the voice; with none left it is forgotten."""
        left = json.dumps([voice.file, *hosts_left]) if hosts_left else ""
        self._settle(keys=[keys.REMOVED_VOICES], args=[voice.id, voice.record, left])

    def _noted(self, voice_id: str, host: str, version: str, file: str) -> str | None:
        of = [keys.VOICE + voice_id, keys.REMOVED_VOICES]
        return cast("str | None", self._note(keys=of, args=[host, version, voice_id, file]))
