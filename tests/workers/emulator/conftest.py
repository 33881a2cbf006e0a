"""Fixtures of the emulator's tests; the parts are in `driver.py`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .driver import Emulator


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator without delays, shared by a module's tests: each uses slugs of its own."""
    started = Emulator(tmp_path_factory.mktemp("emulator")).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def queueing_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator whose sessions never leave their queue, so that pushing to it costs nothing."""
    started = Emulator(tmp_path_factory.mktemp("emulator"), {"queue-seconds": 3600}).start()
    yield started
    started.stop()


@pytest.fixture
def idle_emulator(queueing_emulator: Emulator) -> Iterator[Emulator]:
    """The queueing emulator, handed over without kernels and without faults."""
    yield queueing_emulator
    queueing_emulator.clear()


@pytest.fixture
def start_emulator(tmp_path: Path) -> Iterator[Callable[..., Emulator]]:
    """Starts emulators with options of the test's own."""
    started: list[Emulator] = []

    def start(**options: Any) -> Emulator:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        started.append(Emulator(tmp_path / str(len(started)), named).start())
        return started[-1]

    yield start
    for emulator in started:
        emulator.stop()
