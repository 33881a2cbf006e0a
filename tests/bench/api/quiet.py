"""How much of the machine others had meanwhile. Noise is told from results by that, and never by the results."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

import psutil

_QUIET_SHARE = 1 / 3
T = TypeVar("T")


class Machine:
    """The processors that this bench shares with whatever else runs on the machine."""

    def __init__(self) -> None:
        """Counts as ours this process and all that it has started by now."""
        me = psutil.Process()
        self._ours = dict.fromkeys([me, *me.children(recursive=True)], 0.0)
        self._count = psutil.cpu_count() or 1

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """When it ends, the list has the share of all processors that others have had meanwhile."""
        found: list[float] = []
        began, before = time.monotonic(), self._used_by_others()
        yield found
        found.append(max(0.0, self._used_by_others() - before) / (time.monotonic() - began) / self._count)

    def _used_by_others(self) -> float:
        """Seconds so far. What has ended of ours has used what it had when it was last seen."""
        everybody = psutil.cpu_times()
        used = everybody.user + everybody.system + everybody.nice + getattr(everybody, "steal", 0.0)
        for one in self._ours:
            with suppress(psutil.NoSuchProcess):
                self._ours[one] = sum(one.cpu_times()[:2])
        return float(used - sum(self._ours.values()))


def quietest(rounds: Sequence[T], others: Callable[[T], float]) -> Sequence[T]:
    """The third of the rounds in which others had least of the machine, at least one."""
    return sorted(rounds, key=others)[: max(1, round(len(rounds) * _QUIET_SHARE))]
