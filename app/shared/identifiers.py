"""Names for jobs and runs: unique, sortable by time of creation, safe in addresses, file names and kernel slugs."""

import os
import re
import time

_PATTERN = re.compile(r"^[0-9a-f]{11}[0-9a-f]{10}$")


def new_id() -> str:
    """21 lower-case hexadecimal digits: 11 of milliseconds since 1970, 10 at random."""
    return f"{time.time_ns() // 1_000_000:011x}{os.urandom(5).hex()}"


def created_at(identifier: str) -> float:
    """When `new_id` gave it, in seconds since 1970."""
    return int(identifier[:11], 16) / 1000


def is_id(text: str) -> bool:
    """Whether `text` has the form that `new_id` gives."""
    return _PATTERN.fullmatch(text) is not None
