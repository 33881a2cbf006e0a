"""Fixtures that start the real service: all of `kavox serve`, on free ports, in a folder of the test's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service import Service

StartService = Callable[..., Service]


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
    shared = Service(tmp_path_factory.mktemp("service"), {"KAVOX_WORKERS": 2})
    shared.start()
    yield shared
    shared.end_everything()
