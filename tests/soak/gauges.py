"""How large a service is: its processes, its Redis, and what lies below its data directory."""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil

from tests.chaos.ledgers import redis_of
from tests.service import Service

PROGRAMS = {"api": "app.main:create_app", "workers": "workers.main", "emulator": "workers.emulator"}
_MEGABYTE = 1e6
_ID = re.compile(r"[0-9a-f]{21}|-[0-9a-f]{16}-[0-9a-f]{8}")


@dataclass(frozen=True)
class Gauges:
    """One reading, after so many jobs had ended and so many seconds had passed. Sizes are in megabytes."""

    jobs: int
    seconds: float
    sizes: Mapping[str, float]

    @property
    def line(self) -> str:
        """The reading, for people."""
        return f"{self.jobs:6} jobs  {self.seconds:4.0f} s  " + "  ".join(
            f"{name} {size:.1f}" for name, size in self.sizes.items()
        )


def read_gauges(service: Service, jobs: int, seconds: float) -> Gauges:
    """The service as it is now."""
    sizes = {f"{name} MB": _resident(service.processes(word)) for name, word in PROGRAMS.items()}
    with redis_of(service.data_dir) as redis:
        sizes["redis MB"] = cast("dict[str, int]", redis.info("memory"))["used_memory"] / _MEGABYTE
        sizes["keys"] = float(cast("int", redis.dbsize()))
    for name in ("audio", "emulator", "valkey"):
        sizes[f"{name} on disk MB"] = _bytes_below(service.data_dir / name) / _MEGABYTE
    sizes["files"] = float(sum(1 for _ in files_below(service.data_dir)))
    return Gauges(jobs, seconds, sizes)


def keys_by_kind(service: Service) -> Counter[str]:
    """How many keys there are of each kind: their names with the ids left out."""
    with redis_of(service.data_dir) as redis:
        return Counter(_ID.sub("<id>", key) for key in cast("list[str]", list(redis.scan_iter(count=1000))))


def endless_keys(service: Service) -> Counter[str]:
    """Those of them that have an id in their names and no end of their own."""
    with redis_of(service.data_dir) as redis:
        found = cast("list[str]", list(redis.scan_iter(count=1000)))
        return Counter(_ID.sub("<id>", key) for key in found if _ID.search(key) and redis.ttl(key) == -1)


def _resident(processes: list[psutil.Process]) -> float:
    return sum(process.memory_info().rss for process in processes) / _MEGABYTE


def files_below(folder: Path) -> Iterator[Path]:
    """Its files, but for what goes away meanwhile: os.walk minds no folder that does."""
    return (Path(place, name) for place, _, names in os.walk(folder) for name in names)


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in files_below(folder):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total
