"""What the service and its Kaggle have written down themselves, read behind their backs and never changed."""

import json
import os
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redis import Redis

from app.ports import LOOPBACK
from app.shared import keys
from workers.run import SESSIONS


@dataclass(frozen=True)
class Ledgers:
    """`runs` are the service's records by id, `open_runs` those not closed; `pushes` the emulator's accepted ones by
    slug, deleted kernels included, and `kernels` the slugs that are still there; `half_written` are files that nobody
    has finished or removed, `strays` audio of no job and no kept speech that is not noted as such either."""

    runs: dict[str, dict[str, str]]
    open_runs: list[str]
    pushes: Counter[str]
    kernels: list[str]
    half_written: list[str]
    strays: list[str]

    @property
    def pushed_twice(self) -> list[str]:
        """Slugs that were pushed more than once: one run that paid twice."""
        return [slug for slug, times in self.pushes.items() if times > 1]

    def runs_of(self, job_id: str) -> list[str]:
        """The runs that carried a job."""
        return [run_id for run_id, record in self.runs.items() if job_id in json.loads(record["jobs"])]

    def kernels_of(self, job_id: str) -> int:
        """How many kernels ran for a job."""
        return sum(self.pushes[slug_of(self.runs[run_id], run_id)] for run_id in self.runs_of(job_id))


def slug_of(record: dict[str, str], run_id: str) -> str:
    """Under which name a run was pushed."""
    return f"{json.loads(record['prefix'])}-{run_id}"


def read_ledgers(data_dir: Path) -> Ledgers:
    """The books as they are now; both servers must be running."""
    pushes, kernels = _emulator(data_dir / "emulator" / "emulator.sqlite3")
    with redis_of(data_dir) as redis:
        named = cast("list[str]", list(redis.scan_iter(keys.RUN + "*", count=1000, _type="HASH")))
        # What belongs to a run has its key and a colon before its own name.
        found = [key for key in named if ":" not in key.removeprefix(keys.RUN)]
        runs = {key.removeprefix(keys.RUN): cast("dict[str, str]", redis.hgetall(key)) for key in found}
        still = [run for kind in SESSIONS for run in cast("list[str]", redis.zrange(keys.RUNS + kind, 0, -1))]
        strays = _strays(data_dir / "audio", redis)
    return Ledgers(runs, still, pushes, kernels, _half_written(data_dir), strays)


def redis_of(data_dir: Path) -> Redis:
    """A connection to the embedded server of this directory."""
    address: dict[str, Any] = json.loads((data_dir / "valkey" / "server.json").read_text())
    return Redis(LOOPBACK, address["port"], password=address["password"], decode_responses=True, socket_timeout=10)


def _strays(folder: Path, redis: Redis) -> list[str]:
    """Wavs, each named after a job or kept speech and its content, of neither, and not noted to be deleted."""
    entries = cast("list[str]", [redis.get(key) for key in redis.scan_iter(keys.RESULT + "*", count=1000)])
    noted = [*redis.smembers(keys.REMOVED_RESULTS), *redis.zrange(keys.ANSWERING, 0, -1)]
    known = {json.loads(entry)["file_id"] for entry in entries if entry} | {one.partition(":")[0] for one in noted}
    owners = {path.name: path.stem.rpartition("-")[0] for path in folder.glob("*.wav")}
    return [name for name, owner in owners.items() if owner not in known and not redis.exists(keys.JOB + owner)]


def _half_written(data_dir: Path) -> list[str]:
    """Parts of files, and whatever is still in a worker's scratch folder."""
    found = [Path(place, name) for place, _, names in os.walk(data_dir) for name in names]
    return [str(path) for path in found if path.suffix == ".part" or path.is_relative_to(data_dir / "scratch")]


def _emulator(path: Path) -> tuple[Counter[str], list[str]]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        pushed = db.execute("SELECT slug FROM kernels JOIN sessions ON sessions.kernel_id = kernels.id")
        living = db.execute("SELECT slug FROM kernels WHERE deleted_at IS NULL")
        return Counter(slug for (slug,) in pushed), [slug for (slug,) in living]
    finally:
        db.close()
