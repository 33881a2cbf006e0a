"""One emulator for every trap; each test finds it empty."""

from collections.abc import Iterator

import pytest

from tests.hosts import CREDENTIALS, host_at
from tests.workers.emulator.driver import Emulator
from workers.kaggle import KaggleHost
from workers.kaggle_client import KaggleClient
from workers.kaggle_datasets import KaggleDatasets


@pytest.fixture(scope="session")
def shared_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("emulator")).start()
    yield started
    started.stop()


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Iterator[Emulator]:
    """Without kernels, and with nothing scripted."""
    yield shared_emulator
    shared_emulator.clear()


@pytest.fixture
def kaggle(emulator: Emulator) -> KaggleHost:
    return host_at(emulator.url)


@pytest.fixture
def hasty(emulator: Emulator) -> KaggleHost:
    """The same with little patience."""
    return host_at(emulator.url, timeout_seconds=0.4)


@pytest.fixture
def datasets(emulator: Emulator) -> KaggleDatasets:
    return KaggleDatasets(KaggleClient(credentials=CREDENTIALS, owner=None, timeout_seconds=10, url=emulator.url))
