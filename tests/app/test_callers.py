"""Who may do what, where keys are set."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.ports import LOOPBACK
from tests.app.api_process import serving
from tests.app.conftest import Place

ANNE = {"Authorization": "Bearer anne-key"}
BERT = {"X-API-Key": "bert-këy"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def guarded(place: Place, directory: Path) -> Iterator[httpx.Client]:
    keys = "anne:anne-key, bert:bert-këy"
    with serving(directory, **place.settings, api_keys=keys, log_level="debug") as client:
        yield client


def _headers(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "Basic anne-key"},
        {"X-API-Key": ""},
        {"X-API-Key": "ö"},
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/jobs",
        "/jobs/x",
        "/jobs/x/audio",
        "/jobs/x/logs",
        "/jobs/x/deliveries",
        "/webhooks/secret",
        "/providers",
        "/voices",
    ],
)
def test_a_key_is_required(guarded: httpx.Client, headers: dict[str, str], path: str) -> None:
    """Without a right key nothing is told, and the answer says how to send one."""
    answer = guarded.get(path, headers=_headers(headers))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_stranger_learns_nothing_from_a_body(guarded: httpx.Client) -> None:
    """The key is looked at before the body."""
    assert guarded.post("/synthesize", content=b"{").status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
def test_some_addresses_are_open(guarded: httpx.Client, path: str) -> None:
    """Health and documentation need no key."""
    assert guarded.get(path).status_code != 401


def test_another_callers_job_is_not_found(guarded: httpx.Client, redis: Redis) -> None:
    """Callers do not see, list, hear or cancel each other's jobs."""
    assert redis.dbsize() == 0
    answer = guarded.post("/synthesize", json={"text": "Hello.", "webhook": f"http://{LOOPBACK}:9/"}, headers=ANNE)
    path = answer.headers["location"]
    bert = _headers(BERT)
    assert guarded.get(path, headers=ANNE).status_code == 200
    answers = [
        guarded.get(path, headers=bert),
        guarded.delete(path, headers=bert),
        guarded.get(f"{path}/audio", headers=bert),
        guarded.get(f"{path}/deliveries", headers=bert),
        guarded.post(f"{path}/deliveries/{path.rpartition('/')[2]}-1", headers=bert),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "job_not_found")] * 5
    assert guarded.get("/jobs", headers=bert).json()["jobs"] == []
    assert len(guarded.get("/jobs", headers=ANNE).json()["jobs"]) == 1


def test_each_caller_has_a_secret_of_its_own(guarded: httpx.Client, redis: Redis) -> None:
    """One's rotation is nothing to the other."""
    assert redis.dbsize() == 0
    annes, berts = (guarded.get("/webhooks/secret", headers=headers).json() for headers in (ANNE, _headers(BERT)))
    assert annes["secret"] != berts["secret"]
    guarded.post("/webhooks/secret/rotate", headers=ANNE).raise_for_status()
    assert guarded.get("/webhooks/secret", headers=_headers(BERT)).json() == berts


def test_no_key_reaches_the_log(guarded: httpx.Client, directory: Path) -> None:
    """A key is neither logged nor shown, whether right or wrong."""
    guarded.get("/jobs", headers=ANNE)
    guarded.get("/jobs", headers={"X-API-Key": "wrong-key"})
    shown = guarded.get("/readyz").text + (directory / "api.log").read_text()
    assert "anne-key" not in shown
    assert "wrong-key" not in shown
