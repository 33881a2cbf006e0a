"""One API process for all of these tests; each test finds the Redis server empty."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.ports import LOOPBACK
from tests.app.api_process import EMULATOR_URL, serving
from tests.app.manifests import write_manifests
from tests.app.workshop import Workshop

MAX_WAITING_JOBS = 1000


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
    return _api


@pytest.fixture
def workshop(place: Place, redis: Redis) -> Workshop:
    return Workshop(redis, place.data_dir)
