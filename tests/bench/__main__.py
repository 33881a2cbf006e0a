"""The bench: what Kavox makes of two sessions of Kaggle's, beside the original's way and the best that is possible;
and what its API makes of one process, beside others that do less.

    make bench                        both tables, in half an hour; exit status 1 when a goal is missed
    make bench ONLY="queued lone"     parts of the first: original, queued, lone, stream
    make bench ONLY=api               the second

How it is measured, and what was measured before: docs/bench.md. What it leaves is in data/bench.
"""

import argparse
import platform
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench import kavox
from tests.bench.api.measure import measure as measure_api
from tests.bench.clock import SCALE, Speed
from tests.bench.lone import lone_jobs
from tests.bench.original import original_way
from tests.bench.table import ORIGINAL, QUEUED, STREAM, Row, Table
from tests.bench.texts import HEAD, STREAM_TEXTS, arrivals, texts

FOLDER = Path("data/bench")
FACTORS = (0.5, 1.0, 1.87)
GPUS = (1, 2)
SESSIONS_PARTS = ("original", "queued", "lone", "stream")
PARTS = (*SESSIONS_PARTS, "api")
LONE_JOBS = 5


def main() -> int:
    """Exit status 0 when every goal is met that was measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts of the table")
    parser.add_argument("--scale", type=float, default=SCALE, help=f"Kaggle's seconds in one of ours ({SCALE:g})")
    options = parser.parse_args()
    folder = FOLDER.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()
    goals: list[tuple[str, bool]] = []
    if set(SESSIONS_PARTS) & set(options.only):
        table = measure(folder, options.only, options.scale)
        _say("\n".join(table.lines()))
        goals += table.goals()
    if "api" in options.only:
        findings = measure_api(folder / "api")
        _say("\n".join(findings.lines))
        goals += findings.judged()
    for goal, met in goals:
        _say(f"{'met   ' if met else 'MISSED'}  {goal}")
    missed = sum(not met for _, met in goals)
    took = f"{time.monotonic() - began:.0f} s on {platform.machine()}, time scale {options.scale:g}"
    _say(f"{len(goals) - missed} of {len(goals)} goals met; {took}")
    return 1 if missed else 0


def measure(folder: Path, parts: tuple[str, ...], scale: float) -> Table:
    """The parts of the first table, one measurement after the other; only the original's three share the machine."""
    table = Table()
    everything = texts()
    if "original" in parts:
        # They sleep nearly all the time.
        with ThreadPoolExecutor(len(FACTORS)) as pool:
            ways = pool.map(
                lambda factor: original_way(folder / f"original-{factor:g}", factor, everything[:HEAD], scale), FACTORS
            )
            for factor, figures in zip(FACTORS, ways, strict=True):
                _tell(table.add(Speed(factor, 1), ORIGINAL, figures))
    for speed in (Speed(factor, gpus) for factor in FACTORS for gpus in GPUS):
        if "queued" in parts:
            place = folder / f"queued-{speed.factor:g}-{speed.gpus}"
            _tell(table.add(speed, QUEUED, kavox.all_at_once(place, speed, everything, scale)))
    if "lone" in parts:
        table.lone = lone_jobs(folder / "lone", everything[:LONE_JOBS], scale)
        sys.stderr.write(f"bench: {table.lone}\n")
    for speed in (Speed(1.0, gpus) for gpus in GPUS):
        if "stream" in parts:
            stream = texts(STREAM_TEXTS), arrivals(STREAM_TEXTS)
            _tell(table.add(speed, STREAM, kavox.stream(folder / f"stream-{speed.gpus}", speed, *stream, scale)))
    return table


def _tell(row: Row) -> None:
    """A row as soon as it is there: the table takes a while."""
    sys.stderr.write(f"bench: {'  '.join(row.cells())}\n")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
