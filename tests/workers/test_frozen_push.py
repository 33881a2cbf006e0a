"""The one moment that no process can be stopped at from outside: after a push was written down, before it is made."""

import threading
from pathlib import Path
from typing import cast

import pytest
from redis import Redis

from app.shared import keys
from app.shared.settings import Settings
from tests.service import wait_for
from tests.workers.emulator.driver import KEY, OWNER, Emulator
from tests.workers.jobs import make_job, submit
from workers.kaggle import KaggleHost
from workers.kernel import Kernel, Push
from workers.run import Step
from workers.runtime import Runtime


def test_a_worker_that_is_frozen_before_its_push_does_not_make_it_when_it_wakes_up(
    redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then its successor has looked for the kernel in vain, and has pushed it."""
    asleep, awake = threading.Event(), threading.Event()

    class Freezing(KaggleHost):
        def push(self, push: Push) -> Kernel:
            if not asleep.is_set():
                asleep.set()
                awake.wait(30)
            return super().push(push)

    emulator = Emulator(tmp_path / "kaggle").start()
    emulator.script("RUNNING", times=None)
    settings = Settings(
        _env_file=None,
        redis_url=redis_url,
        kaggle_api_url=emulator.url,
        emulator_username=OWNER,
        emulator_key=KEY,
        data_dir=tmp_path,
        push_timeout_seconds=0.5,
        push_visibility_seconds=0.2,
        batch_window_seconds=0,
    )
    monkeypatch.setattr("workers.hosts.KaggleHost", Freezing)
    first, second = Runtime(settings), Runtime(settings)
    job = make_job()
    submit(redis_url, job)
    threads = [threading.Thread(target=first.synthesis.run_lane, args=(job.speech.lane,), daemon=True)]
    try:
        threads[0].start()
        assert asleep.wait(30)
        (run_id,) = cast("list[str]", redis.zrange(f"{keys.RUNS}cpu", 0, -1))
        # As when it has not been renewed.
        redis.delete(f"{keys.RUN}{run_id}:lease")
        threads.append(threading.Thread(target=second.synthesis.resume, args=(run_id,), daemon=True))
        threads[1].start()
        wait_for("the push", lambda: redis.hget(keys.RUN + run_id, "step") == f'"{Step.PUSHED}"')
        awake.set()
        threads[0].join(20)
        assert not threads[0].is_alive()
        assert emulator.stats()["calls"]["SaveKernel"] == 1
        assert [kernel["versions"] for kernel in emulator.stats()["kernels"]] == [1]
    finally:
        first.stopping.request()
        second.stopping.request()
        for thread in threads:
            thread.join(20)
        emulator.stop()
