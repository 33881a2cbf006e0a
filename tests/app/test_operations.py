"""Health, and life without Redis."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from redis import Redis
from starlette.types import Receive, Scope, Send

from app.api.request_context import RequestContext, UnexpectedErrors
from app.shared import keys
from tests.app.api_process import free_port, serving
from tests.app.conftest import MAX_WAITING_JOBS, Place
from tests.app.workshop import Workshop


@pytest.fixture(scope="module")
def stranded(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API whose Redis is not there."""
    settings = {**place.settings, "redis_url": f"redis://:secret@127.0.0.1:{free_port()}/0", "redis_embedded": True}
    with serving(tmp_path_factory.mktemp("stranded"), **settings) as client:
        yield client


def test_a_living_process_is_healthy(api: httpx.Client, stranded: httpx.Client) -> None:
    """Health is the process' own, whatever else is down."""
    for client in (api, stranded):
        assert client.get("/healthz").json() == {"status": "ok"}


def test_without_workers_it_is_not_ready(api: httpx.Client) -> None:
    """Jobs would only pile up, so readiness names what is missing and what to do."""
    answer = api.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "missing": ["workers: none is running; start one with `kavox worker`"],
        "redis": {"mode": "external", "reachable": True},
        "kaggle": {"mode": "emulated", "url": "http://127.0.0.1:9"},
        "workers": {"count": 0},
        "keys": {"mode": "this_machine_only"},
    }


def test_with_a_worker_it_is_ready(api: httpx.Client, workshop: Workshop) -> None:
    """With every part there, readiness is a 200."""
    workshop.announce("hibari")
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["ready"], answer.json()["workers"]) == (200, True, {"count": 1})


def test_without_redis_it_is_not_ready(stranded: httpx.Client) -> None:
    """A missing Redis is named, without its password."""
    answer = stranded.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["redis"] == {"mode": "embedded", "reachable": False}
    assert answer.json()["workers"] == {"count": None}
    assert answer.json()["missing"][0].startswith("redis: ")
    assert "secret" not in answer.text


@pytest.mark.parametrize(("method", "path"), [("POST", "/synthesize"), ("GET", "/jobs/{id}")])
def test_without_redis_callers_are_told_to_come_back(stranded: httpx.Client, method: str, path: str) -> None:
    """Nothing is accepted that could not be kept; the answer is a 503 problem with Retry-After."""
    body = {"text": "Hello."} if method == "POST" else None
    answer = stranded.request(method, path.format(id="19abcdef0120123456789"), json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/jobs/19abcdef0120123456789", "/batches/batch-19abcdef0120123456789"])
def test_without_redis_a_page_that_follows_does_not_give_up(stranded: httpx.Client, path: str) -> None:
    """EventSource never comes back after an error, so it gets a stream without events that says when to come again."""
    answer = stranded.get(f"{path}/events", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert "retry: 2000" in answer.text.splitlines()
    assert "data:" not in answer.text


def test_a_full_queue_is_said(api: httpx.Client, redis: Redis) -> None:
    """Above KAVOX_MAX_WAITING_JOBS a job is refused for now, not lost."""
    redis.zadd(keys.QUEUED, {f"job {number}": number for number in range(MAX_WAITING_JOBS)})
    answer = api.post("/synthesize", json={"text": "One too many."})
    assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_mistake_of_ours_tells_nothing() -> None:
    """An unexpected error is a 500 problem with a request id, and its own words stay in the log."""

    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("a secret")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(RequestContext(UnexpectedErrors(broken)))
        async with httpx.AsyncClient(transport=transport, base_url="http://kavox") as client:
            return await client.get("/jobs", headers={"X-Request-ID": "mine"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["x-request-id"] == "mine"
    assert "secret" not in answer.text
