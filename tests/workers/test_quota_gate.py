"""When lanes wait for the GPU quota, and which of their jobs are spoken elsewhere meanwhile."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from app.shared import keys
from app.shared.errors import HostUnreachable, QuotaExhausted
from app.shared.job import Job, JobStatus
from app.shared.job_queue import JobQueue
from app.shared.presence import Presence, announce
from app.shared.redis_client import connect_for_queue
from app.shared.settings import Settings
from tests.workers.jobs import cancel, make_job, make_run, read, standing, submit
from workers.fallbacks import Fallbacks
from workers.kaggle_quota import GpuQuota
from workers.lanes import Lanes
from workers.quota_book import QuotaBook
from workers.quota_gate import QuotaGate
from workers.run_store import RunStore

HOST = "emulator"
HOUR = 3600.0
REFRESH = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=3)


def with_stand_in() -> Job:
    """A job of a GPU lane that may be spoken by `mimic` on this machine."""
    job = make_job()
    stand_in = replace(job.speech, provider="mimic", model="parrot", host="local")
    return replace(job, speech=replace(job.speech, gpu=True), fallback=stand_in)


class Gatehouse:
    """The gate with an account whose quota a test sets."""

    def __init__(self, redis: Redis, url: str) -> None:
        self.url, self.redis, self.runs = url, redis, RunStore(redis, "worker")
        self.left: float | None = 30 * HOUR
        self.readings = 0
        queue, settings = JobQueue(connect_for_queue(url)), Settings(_env_file=None, retry_interval_seconds=0.001)
        self.gate = QuotaGate(
            redis=redis,
            book=QuotaBook(redis, HOST, self.read, fresh_seconds=30),
            lanes=Lanes(redis),
            fallbacks=Fallbacks(redis, queue),
            queue=queue,
            settings=settings,
            host=HOST,
        )

    def read(self) -> GpuQuota:
        self.readings += 1
        if self.left is None:
            raise HostUnreachable("no answer")
        return GpuQuota(30 * HOUR - self.left, 0.0, 30 * HOUR, REFRESH)

    def now_left(self, seconds: float | None) -> None:
        """The account has so much left, and nobody believes what was read before."""
        self.left = seconds
        self.redis.delete(f"{keys.QUOTA}{HOST}:fresh")


@pytest.fixture
def house(redis: Redis, redis_url: str) -> Gatehouse:
    announce(redis, Presence("worker", "machine", time.time(), [HOST, "local"], ["mimic"]))
    return Gatehouse(redis, redis_url)


def test_a_reading_counts_until_a_run_ends(house: Gatehouse, redis_url: str) -> None:
    """Any number of workers read once, and again when GPU time was spent."""
    job = with_stand_in()
    submit(redis_url, job)
    assert not any(house.gate.is_shut([job.speech.lane]) for _ in range(3))
    assert house.readings == 1
    run = house.runs.claim(make_run(job), [job.id], most_runs=9, engine="engine")
    assert not isinstance(run, str)
    house.runs.close(run)
    house.gate.is_shut([job.speech.lane])
    assert house.readings == 2


def test_what_open_runs_will_take_is_not_given_twice(house: Gatehouse, redis_url: str) -> None:
    """With less left than the run under way needs, the lane waits for that run, and is not paused."""
    under_way, other = with_stand_in(), with_stand_in()
    submit(redis_url, under_way, other)
    house.now_left(60)
    assert not house.gate.is_shut([other.speech.lane])
    run = house.runs.claim(make_run(under_way), [under_way.id], most_runs=9, engine="engine")
    assert not isinstance(run, str)
    assert house.gate.is_shut([other.speech.lane])
    assert (standing(redis_url, other).waiting or {})["code"] == "waiting_for_quota"
    assert read(redis_url, other).fallback is not None
    house.runs.close(run)
    assert not house.gate.is_shut([other.speech.lane])


def test_an_unreadable_quota_shuts_nothing(house: Gatehouse) -> None:
    """It is not asked for again at once, either."""
    house.now_left(None)
    assert not any(house.gate.is_shut(["a:b:emulator"]) for _ in range(3))
    assert house.readings == 1


def test_a_shut_lane_opens_once_a_look_finds_quota(house: Gatehouse, redis_url: str) -> None:
    """Until then it shows the refresh; a look that finds nothing changes nothing."""
    job = make_job()
    submit(redis_url, job)
    house.now_left(0)
    assert house.gate.is_shut([job.speech.lane])
    time_to_look(house)
    assert (standing(redis_url, job).waiting or {})["retry_at"] == REFRESH.timestamp()
    house.now_left(HOUR)
    time_to_look(house)
    assert standing(redis_url, job).waiting is None


def time_to_look(house: Gatehouse) -> None:
    """The sweep, once every paused lane is due."""
    for key in house.redis.scan_iter(f"{keys.LANE}*:pause"):
        pause = json.loads(house.redis.get(key) or "{}")
        house.redis.set(key, json.dumps(pause | {"look_at": 0.0}), keepttl=True)
    house.gate.tend()


def test_who_asks_for_the_quota_is_answered_by_the_sweep(house: Gatehouse, redis: Redis) -> None:
    """A worker looks once for each wish."""
    redis.set(f"{keys.QUOTA}{HOST}:wanted", "1")
    house.gate.tend()
    house.gate.tend()
    assert house.readings == 1
    assert redis.hget(keys.QUOTA + HOST, "refreshes_at") == repr(REFRESH.timestamp())


def test_a_job_moves_with_everything_that_is_its(house: Gatehouse, redis: Redis, redis_url: str) -> None:
    """It leaves its lane for the other, keeps its place in time, and can be cancelled there."""
    job = with_stand_in()
    submit(redis_url, job)
    house.now_left(0)
    house.gate.is_shut([job.speech.lane])
    moved = read(redis_url, job)
    assert (moved.speech.provider, moved.fallback, moved.status) == ("mimic", None, JobStatus.QUEUED)
    assert len(moved.speech.warnings) == 1
    lane = keys.LANE + moved.speech.lane
    assert redis.zscore(lane, job.id) == pytest.approx(job.lane_score)
    assert redis.zscore(f"{lane}:of:local", job.id) == pytest.approx(job.lane_score)
    assert not redis.exists(keys.LANE + job.speech.lane, f"{keys.LANE}{job.speech.lane}:of:local")
    cancel(redis_url, job)
    assert not redis.exists(lane, f"{lane}:callers", keys.QUEUED)


def paused(house: Gatehouse, lane: str) -> None:
    waiting, seconds = house.gate.refused(QuotaExhausted("refused"))
    house.redis.set(f"{keys.LANE}{lane}:pause", json.dumps(waiting), px=int(seconds * 1000))


def claimed(house: Gatehouse, job: Job) -> None:
    house.runs.claim(make_run(job), [job.id], most_runs=9, engine="engine")
    paused(house, job.speech.lane)


def cancelled(house: Gatehouse, job: Job) -> None:
    cancel(house.url, job)
    paused(house, job.speech.lane)


def alone(house: Gatehouse, job: Job) -> None:
    house.redis.delete(f"{keys.WORKER}worker")
    paused(house, job.speech.lane)


def waits_for_something_else(house: Gatehouse, job: Job) -> None:
    house.redis.set(f"{keys.LANE}{job.speech.lane}:pause", json.dumps({"code": "kaggle_unreachable"}))


@pytest.mark.parametrize("meanwhile", [claimed, cancelled, alone, waits_for_something_else])
def test_a_job_that_does_not_wait_for_quota_any_more_stays(
    house: Gatehouse, redis_url: str, meanwhile: Callable[[Gatehouse, Job], None]
) -> None:
    """A claim and a cancel win over the move, and so does the want of somebody to speak it elsewhere."""
    job = with_stand_in()
    submit(redis_url, job)
    meanwhile(house, job)
    # As a worker sees it that had looked into the lane before.
    house.redis.sadd(f"{keys.LANE}{job.speech.lane}:fallbacks", job.id)
    house.gate.new_jobs(job.speech.lane)
    house.gate.tend()
    assert read(redis_url, job).speech.provider == job.speech.provider
