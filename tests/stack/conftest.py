"""Fixtures whose processes end with the test."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.embedded import EmbeddedServer
from app.supervisor import Supervisor
from tests.stack.processes import Serve, wait_until

StartServe = Callable[..., Serve]
StartServer = Callable[[], EmbeddedServer]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A supervisor; what it still runs at the end of the test is killed."""
    supervisor = Supervisor()
    yield supervisor
    supervisor.stop(hurry=lambda: True)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts an embedded server on the test's one directory, or adopts the one there, and waits until it answers."""
    handles: list[EmbeddedServer] = []

    def start() -> EmbeddedServer:
        handles.append(EmbeddedServer(tmp_path / "with space" / "valkey"))
        handles[-1].start()
        wait_until(handles[-1].answers, "the embedded server answers")
        return handles[-1]

    yield start
    for handle in handles:
        if handle.exit_code() is None:
            handle.signal(signal.SIGKILL)


@pytest.fixture
def start_serve(tmp_path: Path) -> Iterator[StartServe]:
    """Starts `kavox serve`; every one of a test uses the same data directory."""
    started: list[Serve] = []

    def start(**settings: object) -> Serve:
        started.append(Serve(tmp_path, **settings))
        return started[-1]

    yield start
    for serve in started:
        serve.end_everything()
