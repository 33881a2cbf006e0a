"""Makes jobs for tests, and puts them into their lane the way the API does."""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from app.shared.capacity import Capacity
from app.shared.identifiers import new_id
from app.shared.job import Job, Priority, Speech
from app.shared.job_store import JobStore, Standing
from app.shared.pipelines import SharedPipelines
from app.shared.redis_client import connect_async
from app.shared.settings import load_settings
from app.shared.submission import Submissions
from workers.run import Run

T = TypeVar("T")
_numbers = itertools.count()


def make_job(
    text: str = "A text.",
    *,
    seconds: float = 1.0,
    priority: Priority = Priority.NORMAL,
    caller: str = "local",
    batch: str = "",
) -> Job:
    """A job of the lane hibari:hibari:emulator; a later one is younger."""
    speech = Speech(
        text=text, provider="hibari", model="hibari", voice="heart", language="en", host="emulator", gpu=False,
        estimated_seconds=seconds, priority=priority,
    )  # fmt: skip
    created_at = time.time() + next(_numbers) / 1000
    return Job(id=new_id(), caller=caller, created_at=created_at, speech=speech, batch=batch)


def make_run(job: Job) -> Run:
    """A run for this job's lane."""
    speech = job.speech
    return Run(
        id=new_id(), lane=speech.lane, provider=speech.provider, model=speech.model, host=speech.host, gpu=speech.gpu,
        prefix="kavox", machine="", jobs=(), created_at=time.time(),
    )  # fmt: skip


def submit(url: str, *jobs: Job) -> None:
    """Accepts the jobs."""

    async def accept(redis: SharedPipelines) -> None:
        submissions = Submissions(redis, max_waiting_jobs=1000)
        for job in jobs:
            await submissions.submit(job)

    use(url, accept)


def cancel(url: str, job: Job) -> None:
    """Cancels the job as its caller does."""
    _ask(url, lambda store: store.cancel(job))


def read(url: str, job: Job) -> Job:
    """The job as its caller sees it now."""
    return _ask(url, lambda store: store.get(job.id, job.caller))


def standing(url: str, job: Job) -> Standing:
    """Where the job stands in its lane now."""

    async def ask(store: JobStore) -> Standing:
        return await store.standing(await store.get(job.id, job.caller))

    return _ask(url, ask)


def _ask(url: str, question: Callable[[JobStore], Coroutine[Any, Any, T]]) -> T:
    return use(url, lambda redis: question(JobStore(redis, Capacity(load_settings(), {}))))


def use(url: str, ask_of: Callable[[SharedPipelines], Coroutine[Any, Any, T]]) -> T:
    """What is asked of a server, as the API asks it."""

    async def ask() -> T:
        redis = connect_async(url)
        answer = await ask_of(redis)
        await redis.aclose()
        return answer

    return asyncio.run(ask())


def do_all(steps: Mapping[str, Callable[[], None]]) -> None:
    """What a pass of the sweep does of them."""
    for step in steps.values():
        step()
