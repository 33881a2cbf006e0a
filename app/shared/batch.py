"""A batch: requests for speech that were sent together, and the jobs that they became.

A job of a batch is a job like any other and runs as it would have alone. The batch is only what can be said of all of
them: how many are in each state, and what they took together. Each change of a job counts there in the same script, so
exactly one change ends the batch: the one after which no job is left.

    queued ──► running ──► succeeded   every job did
                       ──► failed      some job failed
                       ──► canceled    none failed, and some job was cancelled
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.shared import keys
from app.shared.identifiers import is_id, new_id
from app.shared.job import TERMINAL, JobStatus

PREFIX = "batch-"
COMPLETED = "batch.completed"
"""What a webhook is told, whatever has become of the jobs."""


class BatchStatus(StrEnum):
    """What all jobs of a batch come to."""

    QUEUED = "queued"  # all of them wait
    RUNNING = "running"  # some have begun or ended, and not all have ended
    SUCCEEDED = "succeeded"  # all have
    FAILED = "failed"  # all have ended, and some have failed
    CANCELED = "canceled"  # all have ended, none has failed, and some were cancelled


@dataclass(frozen=True)
class Batch:
    """What is known of a batch without a look at its jobs. Times are seconds since 1970, UTC.

    `counts` says how many of its jobs are in each state. `gpu_seconds` and `speech_seconds` are those of the jobs that
    have ended. `webhook` says who is told of the end (`webhook.py`). `lane` is empty: its jobs may be in several.
    """

    id: str
    caller: str
    created_at: float
    total: int
    characters: int
    counts: Mapping[JobStatus, int]
    name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    gpu_seconds: float = 0.0
    speech_seconds: float = 0.0
    finished_at: float | None = None
    webhook: Mapping[str, Any] | None = None
    lane: str = ""

    @property
    def ended(self) -> bool:
        """Whether every job has."""
        return self.finished_at is not None

    @property
    def progress(self) -> float:
        """How much of it has ended, from 0 to 1."""
        return sum(self.counts[status] for status in TERMINAL) / self.total

    @property
    def status(self) -> BatchStatus:
        """What its counts come to."""
        if not self.ended:
            return BatchStatus.QUEUED if self.counts[JobStatus.QUEUED] == self.total else BatchStatus.RUNNING
        if self.counts[JobStatus.FAILED]:
            return BatchStatus.FAILED
        return BatchStatus.CANCELED if self.counts[JobStatus.CANCELED] else BatchStatus.SUCCEEDED


def new_batch_id() -> str:
    """A name that no job has."""
    return PREFIX + new_id()


def is_batch_id(text: str) -> bool:
    """Whether `text` has the form that `new_batch_id` gives."""
    return text.startswith(PREFIX) and is_id(text.removeprefix(PREFIX))


def to_fields(batch: Batch) -> dict[str, str]:
    """A new batch as the fields of a Redis hash: none of its jobs has begun."""
    return {
        "id": batch.id,
        "caller": batch.caller,
        "created_at": repr(batch.created_at),
        "total": str(batch.total),
        "left": str(batch.total),
        "characters": str(batch.characters),
        JobStatus.QUEUED.value: str(batch.total),
        **({} if batch.name is None else {"name": batch.name}),
        **({"metadata": json.dumps(batch.metadata)} if batch.metadata else {}),
        **({"webhook": json.dumps(batch.webhook)} if batch.webhook else {}),
    }


def from_fields(fields: Mapping[str, str]) -> Batch:
    """The batch from the fields of its Redis hash."""
    finished_at = fields.get("finished_at")
    return Batch(
        id=fields["id"],
        caller=fields["caller"],
        created_at=float(fields["created_at"]),
        total=int(fields["total"]),
        characters=int(fields["characters"]),
        counts={status: int(fields.get(status, 0)) for status in JobStatus},
        name=fields.get("name"),
        metadata=json.loads(fields.get("metadata", "{}")),
        gpu_seconds=float(fields.get("gpu_seconds", 0)),
        speech_seconds=float(fields.get("speech_seconds", 0)),
        finished_at=None if finished_at is None else float(finished_at),
        webhook=json.loads(fields.get("webhook", "null")),
    )


# tally(batch, job, from, to, ended, now): a job of the batch has changed its state; `job` is the key of its record, and
# `ended` whether it has come to its end. Wants tell(), of TELL_LUA.
TALLY_LUA = f"""
local function add_up(key, job, to)
  local spent = redis.call('HMGET', job, 'gpu_seconds', 'audio')
  redis.call('HINCRBYFLOAT', key, 'gpu_seconds', spent[1] or 0)
  local audio = to == '{JobStatus.SUCCEEDED}' and spent[2] and cjson.decode(spent[2])
  if type(audio) == 'table' then
    redis.call('HINCRBYFLOAT', key, 'speech_seconds', string.format('%.3f', audio.duration_seconds))
  end
end
local function tally(batch, job, from, to, ended, now)
  local key = '{keys.BATCH}' .. batch
  if redis.call('EXISTS', key) == 0 then return end
  redis.call('HINCRBY', key, from, -1)
  redis.call('HINCRBY', key, to, 1)
  if ended then
    -- Where a record cannot be read, the change itself is made.
    pcall(add_up, key, job, to)
    if redis.call('HINCRBY', key, 'left', -1) == 0 then
      -- The batch ends here, once.
      redis.call('HSET', key, 'finished_at', now)
      local wish = redis.call('HGET', key, 'webhook')
      if wish then pcall(tell, key, batch, wish, '{COMPLETED}', '') end
      redis.call('ZADD', '{keys.BATCHES_ENDED}', now, batch)
    end
  end
  redis.call('PUBLISH', '{keys.CHANGED_JOB}', batch)
end
"""
