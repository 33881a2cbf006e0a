"""`Prefer: wait=N`: one call instead of many."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
from redis import Redis

from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.workshop import Workshop
from tests.service import wait_for

BODY = {"text": "Hello."}
Answer = Future[httpx.Response]


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Where requests are sent that take a while."""
    with ThreadPoolExecutor() as pool:
        yield pool


def _post(api: httpx.Client) -> str:
    return str(api.post("/synthesize", json=BODY).json()["id"])


def _only_job(api: httpx.Client) -> str:
    """The id of the one job there is, once it is there."""
    return str(wait_for("the job to be accepted", lambda: api.get("/jobs").json()["jobs"])[0]["id"])


def test_one_call_lasts_until_the_job_has_succeeded(
    api: httpx.Client, workshop: Workshop, aside: ThreadPoolExecutor
) -> None:
    """A POST that waits is answered with the finished job, which is then no 202 any more."""
    call: Answer = aside.submit(api.post, "/synthesize", json=BODY, headers={"Prefer": "wait=30"})
    job_id = _only_job(api)
    workshop.start(job_id)
    assert not call.done()
    workshop.succeed(job_id, b"RIFF")
    answer = call.result(timeout=10)
    assert (answer.status_code, answer.json()["status"], answer.json()["id"]) == (200, "succeeded", job_id)
    assert answer.headers["preference-applied"] == "wait=30"
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_wait_ends_with_the_job_however_it_ends(
    api: httpx.Client, workshop: Workshop, aside: ThreadPoolExecutor, end: str
) -> None:
    """A failed or cancelled job is an answer too."""
    job_id = _post(api)
    call: Answer = aside.submit(api.get, f"/jobs/{job_id}", headers={"Prefer": "wait=30"})
    if end == "fail":
        workshop.start(job_id)
        workshop.fail(job_id)
    else:
        api.delete(f"/jobs/{job_id}")
    answer = call.result(timeout=10)
    assert (answer.status_code, answer.json()["status"]) == (200, {"fail": "failed", "cancel": "canceled"}[end])


def test_a_job_that_is_not_done_in_time_comes_back_unfinished(api: httpx.Client) -> None:
    """Running out of time is no error: the job is answered as it is, and says how to go on."""
    started = time.monotonic()
    answer = api.post("/synthesize", json=BODY, headers={"Prefer": "respond-async, wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["preference-applied"] == "respond-async, wait=1"
    assert int(answer.headers["retry-after"]) >= 1
    assert 1 <= time.monotonic() - started < 5


def test_a_finished_job_is_not_waited_for(api: httpx.Client, workshop: Workshop) -> None:
    """Who asks late is answered at once; more than sixty seconds are nobody's."""
    job_id = _post(api)
    workshop.fail(job_id)
    answer = api.get(f"/jobs/{job_id}", headers={"Prefer": "wait=3600"})
    assert (answer.json()["status"], answer.headers["preference-applied"]) == ("failed", "wait=60")


@pytest.mark.parametrize("prefer", ["wait=soon", "wait=-1", "return=minimal", ""])
def test_a_preference_that_says_nothing_is_ignored(api: httpx.Client, prefer: str) -> None:
    """As RFC 7240 wants it: neither an error nor a wait, and nothing is said to be applied."""
    answer = api.post("/synthesize", json=BODY, headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize(
    "lines",
    [
        ['WAIT = "0"'],
        ['foo="a,b"; x=1, wait=0'],
        ["wait=0;x=1, wait=50"],
        ['foo; x="a, wait=50", wait=0'],
        [r'foo="a\", wait=50", wait=0'],
        ["foo, , wait=0"],
        ["return=minimal", "wait=0"],
    ],
)
def test_a_preference_is_read_as_the_rfc_writes_it(api: httpx.Client, lines: list[str]) -> None:
    """Any case, quoted or not, with parameters, among others, in several lines; of two, the first counts."""
    answer = api.post("/synthesize", json=BODY, headers=[("Prefer", line) for line in lines])
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")


@pytest.mark.parametrize("prefer", ["wait", "respond-async, Wait", 'wait=""'])
def test_a_wait_without_a_number_is_as_long_as_may_be(api: httpx.Client, workshop: Workshop, prefer: str) -> None:
    """As clients of Replicate say it."""
    job_id = _post(api)
    workshop.fail(job_id)
    answer = api.get(f"/jobs/{job_id}", headers={"Prefer": prefer})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=60")


def test_a_wait_for_another_callers_job_finds_nothing(api: httpx.Client) -> None:
    """Nobody waits for what is not theirs to see."""
    answer = api.get("/jobs/19abcdef0120123456789", headers={"Prefer": "wait=30"})
    assert answer.status_code == 404


def test_a_wait_survives_a_lost_connection_to_redis(
    api: httpx.Client, workshop: Workshop, redis: Redis, aside: ThreadPoolExecutor
) -> None:
    """Changes that nobody heard, because Redis had forgotten who listens, are found by reading again."""
    job_id = _post(api)
    call: Answer = aside.submit(api.get, f"/jobs/{job_id}", headers={"Prefer": "wait=30"})
    redis.client_kill_filter(_type="pubsub")
    workshop.fail(job_id)
    assert call.result(timeout=15).json()["status"] == "failed"


def test_many_wait_at_once(api: httpx.Client, workshop: Workshop) -> None:
    """A hundred waits take neither a thread nor a connection to Redis each."""
    job_id = _post(api)
    limits = httpx.Limits(max_connections=100)
    with (
        httpx.Client(base_url=api.base_url, limits=limits, timeout=30) as client,
        ThreadPoolExecutor(100) as crowd,
    ):
        calls = [crowd.submit(client.get, f"/jobs/{job_id}", headers={"Prefer": "wait=30"}) for _ in range(100)]
        workshop.fail(job_id)
        assert {call.result(timeout=20).json()["status"] for call in calls} == {"failed"}


@pytest.mark.usefixtures("redis")
def test_a_stopping_process_lets_its_waits_go(place: Place) -> None:
    """A wait is answered, unfinished, before the process ends; it does not hold it up."""
    folder = place.data_dir / "stopping"
    folder.mkdir()
    with serving(folder, **place.settings) as client:
        job_id = _post(client)
        address = client.base_url.join(f"/jobs/{job_id}")
        connection = socket.create_connection((address.host, address.port or 80), timeout=30)
        connection.sendall(f"GET {address.path} HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\n\r\n".encode())
        # Requests are taken in turn: once a later one is answered, the first is being waited on.
        assert httpx.get(address).status_code == 200
    with connection:
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"status":"queued"' in answer
