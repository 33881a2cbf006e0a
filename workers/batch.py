"""Which waiting jobs share one run. Pure: no clock, no store.

The order is priority, then fairness between callers, then age:

- priority: an hour of waiting is worth a step, up to the highest, so that nobody waits for ever;
- fairness: among jobs of equal priority the caller comes first who has been given the least speech. Who comes after a
  pause starts level with the others: what was not asked for in time is not owed (start-time fair queueing);
- age: a caller's own jobs keep their order, and of two callers with equal shares the one who waited longer is first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.shared.job import MAX_SOURCE_BYTES, PRIORITY_STEP_SECONDS

# A run on Kaggle bills about 95 s before its first word (public run logs): less speech is not worth another session.
SMALLEST_SHARE_SECONDS = 95.0

_HIGHEST_RANK = 1


@dataclass(frozen=True)
class BatchLimits:
    """What one run may carry. A job beyond them runs alone."""

    items: int
    speech_seconds: float
    source_bytes: int = MAX_SOURCE_BYTES


@dataclass(frozen=True)
class Candidate:
    """What batching needs to know of a waiting job; `score` is its place among its caller's jobs, in epoch seconds."""

    id: str
    caller: str
    score: float
    created_at: float
    seconds: float
    source_bytes: int
    group: str = ""

    def precedence(self, served: Mapping[str, float], now: float) -> tuple[float, float, float]:
        """Smaller is sooner, among jobs that head their callers' queues."""
        rank = min(_HIGHEST_RANK, (now - self.score) // PRIORITY_STEP_SECONDS)
        return -rank, served.get(self.caller, 0.0), self.score


def choose(
    queues: Mapping[str, Sequence[Candidate]],
    served: Mapping[str, float],
    limits: BatchLimits,
    *,
    now: float,
    sessions: int = 1,
) -> list[Candidate]:
    """The jobs of the next run, out of each caller's queue; `served` is the speech given to each caller, in seconds.

    It is one run's share where several `sessions` are free. It stops at the first job that does not fit, so that nobody
    is overtaken for being long. Jobs of a group run with those of their group alone.
    """
    share = max(SMALLEST_SHARE_SECONDS, sum(job.seconds for job in _every(queues)) / max(1, sessions))
    chosen: list[Candidate] = []
    seconds, size = 0.0, 0
    for job in _in_order(queues, served, now):
        if chosen and job.group != chosen[0].group:
            continue
        seconds += job.seconds
        size += job.source_bytes
        fits = len(chosen) < limits.items and seconds <= limits.speech_seconds and size <= limits.source_bytes
        if chosen and not (fits and seconds - job.seconds / 2 <= share):
            break
        chosen.append(job)
    return chosen


def floor_of(queues: Mapping[str, Sequence[Candidate]], served: Mapping[str, float]) -> float:
    """The least that any waiting caller has been given: where a caller starts who comes after a pause."""
    return min((served.get(caller, 0.0) for caller, queue in queues.items() if queue), default=0.0)


def by_precedence(heads: Mapping[str, Collection[Candidate]], served: Mapping[str, float], now: float) -> list[str]:
    """Lanes in the order in which they should get a session; `heads` are the first jobs of each one's callers."""
    return sorted(
        (lane for lane, jobs in heads.items() if jobs),
        key=lambda lane: min(job.precedence(served, now) for job in heads[lane]),
    )


def _in_order(
    queues: Mapping[str, Sequence[Candidate]], served: Mapping[str, float], now: float
) -> Iterable[Candidate]:
    """Every job, as if each were spoken as soon as it is taken."""
    given = {caller: served.get(caller, 0.0) for caller in queues}
    left = {caller: list(reversed(queue)) for caller, queue in queues.items() if queue}
    while left:
        caller = min(left, key=lambda caller: left[caller][-1].precedence(given, now))
        job = left[caller].pop()
        if not left[caller]:
            del left[caller]
        given[caller] += job.seconds
        yield job


def _every(queues: Mapping[str, Sequence[Candidate]]) -> Iterable[Candidate]:
    return (job for queue in queues.values() for job in queue)
