"""Speech that was made once answers for the same request again: what is the same, and what is kept of it.

    the same request is under way   its job follows that job and shares its synthesis (`workers/followers.py`)
    it was spoken before            its job gets the kept audio at once

The same is what has the same caller, provider, model, voice (and recording), language, text, options and seed, on the
same kind of host: the emulator's audio never answers for Kaggle's, nor one caller's for another. The provider's two
files belong to it too, so that a new notebook speaks anew. The format does not: others are made of the kept wav.

The cache has files of its own, under the id of the job that was spoken with a prefix; where the store can, a copy is a
link. So a job's audio and the cache's expire each in its own time, and neither needs to know of the other.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, cast

from redis.asyncio import Redis

from app.shared import keys
from app.shared.job import Speech

PREFIX = "cache-"
"""Of the ids that stand for kept speech; what follows is the id of the job that was spoken."""


@dataclass(frozen=True)
class Entry:
    """Kept speech: the wav as a job shows it, and the run that made it, which took so many GPU seconds for it.

    `owner` is the id of the job that was spoken.
    """

    owner: str
    caller: str
    audio: dict[str, Any]
    run: dict[str, Any] | None
    gpu_seconds: float

    @property
    def file_id(self) -> str:
        """What stands for the job's id in the names of the cache's files."""
        return PREFIX + self.owner

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps({**asdict(self), "file_id": self.file_id})

    @classmethod
    def from_json(cls, stored: str) -> Self:
        """As it was stored."""
        fields: Mapping[str, Any] = json.loads(stored)
        return cls(**{name: value for name, value in fields.items() if name != "file_id"})


def spoken_job(file_id: str) -> str:
    """The id of the job that was spoken, of a job or of what the cache has kept of it."""
    return file_id.removeprefix(PREFIX)


def result_key(caller: str, speech: Speech, revision: str) -> str:
    """What two requests have in common that are spoken alike; `revision` is that of the provider."""
    spoken = [
        caller, revision, speech.provider, speech.model, speech.voice, speech.language, speech.host, speech.text,
        speech.options, speech.seed, speech.reference,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(spoken, sort_keys=True).encode()).hexdigest()[:32]


async def savings_of(redis: Redis, caller: str) -> dict[str, Any]:
    """What a caller's kept speech is and has saved, by the names that GET /cache has for it."""
    found = cast("dict[str, str]", await redis.hgetall(keys.SAVINGS + caller))
    counts = {name: int(found.get(name, 0)) for name in ("entries", "bytes", "hits", "shared", "misses")}
    return {**counts, "gpu_seconds_saved": round(float(found.get("gpu_seconds_saved", 0)), 3)}


def stem(file_id: str, sha256: str) -> str:
    """How files that are to be deleted are written down."""
    return f"{file_id}:{sha256}"


# drop(key) forgets an entry and leaves a note of its files, which the sweep deletes.
DROP_LUA = f"""
local function drop(key)
  local stored = redis.call('GET', '{keys.RESULT}' .. key)
  redis.call('ZREM', '{keys.RESULTS}', key)
  if not stored then return end
  local entry = cjson.decode(stored)
  local savings, bytes = '{keys.SAVINGS}' .. entry.caller, string.format('-%.0f', entry.audio.bytes)
  redis.call('DEL', '{keys.RESULT}' .. key)
  redis.call('INCRBY', '{keys.RESULTS_BYTES}', bytes)
  redis.call('HINCRBY', savings, 'bytes', bytes)
  redis.call('HINCRBY', savings, 'entries', -1)
  redis.call('SADD', '{keys.REMOVED_RESULTS}', entry.file_id .. ':' .. entry.audio.sha256)
end
"""

# Takes a result key and the file id of the entry there whose audio is gone.
FORGET = f"""{DROP_LUA}
local stored = redis.call('GET', '{keys.RESULT}' .. ARGV[1])
if stored and cjson.decode(stored).file_id == ARGV[2] then drop(ARGV[1]) end
"""
