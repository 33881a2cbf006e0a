"""`Idempotency-Key`: a request that is sent again has one effect."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from tests.app.api_process import serving
from tests.app.conftest import Headers, Place
from tests.app.workshop import Workshop

BODY = {"text": "Hello."}
DAY = 24 * 3600


def _post(api: httpx.Client, key: str, body: dict[str, Any] = BODY, **more: Any) -> httpx.Response:
    return api.post("/synthesize", json=body, headers={"Idempotency-Key": key}, **more)


def _jobs(api: httpx.Client) -> int:
    return len(api.get("/jobs?limit=100").json()["jobs"])


@pytest.fixture(scope="module")
def _two_callers(guarded_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("two"), **guarded_place.settings) as api:
        yield api


@pytest.fixture
def two_callers(_two_callers: httpx.Client, guarded_redis: Redis) -> httpx.Client:
    assert guarded_redis.dbsize() == 1
    return _two_callers


def test_a_repeated_request_gets_the_first_answer(api: httpx.Client, workshop: Workshop) -> None:
    """Whatever has become of the job since: 202, its place, and the job."""
    first = _post(api, "order-1")
    workshop.start(first.json()["id"])
    workshop.succeed(first.json()["id"], b"RIFF")
    again = _post(api, "order-1")
    assert (again.status_code, again.headers["location"]) == (202, first.headers["location"])
    assert again.json()["id"] == first.json()["id"]
    assert _jobs(api) == 1


def test_a_hundred_equal_requests_at_once_are_one_job(api: httpx.Client) -> None:
    """None of them is refused, and all are told of the same job."""

    async def ask() -> set[tuple[int, str]]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=str(api.base_url), timeout=30, limits=limits) as client:
            header = {"Idempotency-Key": str(uuid.uuid4())}
            answers = await asyncio.gather(*(client.post("/synthesize", json=BODY, headers=header) for _ in range(100)))
            return {(answer.status_code, answer.json()["id"]) for answer in answers}

    answers = asyncio.run(ask())
    assert [status for status, _ in answers] == [202]
    assert _jobs(api) == 1


def test_another_request_under_the_key_is_refused(api: httpx.Client) -> None:
    """It would otherwise be answered with the wrong speech; the spelling of the JSON does not matter."""
    first = _post(api, "order-1", {"text": "Hello.", "voice": "heart"})
    other = _post(api, "order-1", {"text": "Goodbye.", "voice": "heart"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    spelt = api.post(
        "/synthesize",
        content=b'{ "voice":"heart",  "text": "Hello." }',
        headers={"Idempotency-Key": "order-1", "Content-Type": "application/json"},
    )
    assert spelt.json()["id"] == first.json()["id"]
    assert _jobs(api) == 1


def test_a_key_is_its_callers_own(two_callers: httpx.Client, headers: Headers) -> None:
    """Two callers who count from one do not meet."""
    ids = {
        two_callers.post("/synthesize", json=BODY, headers={"Idempotency-Key": "1", **caller}).json()["id"]
        for caller in (headers.anne, headers.bert, headers.anne)
    }
    assert len(ids) == 2


def test_a_refused_request_may_be_mended_under_its_key(api: httpx.Client) -> None:
    """What was never accepted has had no effect."""
    assert _post(api, "order-1", {"text": ""}).status_code == 422
    assert _post(api, "order-1").status_code == 202


def test_a_dry_run_does_not_use_the_key_up(api: httpx.Client) -> None:
    """It has no effect that could be repeated."""
    assert _post(api, "order-1", params={"dry_run": "true"}).status_code == 200
    assert _post(api, "order-1", {"text": "Something else."}).status_code == 202


def test_a_key_counts_for_a_day(api: httpx.Client, redis: Redis) -> None:
    """Redis forgets it by itself."""
    _post(api, "order-1")
    [key] = redis.keys("kavox:once:*")
    assert DAY - 60 < redis.ttl(key) <= DAY


def test_quotes_around_a_key_do_not_belong_to_it(api: httpx.Client) -> None:
    """The draft wants them, Stripe's clients leave them out."""
    assert _post(api, '"order \\"1\\""').status_code == 202
    assert _post(api, "order-1").json()["id"] == _post(api, '"order-1"').json()["id"]


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "two words", 'a"b', '"never ends', "caf\u00e9"])
def test_what_cannot_be_a_key_is_refused(api: httpx.Client, key: str) -> None:
    """Before anything else happens."""
    answer = api.post("/synthesize", json=BODY, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
    assert _jobs(api) == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'), min_size=1, max_size=255))
def test_every_printable_key_is_taken(api: httpx.Client, key: str) -> None:
    """Punctuation that means something to Redis or Lua included."""
    assert _post(api, key).json()["id"] == _post(api, key).json()["id"]


@pytest.mark.usefixtures("redis")
def test_openais_route_takes_keys_too(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same key with another text is refused in their own words."""
    with serving(tmp_path_factory.mktemp("brief"), **place.settings, openai_wait_seconds=0.1) as brief:
        header = {"Idempotency-Key": "order-1"}
        ask = [{"input": text} for text in ("Hello.", "Hello.", "Goodbye.")]
        first, again, other = (brief.post("/v1/audio/speech", json=body, headers=header) for body in ask)
        assert first.headers["x-kavox-job"] == again.headers["x-kavox-job"]
        assert other.json()["error"]["code"] == "idempotency_key_reused"
