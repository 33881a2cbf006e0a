"""Whoever waits for a job hears of what its quota, its bill and its move to another lane change."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from redis import Redis

from app.shared import keys
from tests.workers.jobs import make_job, submit
from tests.workers.test_billing import ended, gpu_job, started
from tests.workers.test_quota_gate import HOUR, Gatehouse, house, time_to_look, with_stand_in
from workers.lanes import Lanes
from workers.run_store import RunStore

__all__ = ["house"]


def told(redis: Redis, act: Callable[[], Any]) -> set[tuple[str, str]]:
    """What is published while this is done: channels and their subjects."""
    with redis.pubsub() as heard:  # type: ignore[no-untyped-call]  # redis forgot to say that it returns a PubSub
        heard.subscribe(keys.CHANGED_JOB, keys.CHANGED_LANE)
        act()
        found = set()
        while message := heard.get_message(timeout=0.5):
            if message["type"] == "message":
                found.add((message["channel"], message["data"]))
        return found


def test_a_move_is_told_of_the_job_and_of_both_lanes(house: Gatehouse, redis: Redis, redis_url: str) -> None:
    """The job has another provider, and the others of either lane another place."""
    job = with_stand_in()
    assert job.fallback is not None
    submit(redis_url, job)
    house.now_left(0)
    news = told(redis, lambda: house.gate.is_shut([job.speech.lane]))
    lanes = {(keys.CHANGED_LANE, lane) for lane in (job.speech.lane, job.fallback.lane)}
    assert news == {(keys.CHANGED_JOB, job.id)} | lanes


def test_a_lane_that_waits_for_quota_says_so_and_its_end(house: Gatehouse, redis: Redis, redis_url: str) -> None:
    """Also where the clock was set back, and no lane rests any longer."""
    lane = (keys.CHANGED_LANE, make_job().speech.lane)
    submit(redis_url, make_job())
    house.now_left(0)
    assert told(redis, lambda: house.gate.is_shut([lane[1]])) == {lane}
    house.now_left(HOUR)
    assert told(redis, lambda: time_to_look(house)) == {lane}
    house.now_left(0)
    house.gate.is_shut([lane[1]])
    assert told(redis, Lanes(redis).end_pauses) == {lane}


def test_another_reason_to_wait_is_told_and_the_same_is_not(redis: Redis) -> None:
    """Workers note the same reason every few seconds."""
    lane, lanes = (keys.CHANGED_LANE, "a:b:emulator"), Lanes(redis)
    assert told(redis, lambda: lanes.note_busy(lane[1], {"code": "sessions_busy"})) == {lane}
    assert told(redis, lambda: lanes.note_busy(lane[1], {"code": "sessions_busy"})) == set()
    assert told(redis, lambda: lanes.note_busy(lane[1], {"code": "waiting_for_quota"})) == {lane}


def test_a_bill_is_told(redis: Redis, redis_url: str) -> None:
    """A job's share of its run is part of what its caller sees."""
    job, runs = gpu_job(), RunStore(redis, "worker")
    submit(redis_url, job)
    run = started(runs, job, seconds_ago=10)
    assert told(redis, lambda: ended(runs, run)) == {(keys.CHANGED_JOB, job.id)}


def test_requests_with_different_stand_ins_are_not_the_same() -> None:
    """So that nobody joins a job that may be spoken by whom they did not name."""
    job = with_stand_in()
    assert job.fallback is not None
    again = replace(job, id="another", fallback=replace(job.fallback, warnings=["of no weight"]))
    assert job.fingerprint == again.fingerprint
    others = [replace(job, fallback=None), replace(job, fallback=replace(job.fallback, provider="kokoro"))]
    assert len({one.fingerprint for one in [job, *others]}) == 3
