"""Jobs: looking, listing, cancelling."""

import asyncio
import time

import httpx
import pytest
from redis import Redis

from app.shared import keys
from app.shared.capacity import Capacity
from app.shared.errors import Conflict
from app.shared.job_store import JobStore
from app.shared.job_view import JobView
from app.shared.redis_client import connect_async
from app.shared.settings import Settings
from tests.app.workshop import RUN, Workshop


def _post(api: httpx.Client) -> str:
    return str(api.post("/synthesize", json={"text": "Hello."}).json()["id"])


@pytest.mark.parametrize("job_id", ["19abcdef0120123456789", "nonsense", "%2e%2e", "a" * 5000])
def test_an_unknown_job_is_not_found(api: httpx.Client, job_id: str) -> None:
    """An id that is not there, or that can be none, is a 404 everywhere."""
    for answer in (api.get(f"/jobs/{job_id}"), api.delete(f"/jobs/{job_id}"), api.get(f"/jobs/{job_id}/audio")):
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_running_job_shows_its_run(api: httpx.Client, workshop: Workshop) -> None:
    """What the worker writes is what the caller reads."""
    job_id = _post(api)
    workshop.start(job_id)
    job = api.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["phase"], job["progress"], job["run"]) == ("running", "synthesizing", 0.25, RUN)
    assert job["started_at"].endswith("Z")
    assert job["position"] is None


def test_a_failed_job_says_why(api: httpx.Client, workshop: Workshop) -> None:
    """The error is there as the worker wrote it."""
    job_id = _post(api)
    workshop.fail(job_id)
    job = api.get(f"/jobs/{job_id}").json()
    assert job["error"] == {"code": "audio_rejected", "detail": "the clip is empty", "retryable": False}


def test_a_job_has_the_promised_shape(api: httpx.Client, workshop: Workshop) -> None:
    """In every state a job has the same keys, and is what the documented model would make of it."""
    job_id, failed = _post(api), _post(api)
    jobs = [api.get(f"/jobs/{job_id}").json()]
    workshop.start(job_id)
    jobs.append(api.get(f"/jobs/{job_id}").json())
    workshop.succeed(job_id, b"RIFF")
    workshop.fail(failed)
    jobs += [api.get(f"/jobs/{ended}").json() for ended in (job_id, failed)]
    for job in jobs:
        assert job.keys() == JobView.model_fields.keys()
        assert JobView.model_validate(job).model_dump(mode="json") == job


def test_paging_finds_every_job_once(api: httpx.Client) -> None:
    """Twenty-five jobs in pages of ten: each once, the newest first, although more come in meanwhile."""
    posted = [_post(api) for _ in range(25)]
    found: list[str] = []
    sizes: list[int] = []
    cursor = None
    while True:
        page = api.get("/jobs", params={"limit": 10} | ({"cursor": cursor} if cursor else {})).json()
        found += [job["id"] for job in page["jobs"]]
        sizes.append(len(page["jobs"]))
        _post(api)
        if not (cursor := page["next_cursor"]):
            break
    assert found == sorted(posted, reverse=True)
    assert sizes == [10, 10, 5]


def test_a_listing_shows_positions(api: httpx.Client, workshop: Workshop) -> None:
    """A listed job is the job itself, its position included."""
    first, second, third = (_post(api) for _ in range(3))
    workshop.start(first)
    listed = api.get("/jobs").json()["jobs"]
    assert {job["id"]: job["position"] for job in listed} == {first: None, second: 0, third: 1}


def test_jobs_are_listed_by_status(api: httpx.Client, workshop: Workshop) -> None:
    """A status picks the jobs that are in it now."""
    waiting, running, failed = (_post(api) for _ in range(3))
    workshop.start(running)
    workshop.start(failed)
    workshop.fail(failed)
    for status, expected in [("queued", [waiting]), ("running", [running]), ("failed", [failed]), ("succeeded", [])]:
        assert [job["id"] for job in api.get("/jobs", params={"status": status}).json()["jobs"]] == expected


@pytest.mark.parametrize(
    ("parameters", "field", "code"),
    [
        ({"limit": "0"}, "limit", "invalid_value"),
        ({"limit": "101"}, "limit", "invalid_value"),
        ({"limit": "many"}, "limit", "invalid_value"),
        ({"status": "done"}, "status", "invalid_value"),
        ({"cursor": "abc"}, "cursor", "invalid_cursor"),
        ({"cursor": "ä" * 9}, "cursor", "invalid_cursor"),
        ({"stauts": "failed"}, "stauts", "unknown_field"),
    ],
)
def test_a_wrong_parameter_is_named(api: httpx.Client, parameters: dict[str, str], field: str, code: str) -> None:
    """Parameters are held to the same rules as bodies."""
    answer = api.get("/jobs", params=parameters)
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (422, field, code)


def test_a_job_that_cannot_be_read_hides_no_other(api: httpx.Client, redis: Redis) -> None:
    """The list leaves it out, as long as no worker has met it."""
    first, odd, last = (_post(api) for _ in range(3))
    redis.hset(keys.JOB + odd, "speech", "{")
    assert [job["id"] for job in api.get("/jobs").json()["jobs"]] == [last, first]


def test_a_waiting_job_is_cancelled(api: httpx.Client) -> None:
    """A job that waits is cancelled at once, and only once."""
    job_id = _post(api)
    answer = api.delete(f"/jobs/{job_id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert answer.json()["finished_at"].endswith("Z")
    again = api.delete(f"/jobs/{job_id}")
    assert (again.status_code, again.json()["code"]) == (409, "job_ended")


def test_a_cancel_that_is_repeated_after_a_lost_answer_is_no_conflict(
    api: httpx.Client, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command again finds its own work done; another one finds a job that has ended."""
    job_id = _post(api)

    async def cancel_thrice() -> None:
        redis = connect_async(redis_url)
        store = JobStore(redis, Capacity(Settings(_env_file=None), {}))
        job = await store.get(job_id, "local")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now)
        await store.cancel(job)
        await store.cancel(job)
        monkeypatch.undo()
        with pytest.raises(Conflict):
            await store.cancel(job)
        await redis.aclose()

    asyncio.run(cancel_thrice())


def test_a_running_job_is_cancelled_in_two_steps(api: httpx.Client, workshop: Workshop) -> None:
    """A cancel that its host has not confirmed does not look done, and may be asked for again."""
    job_id = _post(api)
    workshop.start(job_id)
    for _ in range(2):
        answer = api.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json()["status"]) == (202, "canceling")
        assert int(answer.headers["Retry-After"]) > 0
    listed = api.get("/jobs", params={"status": "canceling"}).json()["jobs"]
    assert job_id in {job["id"] for job in listed}
