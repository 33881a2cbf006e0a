"""Whose jobs get the next session, and how many of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from app.shared.job import Job
from app.shared.job_queue import JobQueue
from app.shared.provider import load_providers
from app.shared.redis_client import connect_for_queue
from app.shared.settings import Settings
from tests.hosts import CREDENTIALS
from tests.workers.gates import quota_gate
from tests.workers.jobs import make_job, standing, submit
from workers.claim import Claims
from workers.kaggle_client import KaggleClient
from workers.lanes import Lanes
from workers.run import Run
from workers.run_store import RunStore
from workers.stopping import Stopping

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LANE = "hibari:hibari:emulator"
ClaimsOf = Callable[..., Claims]


@pytest.fixture
def claims(redis: Redis, redis_url: str) -> ClaimsOf:
    """Makes the claims of one more worker on this machine."""

    def make(notebooks: Path = NOTEBOOKS, **settings: object) -> Claims:
        in_force = Settings(_env_file=None, batch_window_seconds=0, **settings)  # type: ignore[arg-type]
        queue = JobQueue(connect_for_queue(redis_url))
        # Nobody answers there; these lanes need no quota.
        nowhere = KaggleClient(credentials=CREDENTIALS, owner=None, timeout_seconds=1, url="http://127.0.0.1:9")
        return Claims(
            settings=in_force,
            runs=RunStore(redis, "worker"),
            lanes=Lanes(redis),
            queue=queue,
            providers=load_providers(notebooks),
            hosts=("emulator",),
            local_providers=(),
            machine="here",
            stopping=Stopping(),
            quota=quota_gate(redis, queue, in_force, nowhere, "emulator"),
        )

    return make


def claimed(claims: Claims, lane: str = LANE) -> Run:
    run = claims.next_run(lane)
    assert isinstance(run, Run)
    return run


def in_lane(job: Job, provider: str, model: str) -> Job:
    return replace(job, speech=replace(job.speech, provider=provider, model=model))


def test_free_sessions_share_what_waits(claims: ClaimsOf, redis_url: str) -> None:
    """Two sessions free and far more waiting than one run takes: each takes half, and the third finds nothing."""
    submit(redis_url, *[make_job(seconds=10) for _ in range(60)])
    workers = claims(max_cpu_runs=2, batch_max_items=40)
    assert [len(claimed(workers).jobs) for _ in range(2)] == [30, 30]
    assert workers.next_run(LANE) is None


def test_a_backlog_fills_its_runs(claims: ClaimsOf, redis_url: str) -> None:
    """Where more waits than all free sessions take, each run is as long as runs may be."""
    submit(redis_url, *[make_job(seconds=10) for _ in range(60)])
    workers = claims(max_cpu_runs=2, batch_max_items=20)
    assert [len(claimed(workers).jobs) for _ in range(2)] == [20, 20]


def test_jobs_say_that_they_wait_for_a_session(claims: ClaimsOf, redis_url: str) -> None:
    """Once all sessions are busy, whoever waits shows it, and no longer when a run takes more of the lane."""
    first, second = make_job(seconds=500), make_job(seconds=500)
    submit(redis_url, first, second)
    workers = claims(max_cpu_runs=1)
    assert claimed(workers).jobs == [first.id]
    assert workers.next_run(LANE) is None
    waiting = standing(redis_url, second).waiting
    assert waiting is not None
    assert waiting["code"] == "waiting_for_session"


def test_lanes_take_turns(claims: ClaimsOf, redis_url: str, tmp_path: Path) -> None:
    """Of two lanes that share the sessions, the next run is of the one whose caller has been given less."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for name in ("hibari", "second"):
        manifest = (NOTEBOOKS / "hibari.toml").read_text("utf-8").replace('name = "hibari"', f'name = "{name}"', 1)
        (notebooks / f"{name}.toml").write_text(manifest, "utf-8")
        (notebooks / f"{name}.ipynb").write_bytes((NOTEBOOKS / "hibari.ipynb").read_bytes())
    workers = claims(notebooks)
    submit(redis_url, *[make_job(caller="ada", seconds=800) for _ in range(3)])
    claimed(workers)
    other = in_lane(make_job(caller="bob", seconds=10), "second", "hibari")
    submit(redis_url, other)
    assert claimed(workers, LANE).jobs == [other.id]


@pytest.mark.parametrize(("speech", "minutes"), [([400.0, 400.0], 60), ([1350.0], 90), ([90_000.0], 12 * 60)])
def test_a_long_text_has_as_much_more_time(claims: ClaimsOf, redis_url: str, speech: list[float], minutes: int) -> None:
    """A run has its hour for a quarter of an hour of speech; beyond that in proportion, up to the end of a session."""
    submit(redis_url, *[make_job(seconds=seconds) for seconds in speech])
    assert claimed(claims()).timeout_seconds(60) == minutes * 60
