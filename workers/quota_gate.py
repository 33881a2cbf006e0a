"""Looks at the GPU quota before a run is claimed, and lets the lanes wait that it does not suffice for.

    nothing left, but for the reserve      the lanes pause until the refresh; jobs with a fallback are moved at once
    all that is left is spoken for         by runs of our own that are open: the lanes wait for one of those to end
    a push refused for quota               as if nothing were left, whatever the reading says
    the quota cannot be read               nobody waits: the push will tell

A paused lane is looked at again from time to time, because a person may have made room, or the reading have been wrong.
"""

import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.errors import QuotaExhausted
from app.shared.job_queue import JobQueue
from app.shared.quota import QuotaReading
from app.shared.settings import Settings
from workers.batch import SMALLEST_SHARE_SECONDS
from workers.fallbacks import Fallbacks
from workers.lanes import Lanes
from workers.quota_book import QuotaBook
from workers.run import Run, Step

log = structlog.get_logger()

# The quota comes back weekly, so looking often is no use.
_LOOK_AGAIN_FACTOR = 15

# Takes the lane's pause; what it was, what it shall be ('' for none), ms, the lane. Answers whether it still was that:
# a push may have been refused, and have paused the lane anew, since it was looked at.
_REPLACE = f"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('PUBLISH', '{keys.CHANGED_LANE}', ARGV[4])
return 1
"""


class QuotaGate:
    """The gate in front of the GPU lanes of `host`. Raises redis' own errors, and never Kaggle's."""

    def __init__(
        self,
        *,
        redis: Redis,
        book: QuotaBook,
        lanes: Lanes,
        fallbacks: Fallbacks,
        queue: JobQueue,
        settings: Settings,
        host: str,
    ) -> None:
        self._redis = redis
        self._book = book
        self._lanes = lanes
        self._fallbacks = fallbacks
        self._queue = queue
        self._settings = settings
        self._host = host
        self._replace = redis.register_script(_REPLACE)

    def is_shut(self, lanes: Sequence[str]) -> bool:
        """Whether no GPU run may be claimed now; the jobs of these GPU lanes then say why and until when."""
        reading = self._book.current()
        if reading is None:
            return False
        if shortage := self._shortage(reading):
            waiting, seconds = self.pause(shortage)
            for lane in lanes:
                log.info("lane waits for quota", lane=lane, retry_at=waiting["retry_at"])
                self._redis.set(_pause_of(lane), json.dumps(waiting), px=int(seconds * 1000))
                self._redis.publish(keys.CHANGED_LANE, lane)
                self._fallbacks.move(lane)
            return True
        if self._left(reading) > self._outstanding(reading):
            return False
        busy = QuotaExhausted("what is left of the GPU quota is spoken for by the runs under way")
        for lane in lanes:
            waiting = {"code": busy.code, "detail": busy.advice, "retry_at": reading.refreshes_at}
            self._lanes.note_busy(lane, waiting)
        return True

    def pause(self, error: QuotaExhausted) -> tuple[dict[str, Any], float]:
        """What the jobs of a lane show that pauses for this, and for how many seconds it does."""
        look_in = self._settings.retry_seconds * _LOOK_AGAIN_FACTOR * random.uniform(0.5, 1)  # noqa: S311  # no secret
        now = time.time()
        retry_at = self._book.refreshes_at() or now + look_in
        waiting = {"code": error.code, "detail": error.advice, "retry_at": retry_at, "look_at": now + look_in}
        # Not all at the first second of the week.
        jitter = self._settings.retry_seconds * random.random()  # noqa: S311  # no secret
        return waiting, max(0.001, retry_at - now + jitter)

    def refused(self, error: QuotaExhausted) -> tuple[dict[str, Any], float]:
        """The same after a push was refused: what has been read before is not true any more."""
        self._book.forget()
        return self.pause(error)

    def new_jobs(self, lane: str) -> None:
        """Jobs have come into the lane: those that need not wait for quota are moved where it pauses for that."""
        if self._paused([lane]):
            self._fallbacks.move(lane)

    def tend(self) -> None:
        """What the sweep does: moves jobs, looks again where that is due, and answers who asks for the quota."""
        self._book.answer_wish()
        lanes = [lane for lane in cast("set[str]", self._redis.smembers(keys.LANES)) if lane.endswith(f":{self._host}")]
        for lane, pause in self._paused(lanes).items():
            self._fallbacks.move(lane)
            if json.loads(pause)["look_at"] <= time.time():
                self._look_again(lane, pause)

    def _look_again(self, lane: str, pause: str) -> None:
        reading = self._book.current()
        shortage = self._shortage(reading) if reading else None
        if shortage:
            waiting, seconds = self.pause(shortage)
            self._replace(keys=[_pause_of(lane)], args=[pause, json.dumps(waiting), int(seconds * 1000), lane])
        elif self._replace(keys=[_pause_of(lane)], args=[pause, "", 0, lane]):
            log.info("lane waits for quota no longer", lane=lane)
            self._queue.wake_lane(lane)

    def _paused(self, lanes: Sequence[str]) -> dict[str, str]:
        """Those of the lanes that pause for quota, with their pause as it is stored."""
        pauses = cast("list[str | None]", self._redis.mget([_pause_of(lane) for lane in lanes])) if lanes else []
        return {
            lane: pause
            for lane, pause in zip(lanes, pauses, strict=True)
            if pause and "look_at" in (json.loads(pause) or {})
        }

    def _left(self, reading: QuotaReading) -> float:
        return reading.remaining_seconds - self._settings.quota_reserve_hours * 3600

    def _shortage(self, reading: QuotaReading) -> QuotaExhausted | None:
        if self._left(reading) > 0:
            return None
        reserve = self._settings.quota_reserve_hours
        kept = f", and KAVOX_QUOTA_RESERVE_HOURS keeps {reserve:g}" if reserve else ""
        refresh = datetime.fromtimestamp(reading.refreshes_at, UTC)
        taken = (reading.used_seconds + reading.reserved_seconds) / 3600
        return QuotaExhausted(
            f"of the week's {reading.allowed_seconds / 3600:g} GPU hours {taken:.2f} are used{kept}; "
            f"they come back on {refresh:%Y-%m-%d %H:%M} UTC"
        )

    def _outstanding(self, reading: QuotaReading) -> float:
        """GPU seconds that our open runs are expected to take and that the reading has not counted."""
        total = 0.0
        for run_id in cast("list[str]", self._redis.zrange(f"{keys.RUNS}gpu", 0, -1)):
            fields = cast("dict[str, str]", self._redis.hgetall(keys.RUN + run_id))
            if fields:
                total += self._outstanding_of(Run.from_fields(fields), reading)
        return total

    def _outstanding_of(self, run: Run, reading: QuotaReading) -> float:
        if run.step is Step.ENDED and run.ended_at <= reading.read_at:
            return 0.0
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in run.jobs:
                pipeline.hget(keys.JOB + job_id, "seconds")
            speech = sum(float(seconds or 0) for seconds in pipeline.execute())
        counted = max(0.0, reading.read_at - run.running_at) if run.running_at else 0.0
        # Speaking is taken to last as long as the speech; too little is no harm, Kaggle lets a session end.
        return max(0.0, SMALLEST_SHARE_SECONDS + speech - counted)


def _pause_of(lane: str) -> str:
    return f"{keys.LANE}{lane}:pause"
