"""Fixtures of the engines' tests; the parts are in `stage.py`."""

from collections.abc import Iterator

import pytest

from tests.engines.stage import Stage


@pytest.fixture(scope="session")
def engines_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One stage for all tests that put nothing in the way of an engine; what they need they `make`."""
    stage = Stage(tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()
