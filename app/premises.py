"""What a stack must have to itself before it starts anything: its data directory and its port."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.lock import FileLock
from app.ports import free_port, is_free
from app.shared.errors import ConfigurationError
from app.shared.settings import Settings

_OLD_API_SECONDS = 5
"""How long the API of a stack that was killed may still hold the port."""


@contextmanager
def occupied(settings: Settings) -> Iterator[Settings]:
    """Holds the data directory; gives the settings with an absolute one and the port that they ask for (0: any).

    Raises ConfigurationError when another stack is there, nothing can be written, or the port is taken.
    """
    data_dir = settings.data_dir.absolute()
    lock = FileLock(data_dir / "stack.lock")
    _take(lock, data_dir)
    was_killed = lock.holder() is not None
    try:
        lock.name_holder(os.getpid())
        port = _port(settings, patience_seconds=_OLD_API_SECONDS if was_killed else 0)
        yield settings.model_copy(update={"data_dir": data_dir, "port": port})
    finally:
        lock.release()


def is_occupied(settings: Settings) -> bool:
    """Whether a stack holds the data directory."""
    lock = settings.data_dir.absolute() / "stack.lock"
    return lock.exists() and FileLock(lock).is_held()


def _take(lock: FileLock, data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        taken = lock.take()
    except OSError as error:
        raise ConfigurationError(f"KAVOX_DATA_DIR: cannot write to {data_dir}: {error.strerror}") from None
    if not taken:
        raise ConfigurationError(
            f"KAVOX_DATA_DIR: {data_dir} is in use by another Kavox, process {lock.holder()}; "
            "stop that one, or choose another directory"
        )


def _port(settings: Settings, patience_seconds: float) -> int:
    deadline = time.monotonic() + patience_seconds
    try:
        if settings.port == 0:
            return free_port(settings.host)
        while not is_free(settings.host, settings.port):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"KAVOX_PORT: {settings.host}:{settings.port} is already in use; "
                    "stop what listens there, or choose another port"
                )
            time.sleep(0.05)
    except OSError as error:
        raise ConfigurationError(
            f"KAVOX_HOST, KAVOX_PORT: cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from None
    return settings.port
