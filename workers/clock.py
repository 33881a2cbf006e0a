"""Notices when somebody sets the machine's clock back: what Redis is to forget in a minute, it then keeps for hours."""

import time
from collections.abc import Callable

# A clock that is only adjusted moves by less between two looks.
_TOLERANCE_SECONDS = 30.0


class Clock:
    """Compares the wall's clock with one that nobody sets."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()

    def set_back(self) -> bool:
        """Whether it was set back since the last look."""
        before, self._ahead = self._ahead, self._wall() - self._steady()
        return self._ahead < before - _TOLERANCE_SECONDS
