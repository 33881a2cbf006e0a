"""The Redis of this installation, for commands that speak to it and not to the service."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from app.embedded import EmbeddedServer
from app.exit_codes import ServiceUnreachable
from app.premises import is_occupied
from app.shared.addresses import without_secrets
from app.shared.errors import ConfigurationError
from app.shared.redis_client import connect_for_command
from app.shared.settings import Settings

_START_SECONDS = 10
_LOOK_SECONDS = 0.02


@contextmanager
def own_redis(settings: Settings) -> Iterator[Redis]:
    """The server that is named, else the embedded one: as it runs, or started for this command.

    Raises ServiceUnreachable where it does not answer, and ConfigurationError where it cannot be started.
    """
    if settings.redis_url is not None:
        with _connected(settings.redis_url, without_secrets(settings.redis_url)) as redis:
            yield redis
        return
    directory = settings.data_dir.absolute() / "valkey"
    try:
        server = EmbeddedServer(directory)
    except OSError as error:
        raise ConfigurationError(f"KAVOX_DATA_DIR: cannot write to {directory}: {error.strerror}") from None
    server.start()
    try:
        _wait_until_it_answers(server)
        with _connected(server.url, f"the embedded server in {directory}") as redis:
            yield redis
    finally:
        # A `kavox serve` that was started meanwhile has adopted it, and a server that was found is not ours to stop.
        if not server.adopted and not is_occupied(settings):
            server.signal(signal.SIGTERM)
            while server.exit_code() is None:
                time.sleep(_LOOK_SECONDS)


@contextmanager
def _connected(url: str, shown: str) -> Iterator[Redis]:
    try:
        with connect_for_command(url) as redis:
            yield redis
    except RedisError as error:
        raise ServiceUnreachable(f"{shown} does not answer: {error}") from None


def _wait_until_it_answers(server: EmbeddedServer) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.answers():
        if server.exit_code() is not None or time.monotonic() > deadline:
            raise ServiceUnreachable(f"the embedded server does not start; {server.log_place} says why")
        time.sleep(_LOOK_SECONDS)
