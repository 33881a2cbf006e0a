"""One API process for all of these tests; each test finds the Redis server empty."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.ports import LOOPBACK
from app.shared import keys
from app.shared.redis_client import connect
from tests.api_keys import make_key
from tests.app.api_process import EMULATOR_URL, serving
from tests.app.manifests import write_manifests
from tests.app.workshop import Workshop
from tests.service import wait_for

MAX_WAITING_JOBS = 1000


@dataclass(frozen=True)
class Headers:
    """Two callers' keys, and how they may be sent."""

    anne_key: str
    bert_key: str

    @property
    def anne(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.anne_key}"}

    @property
    def bert(self) -> dict[str, str]:
        return {"X-API-Key": self.bert_key}


@dataclass(frozen=True)
class Place:
    """Where the parts of these tests are."""

    redis_url: str
    notebooks_dir: Path
    data_dir: Path

    @property
    def settings(self) -> dict[str, object]:
        """What an API process here is started with."""
        return {
            "redis_url": self.redis_url,
            "kaggle_api_url": EMULATOR_URL,
            "notebooks_dir": self.notebooks_dir,
            "data_dir": self.data_dir,
            "max_waiting_jobs": MAX_WAITING_JOBS,
            "webhook_allowed_hosts": LOOPBACK,
            # Most tests ask for the same text again, and mean it.
            "cache_max_megabytes": 0,
        }


@pytest.fixture(scope="session")
def place(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(
        redis_url=redis_url,
        notebooks_dir=write_manifests(tmp_path_factory.mktemp("notebooks")),
        data_dir=tmp_path_factory.mktemp("data"),
    )


@pytest.fixture(scope="session")
def _api(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("api"), **place.settings) as client:
        yield client


@pytest.fixture
def api(_api: httpx.Client, redis: Redis) -> httpx.Client:
    assert redis.dbsize() == 0
    # Other tests of this Redis make keys, which are forgotten within seconds.
    wait_for("everybody to be let in", lambda: _api.get("/jobs/none").status_code != httpx.codes.UNAUTHORIZED)
    return _api


@pytest.fixture
def workshop(place: Place, redis: Redis) -> Workshop:
    return Workshop(redis, place.data_dir)


@pytest.fixture(scope="session")
def guarded_place(place: Place) -> Place:
    """The same with another Redis, in which there are keys; the tests of it leave those alone."""
    return replace(place, redis_url=f"{place.redis_url}/1")


@pytest.fixture(scope="session")
def headers(guarded_place: Place) -> Headers:
    """Two callers of the guarded place."""
    return Headers(*(make_key(guarded_place.redis_url, name) for name in ("anne", "bert")))


@pytest.fixture
def guarded_redis(guarded_place: Place, headers: Headers) -> Iterator[Redis]:
    """The guarded place's server, empty but for the keys."""
    assert headers
    with connect(guarded_place.redis_url) as client:
        for name in client.scan_iter():
            if name != keys.API_KEYS:
                client.delete(name)
        yield client


@pytest.fixture
def guarded_workshop(guarded_place: Place, guarded_redis: Redis) -> Workshop:
    """A worker of the guarded place."""
    return Workshop(guarded_redis, guarded_place.data_dir)
