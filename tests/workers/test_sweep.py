"""What the sweep finds by the wayside."""

import time
from dataclasses import replace
from pathlib import Path

from redis import Redis

from app.ports import LOOPBACK, free_port
from app.shared.job import JobStatus
from app.shared.settings import Settings
from tests.workers.jobs import make_job, read, submit
from workers.runtime import Runtime


def test_a_job_that_has_waited_for_as_long_as_it_may_fails(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """With a code that says so; one with time left goes on waiting."""
    assert redis.dbsize() == 0
    nobody = f"http://{LOOPBACK}:{free_port(LOOPBACK)}"
    settings = Settings(_env_file=None, redis_url=redis_url, kaggle_api_url=nobody, data_dir=tmp_path)
    late, early = (replace(make_job(), deadline=time.time() + left) for left in (-1, 60))
    submit(redis_url, late, early)
    Runtime(settings).sweep.sweep()
    failed = read(redis_url, late)
    assert failed.error is not None
    assert (failed.status, failed.error["code"]) == (JobStatus.FAILED, "wait_expired")
    assert read(redis_url, early).status is JobStatus.QUEUED
