"""A machine's clock may be set by hours: no push is believed lost too early, no run waits for hours."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis

from app.shared import keys
from app.shared.errors import HostUnreachable, KernelTimedOut
from app.shared.settings import Settings
from tests.hosts import host_at, make_push
from tests.workers.emulator.driver import Emulator
from tests.workers.jobs import make_job, make_run, submit
from workers.clock import Clock
from workers.kernel import Kernel, KernelState
from workers.lanes import Lanes
from workers.run import Run
from workers.run_store import RunStore
from workers.watch import Watch

HOURS = 5 * 3600.0
VISIBILITY, PUSH_TIMEOUT = 0.3, 0.6


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("kaggle")).start()
    yield started
    started.stop()


def claimed(redis: Redis, redis_url: str) -> tuple[RunStore, Run]:
    """An open run and the store of its owner."""
    job, runs = make_job(), RunStore(redis, "worker")
    submit(redis_url, job)
    run = runs.claim(make_run(job), [job.id], most_runs=9, engine="")
    assert isinstance(run, Run)
    return runs, run


def watch(emulator: Emulator, runs: RunStore) -> Watch:
    settings = Settings(
        _env_file=None,
        push_visibility_seconds=VISIBILITY,
        push_timeout_seconds=PUSH_TIMEOUT,
        polling_min_seconds=0.01,
        polling_interval_seconds=0.02,
    )
    return Watch(host_at(emulator.url), runs, settings)


@pytest.mark.parametrize(("set_by", "least"), [(HOURS, VISIBILITY), (-HOURS, PUSH_TIMEOUT + VISIBILITY)])
def test_a_push_that_never_arrived_is_told_by_looking_for_long_enough(
    redis: Redis, redis_url: str, emulator: Emulator, set_by: float, least: float
) -> None:
    """Whatever the clock says of the time since the push, and not for hours."""
    runs, run = claimed(redis, redis_url)
    run = replace(run, pushing_at=time.time() - set_by)
    began = time.monotonic()
    assert watch(emulator, runs).find_pushed(run, lambda: time.sleep(0.02)) is None
    assert least <= time.monotonic() - began < least + 5


def test_a_push_that_is_seen_late_is_found_though_the_clock_was_set_forwards(
    redis: Redis, redis_url: str, emulator: Emulator
) -> None:
    """Else its run would be pushed a second time."""
    runs, run = claimed(redis, redis_url)
    emulator.script("RUNNING")
    emulator.account(visibility_lag_seconds=VISIBILITY / 2)
    host_at(emulator.url).push(make_push(slug=run.slug))
    found = watch(emulator, runs).find_pushed(replace(run, pushing_at=time.time() - HOURS), lambda: time.sleep(0.02))
    emulator.clear()
    assert found is not None
    assert found.slug == run.slug


def pushed(emulator: Emulator, run: Run) -> Run:
    """The run with a kernel that runs for ever."""
    emulator.script("RUNNING")
    kernel: Kernel = host_at(emulator.url).push(make_push(slug=run.slug))
    return replace(run, version=kernel.version, ref=kernel.ref, url=kernel.url)


def test_a_run_of_the_future_is_not_timed_out_and_one_of_the_past_is(
    redis: Redis, redis_url: str, emulator: Emulator
) -> None:
    """After the clock was set back the deadline counts from the first look; it is not put off by hours."""
    runs, run = claimed(redis, redis_url)
    run = replace(pushed(emulator, run), running_at=time.time() + HOURS)
    assert watch(emulator, runs).read(run)[1].state is KernelState.RUNNING
    with pytest.raises(KernelTimedOut):
        watch(emulator, runs).read(replace(run, running_at=time.time() - HOURS))


def test_nobodys_run_is_taken_up_though_its_time_lies_hours_ahead(redis: Redis, redis_url: str) -> None:
    """As a clock leaves it that was set back: no backoff is as long."""
    runs, run = claimed(redis, redis_url)
    runs.release(run, retry_at=time.time() + HOURS, failures=1)
    assert list(runs.ownerless()) == [run.id]


def test_a_dead_owners_lease_ends_though_the_clock_was_set_back(redis: Redis, redis_url: str) -> None:
    """A lease that would last for hours is cut to its own length; a living owner renews it within that."""
    runs, run = claimed(redis, redis_url)
    lease = f"{keys.RUN}{run.id}:lease"
    redis.pexpire(lease, int(HOURS * 1000))
    assert list(runs.ownerless()) == []
    assert redis.pttl(lease) <= 10_000


def test_a_clock_that_is_set_back_is_noticed_once() -> None:
    """A small adjustment and a step forwards are not one."""
    wall, steady = 1000.0, 0.0
    clock = Clock(lambda: wall, lambda: steady)
    seen = []
    for step in (5, 4, HOURS, 5, -HOURS, 5):
        wall, steady = wall + step, steady + 5
        seen.append(clock.set_back())
    assert seen == [False, False, False, False, True, False]


def test_no_lane_rests_for_hours_because_of_it(redis: Redis, redis_url: str) -> None:
    """Its pause, which Redis would keep by the clock, is ended."""
    job, runs = make_job(), RunStore(redis, "worker")
    submit(redis_url, job)
    run = runs.claim(make_run(job), [job.id], most_runs=9, engine="")
    assert isinstance(run, Run)
    runs.give_back(run, waiting={}, pause_seconds=HOURS, failures=1)
    lanes = Lanes(redis)
    assert lanes.waiting() == []
    lanes.end_pauses()
    assert lanes.waiting() == [job.speech.lane]


def test_what_a_frozen_worker_sends_too_late_is_not_sent(emulator: Emulator) -> None:
    """Its successor may have made the push already."""
    host, push = host_at(emulator.url), make_push()
    emulator.script("RUNNING")
    with pytest.raises(HostUnreachable):
        host.push(replace(push, not_after=time.monotonic() - 1))
    assert host.find(push.slug) is None
    # The next push of the same thread is held up by nothing.
    assert host.push(replace(push, not_after=time.monotonic() + 60)).version == 1
    emulator.clear()
