"""Jobs as a busy service has them, put into Redis by the service's own store and scripts, many at a time."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence

from redis import Redis

from app.shared.identifiers import new_id
from app.shared.job import Job, JobStatus, Speech, change
from app.shared.redis_client import connect, connect_async
from app.shared.submission import Submissions
from app.shared.transition import TRANSITION, transition_arguments
from tests.app.workshop import RUN
from tests.bench.api.stage import CALLER, MOST_WAITING

STATUSES = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED)
_AT_ONCE = 500
_WORDS = "The quick brown fox jumps over the lazy dog and rests for a while in the shade of an old oak tree; then"
_AUDIO = {
    "format": "wav",
    "duration_seconds": 6.5,
    "sample_rate": 24000,
    "bytes": 312044,
    "sha256": "cd" * 32,
    "checks": {"silence": "passed"},
}


def text(number: object) -> str:
    """A text of 100 characters, each number's own."""
    return f"Number {number}. {_WORDS}"[:99] + "."


def fill(url: str, count: int, statuses: Sequence[JobStatus] = STATUSES) -> list[str]:
    """The ids of so many new jobs of the bench's caller, in these statuses by turns."""
    jobs = [_job(number) for number in range(count)]
    asyncio.run(_submit(url, jobs))
    with connect(url) as redis:
        for status in (JobStatus.RUNNING, JobStatus.SUCCEEDED):
            wanted = {JobStatus.RUNNING, JobStatus.SUCCEEDED} if status is JobStatus.RUNNING else {status}
            move(
                redis,
                [job.id for job, to in zip(jobs, itertools.cycle(statuses), strict=False) if to in wanted],
                status,
            )
    return [job.id for job in jobs]


def move(redis: Redis, ids: Sequence[str], to: JobStatus) -> None:
    """What a run does to jobs that it takes, or that succeed."""
    now = time.time()
    told = {JobStatus.RUNNING: {"started_at": now, "phase": "synthesizing", "progress": 0.25, "run": RUN}}
    fields = change(**told.get(to, {"finished_at": now, "progress": 1.0, "audio": _AUDIO}))
    sha = redis.script_load(TRANSITION)
    for some in _chunks(ids):
        with redis.pipeline(transaction=False) as pipeline:
            for job_id in some:
                pipeline.evalsha(str(sha), 0, *transition_arguments(job_id, to, now, fields))
            pipeline.execute()


async def _submit(url: str, jobs: Sequence[Job]) -> None:
    redis = connect_async(url)
    store = Submissions(redis, max_waiting_jobs=MOST_WAITING)
    for start in range(0, len(jobs), _AT_ONCE):
        await asyncio.gather(*(store.submit(job) for job in jobs[start : start + _AT_ONCE]))
    await redis.aclose()


def _job(number: int) -> Job:
    speech = Speech(
        text=text(number), provider="hibari", model="hibari", voice="heart", language="en", host="emulator", gpu=False,
        estimated_seconds=6.7,
    )  # fmt: skip
    now = time.time()
    return Job(id=new_id(), caller=CALLER, created_at=now, deadline=now + 3600, speech=speech)


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
