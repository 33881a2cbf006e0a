"""A lock on a file that ends with whoever holds it, however that ends.

`flock` belongs to the open file, not to the process: a child that inherits the descriptor holds the lock too, and the
kernel lets go of it when the last holder is gone, after `kill -9` as well.
"""

import fcntl
import os
from pathlib import Path


class FileLock:
    """An exclusive lock; the file's content is the number of the process that holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Whether the lock is ours now. Raises OSError when the file cannot be written."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def is_held(self) -> bool:
        """Whether any process, this one included, holds the lock."""
        if self._descriptor is not None:
            return True
        if not self.take():
            return True
        self.let_go()
        return False

    def fileno(self) -> int:
        """The descriptor to hand to a child that shall hold the lock; only while it is ours."""
        if self._descriptor is None:
            raise ValueError(f"{self._path} is not locked by this process")
        return self._descriptor

    def holder(self) -> int | None:
        """The process that was last named as holder; None after `release`."""
        try:
            return int(self._path.read_text())
        except (OSError, ValueError):
            return None

    def name_holder(self, process: int) -> None:
        """Writes down who holds the lock, for people and for those who find it taken."""
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), str(process).encode(), 0)

    def let_go(self) -> None:
        """Closes our descriptor; the lock stays taken while a child has it."""
        os.close(self.fileno())
        self._descriptor = None

    def release(self) -> None:
        """Lets go and leaves no name behind: the mark of an orderly end."""
        os.ftruncate(self.fileno(), 0)
        self.let_go()
