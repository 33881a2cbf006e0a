"""What the sweep finds by the wayside."""

import os
import time
from dataclasses import replace
from pathlib import Path

from redis import Redis

from app.ports import LOOPBACK, free_port
from app.shared import keys
from app.shared.audio_formats import FORMATS, kept_name
from app.shared.job import JobStatus, change
from app.shared.run_log import log_name
from app.shared.settings import Settings
from app.shared.transition import TRANSITION, transition_arguments
from tests.workers.jobs import cancel, make_job, make_run, read, submit
from workers.lanes import Lanes
from workers.run import Run
from workers.run_store import RunStore
from workers.runtime import Runtime

NOBODY = f"http://{LOOPBACK}:{free_port(LOOPBACK)}"


def test_a_job_that_has_waited_for_as_long_as_it_may_fails(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """With a code that says so; one with time left goes on waiting."""
    assert redis.dbsize() == 0
    settings = Settings(_env_file=None, redis_url=redis_url, kaggle_api_url=NOBODY, data_dir=tmp_path)
    late, early = (replace(make_job(), deadline=time.time() + left) for left in (-1, 60))
    submit(redis_url, late, early)
    Runtime(settings).sweep.sweep()
    failed = read(redis_url, late)
    assert failed.error is not None
    assert (failed.status, failed.error["code"]) == (JobStatus.FAILED, "wait_expired")
    assert read(redis_url, early).status is JobStatus.QUEUED


def test_what_is_on_a_full_disk_expires(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Redis writes nothing down, so steps of the sweep fail; the audio goes all the same, and then Redis writes."""
    settings = Settings(_env_file=None, redis_url=redis_url, kaggle_api_url=NOBODY, data_dir=tmp_path)
    jobs = [make_job() for _ in range(2)]
    submit(redis_url, *jobs)
    files = []
    for job in jobs:
        audio = {"format": "wav", "sha256": job.id * 2}
        long_ago = time.time() - settings.result_ttl_hours * 3600 - 60
        fields = change(audio=audio, finished_at=long_ago)
        redis.register_script(TRANSITION)(args=transition_arguments(job.id, JobStatus.SUCCEEDED, long_ago, fields))
        files.append(tmp_path / "audio" / kept_name(job.id, audio, FORMATS["wav"]))
    joined, unfinished, kept_log = "batch-1-joined.mp3", f"{jobs[0].id}.wav#1", log_name("1")
    redis.zadd(keys.BATCHES_ENDED, {"batch-1": long_ago})
    redis.sadd(f"{keys.BATCH}batch-1:files", joined)
    redis.zadd(keys.LOGS, {"1": long_ago})
    files += [tmp_path / "audio" / name for name in (joined, unfinished, kept_log)]
    parts = Runtime(settings)
    (tmp_path / "audio" / "logs").mkdir()
    for file in files:
        file.write_bytes(b"expired")
        os.utime(file, (long_ago, long_ago))
    # What a look at the quota would begin with.
    redis.set(f"{keys.QUOTA}emulator:wanted", "1")
    # As with a full disk, every write is refused, and every read is answered.
    redis.config_set("min-replicas-to-write", 1)
    try:
        parts.sweep.sweep()
    finally:
        redis.config_set("min-replicas-to-write", 0)
    assert not any(file.exists() for file in files)
    parts.sweep.sweep()
    assert set(redis.zrange(keys.EXPIRED, 0, -1)) == {job.id for job in jobs}


def test_a_job_that_cannot_be_read_fails_and_stalls_nothing(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Whether it waits in a lane, is part of a run, follows another one or is overdue; those beside it are not
    concerned, and its caller can look at it again.
    """
    settings = Settings(_env_file=None, redis_url=redis_url, kaggle_api_url=NOBODY, data_dir=tmp_path)
    of_run, beside = make_job(), make_job()
    submit(redis_url, of_run, beside)
    runs = RunStore(redis, "worker")
    run = runs.claim(make_run(of_run), [of_run.id, beside.id], most_runs=9, engine="engine")
    assert isinstance(run, Run)
    waiting, behind, leader = (make_job() for _ in range(3))
    leader, follower = (replace(job, result_key="same") for job in (leader, make_job()))
    submit(redis_url, waiting, behind, leader, follower)
    redis.hset(keys.JOB + waiting.id, "seconds", "many")
    for job in (of_run, follower):
        redis.hset(keys.JOB + job.id, "speech", '{"of": "a later version"}')
    cancel(redis_url, leader)
    overdue = replace(make_job(), deadline=1.0)
    submit(redis_url, overdue)
    redis.hset(keys.JOB + overdue.id, mapping={"status": "paused", "audio": "{"})

    parts = Runtime(settings)
    parts.sweep.sweep()
    assert [job.id for job in runs.jobs(run)] == [beside.id]
    for job, lost in ((waiting, "seconds"), (of_run, "speech"), (follower, "speech"), (overdue, "status, audio")):
        ended = read(redis_url, job)
        assert ended.error
        assert (ended.status, ended.error["code"], ended.speech.lane) == (
            JobStatus.FAILED,
            "job_unreadable",
            job.speech.lane,
        )
        assert f"could not be read ({lost})" in ended.error["detail"]
    assert read(redis_url, behind).status is JobStatus.QUEUED
    assert [job.id for job in Lanes(redis).queues(behind.speech.lane, 9).jobs] == [behind.id]
    assert redis.scard(keys.FOLLOWED) == 0
