"""ETAs: what runs have taught, and what is made of it."""

import math
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from app.shared import eta
from app.shared.capacity import Capacity
from app.shared.eta import Pace, durations, eta_seconds
from app.shared.job import Job, Phase, Speech
from app.shared.provider import load_providers
from app.shared.settings import load_settings
from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.workshop import Workshop

seconds = st.floats(0, 1e6)
phases = st.sampled_from([phase.value for phase in Phase])
runs = st.lists(st.dictionaries(phases, seconds), max_size=10)
LANE = "hibari:small:emulator"
PROVIDERS = load_providers(Path(__file__).parents[2] / "notebooks")


def _taught(seen: list[dict[str, float]], speech: float = 10.0) -> Pace:
    pace = Pace()
    for run in seen:
        pace = pace.after(run, speech)
    return pace


@given(runs)
def test_a_phase_is_expected_to_take_what_it_took(seen: list[dict[str, float]]) -> None:
    """What is learnt lies between the shortest and the longest that was seen."""
    for phase, expected in _taught(seen).seconds.items():
        times = [run[phase] for run in seen if phase in run]
        assert min(times) <= expected * (1 + 1e-9) + 1e-9
        assert expected <= max(times) * (1 + 1e-9) + 1e-9


@given(st.dictionaries(phases, seconds, min_size=1), runs)
def test_an_odd_run_is_forgotten(usual: Mapping[str, float], odd: list[dict[str, float]]) -> None:
    """After some dozens of usual runs only they count."""
    learnt = _taught([*odd, *[dict(usual)] * 100]).seconds
    assert all(math.isclose(learnt[phase], took, abs_tol=1e-3) for phase, took in usual.items())


@given(runs, st.sampled_from(Phase), seconds, seconds, seconds, st.floats(0, 1))
def test_an_eta_is_never_negative_and_falls_with_time(
    seen: list[dict[str, float]], phase: Phase, elapsed: float, more: float, speech: float, progress: float
) -> None:
    """Whatever was learnt; with progress of its own, a job that stands still takes longer instead."""
    pace = _taught(seen)
    sooner, later = (pace.remaining(phase, time, speech, progress) for time in (elapsed, elapsed + more))
    assert 0 <= later < math.inf
    assert later <= sooner or (phase is Phase.SYNTHESIZING and progress > 0)


@given(runs, st.floats(0, 1e4), st.floats(0, 1e4))
def test_more_speech_takes_no_less_time(seen: list[dict[str, float]], speech: float, more: float) -> None:
    """A longer text is never promised for earlier."""
    pace = _taught(seen)
    assert pace.remaining(Phase.WAITING, 0, speech, 0) <= pace.remaining(Phase.WAITING, 0, speech + more, 0)


def _eta(place: int, **settings: object) -> float:
    """The ETA of a job of ten seconds, of a lane of which a run takes a minute, with so many before it."""
    speech = Speech("Hello.", "hibari", "small", "heart", "en", "emulator", False, estimated_seconds=10)
    job = Job(id="job", caller="local", created_at=0, speech=speech)
    found = eta_seconds(job, Pace({"synthesizing": 60}), Capacity(load_settings(**settings), PROVIDERS), 0, place=place)
    assert found is not None
    return found


@given(st.integers(0, 1000), st.integers(1, 100), st.integers(1, 10), st.integers(1, 1000))
def test_a_job_waits_for_the_runs_that_carry_those_before_it(place: int, items: int, runs: int, seconds: int) -> None:
    """As many runs as are needed for them, as many at once as may be, and then its own."""
    carried = max(1, min(items, seconds // 10))
    expected = 60 * (place // (carried * runs) + 1)
    assert _eta(place, batch_max_items=items, batch_max_speech_seconds=seconds, max_cpu_runs=runs) == expected


@given(st.dictionaries(phases, st.floats(1000, 2000)))
def test_the_phases_of_a_run_add_up_to_it(entered: dict[str, float]) -> None:
    """Every second of a run belongs to one phase."""
    took = durations(1000, entered, 2000)
    assert math.isclose(sum(took.values()), 1000) or Phase.PUSHING in entered


def test_a_job_of_a_known_lane_says_when_it_will_be_done(place: Place, redis: Redis, workshop: Workshop) -> None:
    """What the lane's runs have taught is in the view of every job that has not ended, and goes down as it comes on."""
    run = {"pushing": 10.0, "kernel_queued": 50.0, "synthesizing": 30.0, "downloading": 5.0, "checking": 5.0}
    eta.learn(redis, LANE, run, speech_seconds=10, billed=0)
    folder = place.data_dir / "eta"
    folder.mkdir()
    with serving(folder, **place.settings) as api:
        job = api.post("/synthesize", json={"text": "Hello."}).json()
        assert job["eta_seconds"] == 100
        workshop.start(job["id"])
        workshop.report(job["id"], "kernel_queued", 0.0)
        assert 80 < api.get(f"/jobs/{job['id']}").json()["eta_seconds"] <= 90
        workshop.report(job["id"], "downloading", 1.0)
        assert 5 < api.get("/jobs").json()["jobs"][0]["eta_seconds"] <= 10
        workshop.fail(job["id"])
        assert api.get(f"/jobs/{job['id']}").json()["eta_seconds"] is None
