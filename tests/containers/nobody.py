"""Somebody who may read nothing of ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NOBODY = 65534


@contextmanager
def nobody() -> Iterator[None]:
    """Whoever runs the tests may be root, who reads everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
