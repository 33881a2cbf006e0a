"""Which waiting jobs share a run."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.jobs import make_job
from workers.batch import BatchLimits, choose, source_bytes

LIMITS = BatchLimits(items=5, speech_seconds=60, item_bytes=4_000)

jobs = st.lists(
    st.builds(
        lambda text, seconds: make_job(text, seconds=seconds),
        st.text(max_size=300),
        st.floats(min_value=0, max_value=90, allow_nan=False),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(jobs)
def test_a_batch_is_the_head_of_its_lane_and_within_the_limits(waiting: list) -> None:  # type: ignore[type-arg]
    """Nobody is overtaken, and more than one job share a run only within the limits."""
    chosen = choose(waiting, LIMITS)
    assert chosen == waiting[: len(chosen)]
    assert bool(chosen) == bool(waiting)
    if len(chosen) > 1:
        assert len(chosen) <= LIMITS.items
        assert sum(job.speech.estimated_seconds for job in chosen) <= LIMITS.speech_seconds
        assert sum(source_bytes(job) for job in chosen) <= LIMITS.item_bytes


@settings(max_examples=200, deadline=None)
@given(jobs)
def test_a_run_leaves_nothing_behind_that_would_have_fitted(waiting: list) -> None:  # type: ignore[type-arg]
    """The next job in the lane is only left behind because it would break a limit."""
    chosen = choose(waiting, LIMITS)
    more = waiting[: len(chosen) + 1]
    if len(more) > len(chosen):
        assert (
            len(more) > LIMITS.items
            or sum(job.speech.estimated_seconds for job in more) > LIMITS.speech_seconds
            or sum(source_bytes(job) for job in more) > LIMITS.item_bytes
        )
