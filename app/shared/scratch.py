"""Folders for files on their way: recordings and speech that somebody asked for, so none of it may stay.

They lie below the data directory and not in the machine's own folder for such things, because a process that is
killed removes nothing: the next worker finds what it has left. Whoever uses a folder holds a lock on it, which ends
with its process, so that no living process' folder is taken away, be it frozen for hours.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.shared.identifiers import new_id


class Scratch:
    """The folders below `directory`, which is made when it is first needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder, gone after the block. Raises OSError when it cannot be made."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = self._directory / new_id()
            path.mkdir(mode=0o700)
            # Somebody may be clearing, and have found it before it was locked.
            if (lock := _locked(path)) is not None:
                break
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)

    def clear(self) -> None:
        """Removes what processes have left behind that are no more."""
        for path in self._directory.glob("*"):
            if (lock := _locked(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _locked(path: Path) -> int | None:
    """The descriptor that holds the lock on a folder; None when somebody else has it, or the folder is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
