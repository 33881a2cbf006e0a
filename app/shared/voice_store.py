"""Cloned voices in Redis, as the API sees them. What workers do with them is in `workers/references.py`.

A voice's hash has its record, and a field `dataset:<host>` for each host that its recording was, or was about to be,
uploaded to. Removing a voice turns these fields into a note for the sweep, in the same script: a host that was written
down before the upload is never forgotten.
"""

from collections.abc import Sequence
from typing import cast

from redis.asyncio import Redis

from app.shared import keys
from app.shared.errors import Conflict, NotFound
from app.shared.voice import ClonedVoice, is_voice_id

MAX_VOICES = 100
"""Of one caller; each keeps up to 12 MB."""

DATASET = "dataset:"

# Takes voice, caller's voices; id, record, most voices. Answers 0 when the caller has as many as may be.
_ADD = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return 1
"""

# Takes voice, caller's voices, removed voices; id, file.
_REMOVE = f"""
local removed = {{ARGV[2]}}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local host = string.match(field, '^{DATASET}(.*)$')
  if host then removed[#removed + 1] = host end
end
if redis.call('DEL', KEYS[1]) == 1 then redis.call('HSET', KEYS[3], ARGV[1], cjson.encode(removed)) end
redis.call('ZREM', KEYS[2], ARGV[1])
"""


class VoiceStore:
    """Adds, reads, lists and removes cloned voices. Raises redis' own errors when the server does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = redis.register_script(_ADD)
        self._remove = redis.register_script(_REMOVE)

    async def add(self, voice: ClonedVoice) -> None:
        """Raises Conflict when the caller has MAX_VOICES."""
        of = [keys.VOICE + voice.id, keys.VOICES + voice.caller]
        if not await self._add(keys=of, args=[voice.id, voice.to_json(), MAX_VOICES]):
            raise Conflict(f"you have {MAX_VOICES} voices, and no more may be kept; delete one", code="too_many_voices")

    async def get(self, voice_id: str, caller: str) -> ClonedVoice:
        """Raises NotFound for an id that is unknown or another caller's."""
        record = None
        if is_voice_id(voice_id):
            record = cast("str | None", await self._redis.hget(keys.VOICE + voice_id, "record"))
        voice = ClonedVoice.from_json(record) if record else None
        if voice is None or voice.caller != caller:
            raise NotFound(f"you have no voice '{voice_id[:64]}'; GET /voices lists yours", code="voice_not_found")
        return voice

    async def list(self, caller: str) -> Sequence[ClonedVoice]:
        """The caller's voices, the newest first."""
        ids = cast("list[str]", await self._redis.zrange(keys.VOICES + caller, 0, -1, desc=True))
        async with self._redis.pipeline(transaction=False) as pipeline:
            for voice_id in ids:
                pipeline.hget(keys.VOICE + voice_id, "record")
            return [ClonedVoice.from_json(record) for record in await pipeline.execute() if record]

    async def remove(self, voice: ClonedVoice) -> None:
        """Forgets the voice, and notes for the sweep what of it is still to be deleted, and where."""
        of = [keys.VOICE + voice.id, keys.VOICES + voice.caller, keys.REMOVED_VOICES]
        await self._remove(keys=of, args=[voice.id, voice.file])
