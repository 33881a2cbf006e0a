"""Soak: many jobs through the real API, Redis, workers and emulator; fails when anything grows with their number.

    make soak               10,000 jobs, three to eight minutes
    make soak JOBS=20000    more

No notebook is executed: each session is a scripted one, whose outputs are made of the kernel that was pushed. What is
kept for a week is kept for half a minute here, and records for a whole one, so that from STEADY_SECONDS on as much goes
as comes: of the rest, the second half may add GROWTH and a fixed allowance to each gauge. At last everything has
expired, and no key with an id in its name, no audio and no half-written file may be left.
"""

import argparse
import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import httpx

from tests.mimic import write_mimic
from tests.puppets import Puppets
from tests.service import Service, wait_for
from tests.soak.gauges import Gauges, endless_keys, files_below, keys_by_kind, read_gauges

FOLDER = Path("data/soak")
CALLERS = ("reader", "game", "radio", "museum")
WAVE = 250
MARKS = 20
FEWEST_MARKS = 4
KEPT_SECONDS = 30
STEADY_SECONDS = 3 * KEPT_SECONDS
DEADLINE_SECONDS = 900
GROWTH = 0.1
ALLOWED = {"keys": 150, "files": 200, "valkey on disk MB": 80, "redis MB": 4}
"""What may come on top of GROWTH: the runs' own records are kept for a week, and Valkey's file grows up to 64 MB
before it is written anew. All else may grow by ALLOWED_MEGABYTES."""
ALLOWED_MEGABYTES = 12.0


class Soak:
    """One soak, and what it has found wrong."""

    def __init__(self, jobs: int, folder: Path) -> None:
        self.wrong: list[str] = []
        self.marks: list[Gauges] = []
        self._jobs = jobs
        self._ended, self._began = 0, time.monotonic()
        self._lock = Lock()
        self._service = Service(
            folder / "data",
            {
                "KAVOX_NOTEBOOKS_DIR": write_mimic(folder / "notebooks"),
                "KAVOX_WORKERS": 2,
                "KAVOX_RESULT_TTL_HOURS": KEPT_SECONDS / 3600,
                "KAVOX_LOG_LEVEL": "warning",
            },
        )

    def run(self) -> None:
        """Plays it to its end."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._service.end_everything)
            self._service.start()
            puppets = Puppets(self._service)
            stack.callback(puppets.close)
            puppets.script(times=None)
            self._mark()
            with puppets.finishing_all(seconds=0.1), ThreadPoolExecutor(len(CALLERS)) as pool:
                for future in [pool.submit(self._call, caller) for caller in CALLERS]:
                    future.result()
            self._mark()
            self._judge_growth()
            self._judge_rest(puppets)

    def _call(self, caller: str) -> None:
        """One caller: submits a wave of texts, waits for them, fetches some, and begins again."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with httpx.Client(
            base_url=self._service.url, headers={"X-API-Key": self._service.key(caller)}, timeout=30, trust_env=False
        ) as http:
            for begin in range(0, self._jobs // len(CALLERS), WAVE):
                texts = range(begin, min(begin + WAVE, self._jobs // len(CALLERS)))
                ids = [_submit(http, f"This is text {number} of {caller}.") for number in texts]
                for number, job_id in enumerate(ids):
                    while (job := http.get(f"/jobs/{job_id}").json())["status"] in {"queued", "running"}:
                        if time.monotonic() > deadline:
                            raise TimeoutError(f"job {job_id} of {caller} has not ended: {job}")
                        time.sleep(0.5)
                    if job["status"] != "succeeded":
                        self.wrong.append(f"{job_id}: {job['status']} {job['error']}")
                    elif number % 10 == 0 and http.get(f"/jobs/{job_id}/audio").status_code != 200:
                        self.wrong.append(f"{job_id}: no audio")
                    self._count()

    def _count(self) -> None:
        with self._lock:
            self._ended += 1
            due = self._ended % (self._jobs // MARKS) == 0
        if due:
            self._mark()

    def _mark(self) -> None:
        self.marks.append(read_gauges(self._service, self._ended, time.monotonic() - self._began))
        _say(self.marks[-1].line)

    def _judge_growth(self) -> None:
        steady = [mark for mark in self.marks if mark.seconds >= STEADY_SECONDS]
        if len(steady) < FEWEST_MARKS:
            self.wrong.append(f"too few jobs for as fast a machine: it must work on for {STEADY_SECONDS} s and more")
            return
        half = len(steady) // 2
        for name in steady[0].sizes:
            before, after = (max(mark.sizes[name] for mark in marks) for marks in (steady[:half], steady[half:]))
            bar = before * (1 + GROWTH) + ALLOWED.get(name, ALLOWED_MEGABYTES)
            _say(f"{name}: at most {before:.1f} at first, {after:.1f} later, bar {bar:.1f}")
            if after > bar:
                self.wrong.append(f"{name} grew from {before:.1f} to {after:.1f}")

    def _judge_rest(self, puppets: Puppets) -> None:
        """Once everything has expired."""
        audio = self._service.data_dir / "audio"
        with contextlib.suppress(AssertionError):
            wait_for(
                "everything to expire", lambda: not (endless_keys(self._service) or [*_files(audio)]), 5 * KEPT_SECONDS
            )
        for kind, number in sorted(keys_by_kind(self._service).items()):
            _say(f"left in Redis: {number} {kind}")
        left = {
            "keys without end": [f"{number} {kind}" for kind, number in endless_keys(self._service).items()],
            "audio": [*_files(audio)],
            "half-written files": [name for name in _files(self._service.data_dir) if name.endswith(".part")],
            "kernels": puppets.kernels(),
        }
        self.wrong += [f"left: {len(found)} {what}: {found[:5]}" for what, found in left.items() if found]


def main() -> int:
    """Exit status 0 when nothing grows and nothing is left."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    began = time.monotonic()
    soak = Soak(options.jobs, FOLDER.absolute())
    soak.run()
    _say(f"{options.jobs} jobs in {time.monotonic() - began:.0f} s")
    for wrong in soak.wrong[:20]:
        _say(f"WRONG: {wrong}")
    return 1 if soak.wrong else 0


def _submit(http: httpx.Client, text: str) -> str:
    answer = http.post("/synthesize", json={"text": text})
    answer.raise_for_status()
    job_id: str = answer.json()["id"]
    return job_id


def _files(folder: Path) -> Iterator[str]:
    return (path.name for path in files_below(folder))


def _say(line: str) -> None:
    sys.stdout.write(f"soak: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
