"""Makes jobs for tests, and puts them into their lane the way the API does."""

import asyncio
import itertools
import time

from app.shared.identifiers import new_id
from app.shared.job import Job, Priority, Speech
from app.shared.job_store import JobStore
from app.shared.redis_client import connect_async
from workers.run import Run

_numbers = itertools.count()


def make_job(text: str = "A text.", *, seconds: float = 1.0, priority: Priority = Priority.NORMAL) -> Job:
    """A job of the lane hibari:hibari:emulator; a later one is younger."""
    speech = Speech(
        text=text, provider="hibari", model="hibari", voice="heart", language="en", host="emulator", gpu=False,
        estimated_seconds=seconds, priority=priority,
    )  # fmt: skip
    return Job(id=new_id(), caller="local", created_at=time.time() + next(_numbers) / 1000, speech=speech)


def make_run(job: Job) -> Run:
    """A run for this job's lane."""
    speech = job.speech
    return Run(
        id=new_id(), lane=speech.lane, provider=speech.provider, model=speech.model, host=speech.host, gpu=speech.gpu,
        prefix="kavox", machine="", jobs=(), created_at=time.time(),
    )  # fmt: skip


def submit(url: str, *jobs: Job) -> None:
    """Accepts the jobs."""

    async def accept() -> None:
        redis = connect_async(url)
        store = JobStore(redis, max_waiting_jobs=1000)
        for job in jobs:
            await store.submit(job)
        await redis.aclose()

    asyncio.run(accept())


def read(url: str, job: Job) -> Job:
    """The job as its caller sees it now."""

    async def get() -> Job:
        redis = connect_async(url)
        found = await JobStore(redis, max_waiting_jobs=1000).get(job.id, job.caller)
        await redis.aclose()
        return found

    return asyncio.run(get())
