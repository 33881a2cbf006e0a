"""The bounds by hand, and the texts that they are for."""

import statistics

import pytest

from tests.bench.bound import earliest_end, earliest_end_of_stream, fewest_gpu_seconds, fewest_runs, ideal_waits
from tests.bench.clock import OVERHEAD, Speed
from tests.bench.texts import HEAD, LONGEST, SHORTEST, arrivals, seconds, texts

LENGTHS = [seconds(text) for text in texts()]


def test_the_texts_are_as_the_table_says() -> None:
    """Two hundred different ones of 3 to 15 s, 8 in the mean; so are the original's twenty."""
    assert len(set(texts())) == 200
    assert (min(LENGTHS), max(LENGTHS)) == (SHORTEST, LONGEST)
    assert statistics.mean(LENGTHS) == pytest.approx(8, abs=0.1)
    assert sorted(LENGTHS[:HEAD]) == sorted(LENGTHS[-HEAD:])


def test_a_stream_comes_at_its_rate_and_always_the_same() -> None:
    came = arrivals(600)
    assert list(came) == sorted(came)
    assert came == arrivals(600)
    assert came[-1] == pytest.approx(3600, rel=0.1)


def test_two_hundred_texts_need_two_runs() -> None:
    assert fewest_runs(LENGTHS) == 2
    # Neither more items nor more speech than a run carries.
    assert fewest_runs([1.0] * 201) == 3
    assert fewest_runs([300.0] * 7) == 3


@pytest.mark.parametrize(("gpus", "end"), [(1, 109 + 800), (2, 109 + 400)])
def test_the_earliest_end_is_the_overhead_and_the_speech_on_all_gpus(gpus: int, end: float) -> None:
    assert earliest_end([8.0] * 200, Speed(1.0, gpus)) == pytest.approx(end)


def test_nothing_ends_before_its_longest_text() -> None:
    assert earliest_end([60.0, 1.0], Speed(2.0, 2)) == pytest.approx(OVERHEAD + 120)


def test_the_sessions_share_what_a_third_run_costs() -> None:
    """One has two short runs, the other a long one."""
    assert earliest_end([8.0] * 201, Speed(1.0, 1)) == pytest.approx(1.5 * OVERHEAD + 804)


def test_gpu_seconds_are_those_of_the_fewest_runs() -> None:
    assert fewest_gpu_seconds([8.0] * 200, Speed(1.0, 2)) == pytest.approx(2 * 94 + 800)


def test_a_stream_is_not_over_before_its_last_text_could_be_spoken() -> None:
    assert earliest_end_of_stream([8.0, 8.0], [0.0, 500.0], Speed(1.0, 1)) == pytest.approx(500 + OVERHEAD + 8)
    # So much comes at the end that both sessions are busy with it.
    assert earliest_end_of_stream([8.0, *[8.0] * 50], [0.0, *[500.0] * 50], Speed(1.0, 1)) == pytest.approx(
        500 + OVERHEAD + 200
    )


def test_the_ideal_stream_gives_a_free_session_all_that_waits() -> None:
    """The first text goes alone, the next two together on the other session, the last waits for the first."""
    waits = ideal_waits([8.0] * 4, [0.0, 1.0, 1.0, 50.0], Speed(1.0, 1))
    assert waits == pytest.approx([OVERHEAD + 8, OVERHEAD + 16, OVERHEAD + 16, 2 * OVERHEAD + 16 - 50])


def test_nobody_waits_less_than_the_stream_allows() -> None:
    count = 300
    came, speed = arrivals(count), Speed(1.0, 1)
    lengths = [seconds(text) for text in texts(count)]
    last = max(moment + wait for moment, wait in zip(came, ideal_waits(lengths, came, speed), strict=True))
    assert earliest_end_of_stream(lengths, came, speed) <= last
