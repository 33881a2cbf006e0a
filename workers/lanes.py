"""What waits in the lanes, in Redis, and whose turn it is. Only `run_store.py` takes jobs out of them."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis

from app.shared import keys
from app.shared.job import UNREADABLE
from workers.batch import Candidate, by_precedence
from workers.job_records import end_unreadable

# The sweep looks more often than that, so that the note stays for as long as it is true.
_BUSY_SECONDS = 15


@dataclass(frozen=True)
class Queues:
    """The head of a lane: each caller's next jobs, and the speech that each of them has been given, in seconds."""

    by_caller: Mapping[str, Sequence[Candidate]]
    served: Mapping[str, float]

    @property
    def jobs(self) -> Iterable[Candidate]:
        """All of them, in no order."""
        return (job for queue in self.by_caller.values() for job in queue)


class Lanes:
    """Reads lanes. Raises redis' own errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def waiting(self) -> list[str]:
        """Lanes in which jobs wait and that are not paused, in the order in which they should get a session."""
        lanes = sorted(cast("set[str]", self._redis.smembers(keys.LANES)))
        with self._redis.pipeline(transaction=False) as pipeline:
            for lane in lanes:
                pipeline.exists(f"{keys.LANE}{lane}:pause")
            paused = pipeline.execute()
        heads = {
            lane: [queue[0] for queue in self._by_caller(lane, 1).values()]
            for lane, is_paused in zip(lanes, paused, strict=True)
            if not is_paused
        }
        served = self._served({job.caller for jobs in heads.values() for job in jobs})
        return by_precedence(heads, served, time.time())

    def queues(self, lane: str, limit: int) -> Queues:
        """The next jobs of a lane, at most `limit` of each caller."""
        # Only now may the next submission ask for another wake-up: what comes later is not seen here.
        self._redis.delete(f"{keys.LANE}{lane}:woken")
        by_caller = self._by_caller(lane, limit)
        return Queues(by_caller, self._served(by_caller))

    def note_busy(self, lane: str, waiting: dict[str, Any]) -> None:
        """Says for a moment why nothing could be claimed from the lane; its waiting jobs show it."""
        note = json.dumps(waiting)
        if self._redis.set(f"{keys.LANE}{lane}:busy", note, ex=_BUSY_SECONDS, get=True) != note:
            self._redis.publish(keys.CHANGED_LANE, lane)

    def failures(self, lane: str) -> int:
        """How many runs of the lane in a row came to nothing before they were pushed."""
        return int(cast("str | None", self._redis.get(f"{keys.LANE}{lane}:failures")) or 0)

    def forget_failures(self, lane: str) -> None:
        """A run of the lane has been pushed: the next one starts afresh."""
        self._redis.delete(f"{keys.LANE}{lane}:failures")

    def end_pauses(self) -> None:
        """Lets every lane be claimed from at once; one that still has reason to rest is told so again."""
        for lane in cast("set[str]", self._redis.smembers(keys.LANES)):
            if self._redis.delete(f"{keys.LANE}{lane}:pause"):
                self._redis.publish(keys.CHANGED_LANE, lane)

    def _by_caller(self, lane: str, limit: int) -> dict[str, list[Candidate]]:
        key = keys.LANE + lane
        callers = sorted(cast("set[str]", self._redis.smembers(f"{key}:callers")))
        with self._redis.pipeline(transaction=False) as pipeline:
            for caller in callers:
                pipeline.zrange(f"{key}:of:{caller}", 0, limit - 1, withscores=True)
            heads = cast("list[list[tuple[str, float]]]", pipeline.execute())
            for job_id, _ in (head for queue in heads for head in queue):
                pipeline.hmget(keys.JOB + job_id, "created_at", "seconds", "source_bytes", "group")
            facts = iter(pipeline.execute())
        found = {
            caller: [one for job_id, score in queue if (one := self._candidate(job_id, caller, score, next(facts)))]
            for caller, queue in zip(callers, heads, strict=True)
        }
        return {caller: queue for caller, queue in found.items() if queue}

    def _candidate(self, job_id: str, caller: str, score: float, facts: Sequence[str | None]) -> Candidate | None:
        """None for a job that cannot be read, and has failed."""
        try:
            return _candidate(job_id, caller, score, *facts)
        except UNREADABLE:
            end_unreadable(self._redis, job_id)
            return None

    def _served(self, callers: Iterable[str]) -> dict[str, float]:
        """Whoever has been away starts at the least that those had who waited."""
        stored = cast("dict[str, str]", self._redis.hgetall(keys.SERVED))
        floor = float(stored.get("", 0))
        return {caller: max(floor, float(stored.get(caller, 0))) for caller in callers}


def _candidate(
    job_id: str,
    caller: str,
    score: float,
    created_at: str | None,
    seconds: str | None,
    source_bytes: str | None,
    group: str | None,
) -> Candidate:
    # The record may have gone since the lane was read; the claim then leaves the job out.
    return Candidate(
        id=job_id,
        caller=caller,
        score=score,
        created_at=float(created_at or 0),
        seconds=float(seconds or 0),
        source_bytes=int(source_bytes or 0),
        group=json.loads(group or '""'),
    )
