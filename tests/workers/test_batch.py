"""Which waiting jobs share a run, and in whose turn."""

import itertools
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.batch import SMALLEST_SHARE_SECONDS, BatchLimits, Candidate, by_precedence, choose, floor_of

LIMITS = BatchLimits(items=5, speech_seconds=400, source_bytes=4_000)
NOW = 1_000_000.0
HOUR = 3600.0
CALLERS = ("ada", "bob", "cleo")

Queues = Mapping[str, Sequence[Candidate]]
_ids = itertools.count()


def waits(caller: str = "ada", *, since: float = 10, seconds: float = 8, size: int = 300, **more: object) -> Candidate:
    """A job of normal priority that has waited for so many seconds."""
    facts: dict[str, object] = {"score": NOW - since, "created_at": NOW - since} | more
    return Candidate(f"job-{next(_ids)}", caller, seconds=seconds, source_bytes=size, **facts)  # type: ignore[arg-type]


@st.composite
def queues(draw: st.DrawFn) -> Queues:
    """Each caller's jobs, in the order of their scores as the lane keeps them."""
    job = st.builds(
        waits,
        since=st.floats(0, 5 * HOUR),
        seconds=st.floats(0, 500),
        size=st.integers(300, 5_000),
        group=st.sampled_from(["", "", "", "a", "b"]),
    )
    found = {caller: draw(st.lists(job, max_size=8)) for caller in CALLERS}
    return {
        caller: [Candidate(**{**vars(job), "caller": caller}) for job in sorted(jobs, key=lambda job: job.score)]
        for caller, jobs in found.items()
    }


served_seconds = st.fixed_dictionaries({caller: st.floats(0, 1_000) for caller in CALLERS})
sessions_free = st.integers(1, 3)


@settings(max_examples=300, deadline=None)
@given(queues(), served_seconds, sessions_free)
def test_a_run_is_within_the_limits_and_never_empty(waiting: Queues, served: Mapping[str, float], free: int) -> None:
    """More than one job share a run only within the limits; where something waits, something runs."""
    chosen = choose(waiting, served, LIMITS, now=NOW, sessions=free)
    assert bool(chosen) == any(waiting.values())
    assert len({job.id for job in chosen}) == len(chosen)
    if len(chosen) > 1:
        assert len(chosen) <= LIMITS.items
        assert sum(job.seconds for job in chosen) <= LIMITS.speech_seconds
        assert sum(job.source_bytes for job in chosen) <= LIMITS.source_bytes


@settings(max_examples=300, deadline=None)
@given(queues(), served_seconds, sessions_free)
def test_nobody_is_overtaken_by_a_job_of_their_own(waiting: Queues, served: Mapping[str, float], free: int) -> None:
    """Of each caller the next ones of the same group run, and none is left out for being long."""
    chosen = choose(waiting, served, LIMITS, now=NOW, sessions=free)
    for caller, queue in waiting.items():
        mine = [job.id for job in chosen if job.caller == caller]
        group = chosen[0].group if chosen else ""
        assert mine == [job.id for job in queue if job.group == group][: len(mine)]


@settings(max_examples=300, deadline=None)
@given(queues(), served_seconds, sessions_free)
def test_a_part_of_a_failed_run_runs_alone(waiting: Queues, served: Mapping[str, float], free: int) -> None:
    """Jobs of a group share their run with nobody else."""
    assert len({job.group for job in choose(waiting, served, LIMITS, now=NOW, sessions=free)}) <= 1


@settings(max_examples=100, deadline=None)
@given(queues(), served_seconds)
def test_everybody_is_served_in_the_end(waiting: Queues, served: Mapping[str, float]) -> None:
    """Run by run the lanes empty, each job exactly once."""
    left, ran = {caller: list(queue) for caller, queue in waiting.items()}, []
    while any(left.values()):
        chosen = choose(left, served, LIMITS, now=NOW)
        assert chosen
        ran += [job.id for job in chosen]
        left = {caller: [job for job in queue if job.id not in ran] for caller, queue in left.items()}
    assert sorted(ran) == sorted(job.id for queue in waiting.values() for job in queue)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1, 500), min_size=30, max_size=40), st.lists(st.floats(1, 500), min_size=30, max_size=40))
def test_callers_who_both_wait_get_the_same_speech(long: list[float], short: list[float]) -> None:
    """Over many runs no caller gets ahead of another by more than two jobs' length, whatever the jobs are like."""
    left = {
        "ada": [waits("ada", seconds=seconds) for seconds in long],
        "bob": [waits("bob", seconds=seconds) for seconds in short],
    }
    served = {"ada": 0.0, "bob": 0.0}
    while all(left.values()):
        for job in choose(left, served, LIMITS, now=NOW):
            left[job.caller].remove(job)
            served[job.caller] += job.seconds
        assert abs(served["ada"] - served["bob"]) <= 2 * 500


def test_a_flood_does_not_hold_others_up() -> None:
    """A caller with one job is in the next run, however many older ones of another caller wait."""
    flood = [waits("ada", since=600 - number, seconds=60) for number in range(100)]
    chosen = choose({"ada": flood, "bob": [waits("bob", since=1)]}, {}, LIMITS, now=NOW)
    assert "bob" in {job.caller for job in chosen}


def test_priority_goes_before_fairness_and_fairness_before_age() -> None:
    """A high one first, then the caller who was given less, then the one who has waited longer."""
    high = waits("ada", score=NOW - 1 - HOUR)
    older, younger = waits("bob", since=30), waits("cleo", since=20)
    waiting = {"ada": [high], "bob": [older], "cleo": [younger]}
    limits = BatchLimits(items=3, speech_seconds=400)
    assert choose(waiting, {"ada": 900}, limits, now=NOW) == [high, older, younger]
    assert choose(waiting, {"ada": 900, "bob": 50}, limits, now=NOW) == [high, younger, older]


def test_waiting_raises_priority() -> None:
    """A low one that has waited for two hours stands like a high one, and so nobody starves."""
    low = waits("ada", since=2 * HOUR + 1, score=NOW - HOUR - 1)
    high = waits("bob", since=1, score=NOW - 1 - HOUR)
    assert choose({"ada": [low], "bob": [high]}, {"bob": 5}, BatchLimits(1, 400), now=NOW) == [low]


def test_free_sessions_share_evenly() -> None:
    """With two sessions free one run takes half of the speech, unless that is too little for a session of its own."""
    many = {"ada": [waits(seconds=10) for _ in range(40)]}
    limits = BatchLimits(items=100, speech_seconds=900)
    assert len(choose(many, {}, limits, now=NOW, sessions=2)) == 20
    few = {"ada": [waits(seconds=SMALLEST_SHARE_SECONDS / 5) for _ in range(5)]}
    assert len(choose(few, {}, limits, now=NOW, sessions=2)) == 5


def test_lanes_take_turns_like_callers() -> None:
    """The lane whose first job has precedence gets the session."""
    heads = {"one": [waits("ada", since=50)], "two": [waits("bob", since=5)], "none": []}
    assert by_precedence(heads, {"ada": 100.0}, NOW) == ["two", "one"]
    assert by_precedence(heads, {}, NOW) == ["one", "two"]


def test_who_comes_after_a_pause_starts_level() -> None:
    """The floor is the least that any caller has been given who waits now."""
    assert floor_of({"ada": [waits("ada")], "bob": [waits("bob")], "cleo": []}, {"ada": 30, "bob": 20}) == 20
    assert floor_of({}, {"ada": 30}) == 0
