"""Names for jobs and runs: unique, sortable by time of creation, safe in addresses, file names and kernel slugs."""

import os
import re
import threading
import time

_PATTERN = re.compile(r"^[0-9a-f]{11}[0-9a-f]{10}$")
_RANDOM_BITS = 40

_one_at_a_time = threading.Lock()
_last = 0


def new_id() -> str:
    """21 lower-case hexadecimal digits: 11 of milliseconds since 1970, 10 at random.

    Within a millisecond, those of one process count up from the first, so that a batch's jobs are in order.
    """
    global _last  # noqa: PLW0603  # what the process has given last is the process' own
    with _one_at_a_time:
        new = time.time_ns() // 1_000_000 << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8))
        _last = _last + 1 if new >> _RANDOM_BITS == _last >> _RANDOM_BITS else new
        return f"{_last:021x}"


def created_at(identifier: str) -> float:
    """When `new_id` gave it, in seconds since 1970."""
    return int(identifier[:11], 16) / 1000


def is_id(text: str) -> bool:
    """Whether `text` has the form that `new_id` gives."""
    return _PATTERN.fullmatch(text) is not None
