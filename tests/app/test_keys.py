"""Who may do what, where there are keys, and who is served where there are none."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.shared import keys
from app.shared.api_key import Scope, new_key
from app.shared.api_key_store import ApiKeyStore
from app.shared.redis_client import connect
from tests.api_keys import make_key
from tests.app.api_process import serving
from tests.app.conftest import Headers, Place
from tests.app.workshop import Workshop
from tests.service import wait_for


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def guarded(guarded_place: Place, headers: Headers, directory: Path) -> Iterator[httpx.Client]:
    assert headers
    with serving(directory, **guarded_place.settings, log_level="debug") as client:
        yield client


@pytest.fixture
def keyless(place: Place, tmp_path: Path) -> Iterator[tuple[httpx.Client, Place]]:
    """An API that could be reached by others, with a Redis of its own that has no keys."""
    elsewhere = Place(f"{place.redis_url}/2", place.notebooks_dir, place.data_dir)
    with connect(elsewhere.redis_url) as redis:
        redis.flushdb()
        with serving(tmp_path, **elsewhere.settings, cors_origins="*") as client:
            yield client, elsewhere
        redis.flushdb()


def _status(client: httpx.Client, token: str, path: str = "/jobs") -> int:
    return client.get(path, headers={"X-API-Key": token}).status_code


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "Basic {anne}"},
        {"X-API-Key": ""},
        {"X-API-Key": "ö"},
        {"X-API-Key": "{anne}x"},
        {"X-API-Key": "{anne_without_its_end}"},
    ],
)
@pytest.mark.parametrize("path", ["/jobs", "/jobs/x", "/jobs/x/audio", "/webhooks/secret", "/providers", "/voices"])
def test_a_key_is_required(guarded: httpx.Client, headers: Headers, sent: dict[str, str], path: str) -> None:
    """Without a right key nothing is told, and the answer says how to send one."""
    known = {"anne": headers.anne_key, "anne_without_its_end": headers.anne_key[:-1]}
    given = [(name.encode(), value.format(**known).encode()) for name, value in sent.items()]
    answer = guarded.get(path, headers=given)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_another_key_of_the_same_id_opens_nothing(guarded: httpx.Client, headers: Headers) -> None:
    """A key is its secret; the id within it is none."""
    other, _ = new_key("anne")
    assert _status(guarded, headers.anne_key[:19] + other[19:]) == 401
    assert _status(guarded, headers.anne_key) == 200


def test_a_stranger_learns_nothing_from_a_body(guarded: httpx.Client) -> None:
    """The key is looked at before the body."""
    assert guarded.post("/synthesize", content=b"{").status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/"])
def test_some_addresses_are_open(guarded: httpx.Client, path: str) -> None:
    """Health, documentation and the page need no key."""
    assert guarded.get(path).status_code != 401


@pytest.mark.usefixtures("guarded_redis")
def test_each_caller_has_a_secret_of_its_own(guarded: httpx.Client, headers: Headers) -> None:
    """One's rotation is nothing to the other."""
    annes, berts = (guarded.get("/webhooks/secret", headers=sent).json() for sent in (headers.anne, headers.bert))
    assert annes["secret"] != berts["secret"]
    guarded.post("/webhooks/secret/rotate", headers=headers.anne).raise_for_status()
    assert guarded.get("/webhooks/secret", headers=headers.bert).json() == berts


def test_no_key_reaches_the_log_or_redis(
    guarded: httpx.Client, headers: Headers, directory: Path, guarded_redis: Redis
) -> None:
    """A key is neither logged nor shown nor kept, whether right or wrong: what is kept cannot be sent."""
    guarded.get("/jobs", headers=headers.anne)
    guarded.get("/jobs", headers={"X-API-Key": "wrong-key"})
    kept = guarded_redis.hgetall(keys.API_KEYS)
    shown = guarded.get("/readyz").text + (directory / "api.log").read_text() + str(kept)
    assert headers.anne_key not in shown
    assert headers.anne_key[20:] not in shown
    assert "wrong-key" not in shown


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (Scope.READ, {"GET /jobs", "GET /quota"}),
        (
            Scope.SUBMIT,
            {"GET /jobs", "GET /quota", "GET /webhooks/secret", "POST /synthesize", "DELETE /voices/x"},
        ),
        (Scope.ADMIN, {"GET /jobs", "GET /quota", "GET /metrics"}),
    ],
)
def test_a_scope_is_what_a_key_may_do(
    guarded: httpx.Client, guarded_place: Place, guarded_redis: Redis, scope: Scope, allowed: set[str]
) -> None:
    """What it may not do is a 403 that names the scope which is missing."""
    name = f"of-{scope}"
    made = make_key(guarded_place.redis_url, name, scope)
    wait_for("the key to be known", lambda: _status(guarded, made) == 200)
    done = set()
    for request in (
        "GET /jobs", "GET /quota", "GET /webhooks/secret", "GET /metrics", "POST /synthesize", "DELETE /voices/x",
    ):  # fmt: skip
        method, path = request.split()
        answer = guarded.request(method, path, json={"text": "Hello."}, headers={"X-API-Key": made})
        if answer.status_code == 403:
            assert answer.json()["code"] == "missing_scope"
            assert f"the scope {'admin' if path == '/metrics' else 'submit'}" in answer.json()["detail"]
        else:
            done.add(request)
    assert done == allowed
    ApiKeyStore(guarded_redis).revoke(name)


def test_two_keys_of_a_name_are_one_caller(
    guarded: httpx.Client, headers: Headers, guarded_place: Place, guarded_redis: Redis
) -> None:
    """So a key is replaced: with the new one everything is still there, and the old one can be revoked."""
    path = guarded.post("/synthesize", json={"text": "Hello."}, headers=headers.anne).headers["location"]
    new = make_key(guarded_place.redis_url, "anne")
    wait_for("the new key to be known", lambda: _status(guarded, new, path) == 200)
    (revoked,) = ApiKeyStore(guarded_redis).revoke(new[6:18])
    wait_for("the key to be revoked", lambda: _status(guarded, new) == 401)
    assert revoked.name == "anne"
    assert guarded.get(path, headers=headers.anne).status_code == 200


def test_a_key_that_was_removed_in_silence_is_missed(
    guarded: httpx.Client, guarded_place: Place, guarded_redis: Redis
) -> None:
    """Nobody tells the API, as where a message was lost: it looks again by itself, within seconds."""
    made = make_key(guarded_place.redis_url, "gone")
    wait_for("the key to be known", lambda: _status(guarded, made) == 200)
    guarded_redis.hdel(keys.API_KEYS, made[6:18])
    wait_for("the key to be missed", lambda: _status(guarded, made) == 401, 10)


def test_a_record_that_cannot_be_read_opens_nothing_and_holds_nothing_up(
    guarded: httpx.Client, headers: Headers, guarded_place: Place, guarded_redis: Redis
) -> None:
    """As after a newer release: other keys are still made and revoked, and it can be taken away itself."""
    store = ApiKeyStore(guarded_redis)
    guarded_redis.hset(keys.API_KEYS, "fromlater001", '{"id": "fromlater001", "scopes": ["fly"]}')
    made = make_key(guarded_place.redis_url, "meanwhile")
    wait_for("the key to be known", lambda: _status(guarded, made) == 200)
    store.revoke("meanwhile")
    wait_for("the key to be revoked", lambda: _status(guarded, made) == 401)
    assert guarded.get("/jobs", headers=headers.anne).status_code == 200
    store.revoke("fromlater001")
    assert not guarded_redis.hexists(keys.API_KEYS, "fromlater001")


@pytest.mark.parametrize(
    "sent",
    [
        {"Host": "rebound.example"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Via": "1.1 proxy"},
        {"Host": ""},
        {"Host": "["},
    ],
)
def test_without_a_key_only_who_asks_for_this_machine_is_served(api: httpx.Client, sent: dict[str, str]) -> None:
    """Not who comes through a proxy, nor a page whose host's name was turned to this machine."""
    refused = api.get("/webhooks/secret", headers=sent)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert api.get("/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(("path", "body"), [("/synthesize", {"text": "A."}), ("/batches", {"items": [{"text": "A."}]})])
def test_a_stream_of_events_ends_with_its_key(
    guarded: httpx.Client, guarded_place: Place, guarded_redis: Redis, path: str, body: Mapping[str, object]
) -> None:
    """Whoever holds a revoked key hears of no change any more."""
    made, kept = (make_key(guarded_place.redis_url, "former") for _ in range(2))
    wait_for("the keys to be known", lambda: {_status(guarded, key) for key in (made, kept)} == {200})
    subject = guarded.post(path, json=body, headers={"X-API-Key": made}).headers["location"]
    with guarded.stream("GET", f"{subject}/events", headers={"X-API-Key": made}) as stream:
        lines = stream.iter_lines()
        assert any(line.startswith("data:") for line in lines)
        ApiKeyStore(guarded_redis).revoke(made[6:18])
        wait_for("the key to be revoked", lambda: _status(guarded, made) == 401)
        assert guarded.delete(subject, headers={"X-API-Key": kept}).is_success
        assert not [line for line in lines if line.startswith("data:")]
    ApiKeyStore(guarded_redis).revoke("former")


def test_a_stream_of_events_ends_with_the_last_key_too(
    api: httpx.Client, place: Place, redis: Redis, workshop: Workshop
) -> None:
    """This machine is served without a key again, and is another caller."""
    sent = {"X-API-Key": make_key(place.redis_url, "last")}
    wait_for("the key to be known", lambda: _status(api, sent["X-API-Key"]) == 200)
    job = api.post("/synthesize", json={"text": "Hello."}, headers=sent).json()
    with api.stream("GET", f"/jobs/{job['id']}/events", headers=sent) as stream:
        lines = stream.iter_lines()
        assert any(line.startswith("data:") for line in lines)
        ApiKeyStore(redis).revoke("last")
        wait_for("everybody to be let in", lambda: api.get("/jobs").status_code == 200)
        workshop.start(job["id"])
        assert not [line for line in lines if line.startswith("data:")]


def test_an_expired_key_says_so(guarded: httpx.Client, guarded_redis: Redis) -> None:
    """It opens nothing, and whoever holds it is told why."""
    token, key = new_key("brief", lifetime_seconds=0.001)
    ApiKeyStore(guarded_redis).add(key)

    def answer() -> str:
        refused = guarded.get("/jobs", headers={"X-API-Key": token})
        assert refused.status_code == 401
        return str(refused.json()["detail"])

    wait_for("the key to be known", lambda: "has expired" in answer())
    ApiKeyStore(guarded_redis).revoke("brief")


def test_the_use_of_a_key_is_noted(guarded: httpx.Client, headers: Headers, guarded_redis: Redis) -> None:
    """To the minute, and some seconds later: no request waits for it. A key that nobody uses has no such time."""
    unused, key = new_key("unused")
    ApiKeyStore(guarded_redis).add(key)
    made, other = new_key("used")
    ApiKeyStore(guarded_redis).add(other)
    wait_for("the key to be known", lambda: _status(guarded, made) == 200)
    wait_for("its use to be noted", lambda: other.id in ApiKeyStore(guarded_redis).uses(), 10)
    assert unused[6:18] not in ApiKeyStore(guarded_redis).uses()
    for name in ("used", "unused"):
        ApiKeyStore(guarded_redis).revoke(name)
    assert headers


def test_without_keys_nobody_is_served_but_this_machine_alone(
    api: httpx.Client, keyless: tuple[httpx.Client, Place]
) -> None:
    """What others could reach answers 401 and says how to make the first key, which then opens it."""
    open_to_all, place = keyless
    assert api.get("/jobs").status_code == 200
    assert api.get("/readyz").json()["keys"] == {"mode": "this_machine_only"}
    for answer in (open_to_all.get("/jobs"), open_to_all.post("/synthesize", json={"text": "a"})):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert "kavox keys create" in answer.json()["detail"]
    assert open_to_all.get("/healthz").status_code == 200
    ready = open_to_all.get("/readyz")
    assert (ready.status_code, ready.json()["keys"]) == (503, {"mode": "missing"})
    assert any(one.startswith("keys: ") for one in ready.json()["missing"])
    made = make_key(place.redis_url, "first")
    wait_for("the first key to be known", lambda: _status(open_to_all, made) == 200)
    assert open_to_all.get("/jobs").status_code == 401
    assert open_to_all.get("/readyz").json()["keys"] == {"mode": "required"}
