"""When a job will be done, learnt from the runs before it: how long each phase took in runs of the same lane.

A job that waits goes with the next run, or with a later one where more jobs are before it than the next runs carry.

A lane is one provider with one model on one host, so a run of Kaggle's says nothing about the emulator. Nothing is
known of a lane before its first run has ended well; until then the ETA of its jobs is null.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Self, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.shared import keys
from app.shared.capacity import Capacity
from app.shared.job import Job, JobStatus, Phase

_WEIGHT = 0.3
"""Of the newest run against all before it: ten runs later almost nothing of an odd one is left."""

_TELLING_PROGRESS = 0.2
"""From here on a job's own progress tells more than the runs before it."""

_USUAL_OVERHEAD_SECONDS, _USUAL_RATE = 95.0, 1.87
"""What a run on Kaggle is billed before its first word, and for each second of speech: what VoiceGenHub's recorded runs
of qwen took on a T4. docs/bench.md says how sure that is."""

_PHASES = (
    Phase.WAITING, Phase.PUSHING, Phase.KERNEL_QUEUED, Phase.INSTALLING, Phase.LOADING, Phase.SYNTHESIZING,
    Phase.DOWNLOADING, Phase.CHECKING,
)  # fmt: skip


@dataclass(frozen=True)
class Pace:
    """How long the runs of one lane take: seconds by phase, and seconds of synthesis for each second of speech.

    `overhead_gpu_seconds` is what a run is billed besides its synthesis, None before one was.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    per_speech_second: float = 0.0
    overhead_gpu_seconds: float | None = None

    def after(self, run: Mapping[str, float], speech_seconds: float, billed: float = 0.0) -> Self:
        """What is known after one more run, which took so long in its phases, gave so much speech, and was billed so
        many GPU seconds."""
        seconds = {**self.seconds, **{phase: _smooth(self.seconds.get(phase), took) for phase, took in run.items()}}
        rate = self.per_speech_second
        if Phase.SYNTHESIZING in run and speech_seconds > 0:
            rate = _smooth(rate or None, run[Phase.SYNTHESIZING] / speech_seconds)
        overhead = self.overhead_gpu_seconds
        if billed > 0:
            overhead = _smooth(overhead, max(0.0, billed - run.get(Phase.SYNTHESIZING, 0.0)))
        return type(self)(seconds, rate, overhead)

    def gpu_seconds(self, speech_seconds: float) -> float:
        """What a run with nothing but so much speech is billed; by the usual figures as long as none was."""
        if self.overhead_gpu_seconds is None:
            return _USUAL_OVERHEAD_SECONDS + _USUAL_RATE * speech_seconds
        return self.overhead_gpu_seconds + self.per_speech_second * speech_seconds

    def remaining(self, phase: Phase, elapsed: float, speech_seconds: float, progress: float) -> float:
        """Seconds until the end for a job that has been in this phase for `elapsed` seconds."""
        # What a waiting job waits for is said elsewhere; here it only waits.
        place = _PHASES.index(phase) if phase in _PHASES else 0
        left = max(0.0, self._expected(_PHASES[place], speech_seconds) - elapsed)
        if phase is Phase.SYNTHESIZING and progress >= _TELLING_PROGRESS:
            left = max(0.0, elapsed * (1 - progress) / progress)
        return left + sum(self._expected(later, speech_seconds) for later in _PHASES[place + 1 :])

    def whole(self, speech_seconds: float) -> float:
        """Seconds that a run with so much speech takes from its push to its end."""
        return self.remaining(Phase.PUSHING, 0.0, speech_seconds, 0.0)

    def _expected(self, phase: Phase, speech_seconds: float) -> float:
        usual = self.seconds.get(phase, 0.0)
        # A run is shared, so even a short text waits for the others; a long one goes alone.
        return max(usual, speech_seconds * self.per_speech_second) if phase is Phase.SYNTHESIZING else usual


def durations(started_at: float, entered: Mapping[str, float], ended_at: float) -> Mapping[str, float]:
    """How long each phase of a run took, from when it was entered first; the run itself begins by pushing."""
    times = sorted([(started_at, Phase.PUSHING.value), *((at, phase) for phase, at in entered.items())])
    ends = [*times, (ended_at, "")]
    return {phase: max(0.0, until - at) for (at, phase), (until, _) in pairwise(ends)}


def eta_seconds(
    job: Job,
    pace: Pace | None,
    capacity: Capacity,
    now: float,
    *,
    place: int | None = None,
    waiting: Mapping[str, Any] | None = None,
) -> float | None:
    """Seconds until the job's end as far as anybody can know; None when nobody can.

    `place` and `waiting` are where it stands: so many jobs before it, which are taken to be as long as it is itself.
    """
    if pace is None or job.status not in {JobStatus.QUEUED, JobStatus.RUNNING}:
        return None
    since, speech = job.phase_at or job.created_at, job.speech.estimated_seconds
    left = pace.remaining(job.phase, max(0.0, now - since), speech, job.progress)
    if job.status is JobStatus.QUEUED and waiting and waiting.get("retry_at"):
        left = max(left, waiting["retry_at"] - now + pace.whole(speech))
    if place:
        rounds = capacity.rounds_before(job.speech.lane, place, speech)
        left += rounds * pace.whole(speech * capacity.jobs_a_run(speech))
    return round(left, 1)


def learn(redis: Redis, lane: str, run: Mapping[str, float], speech_seconds: float, billed: float) -> None:
    """Writes down what a run of the lane has taught. Of two that end at once, one may be forgotten."""
    known = cast("str | None", redis.hget(keys.PACES, lane))
    pace = (_read(known) if known else Pace()).after(run, speech_seconds, billed)
    redis.hset(keys.PACES, lane, json.dumps(asdict(pace)))


class Paces:
    """What is known of every lane, read anew every few seconds only: it changes with the end of a run."""

    _FRESH_SECONDS = 5.0

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis
        self._known: Mapping[str, Pace] = {}
        self._read_at = float("-inf")

    async def of(self, lane: str) -> Pace | None:
        """The lane's pace, None where no run has ended yet."""
        if time.monotonic() - self._read_at > self._FRESH_SECONDS:
            # Set first, so that concurrent requests do not all read.
            self._read_at = time.monotonic()
            found = cast("dict[str, str]", await self._redis.hgetall(keys.PACES))
            self._known = {name: _read(text) for name, text in found.items()}
        return self._known.get(lane)


def _read(text: str) -> Pace:
    return Pace(**json.loads(text))


def _smooth(before: float | None, seen: float) -> float:
    return seen if before is None else before + _WEIGHT * (seen - before)
