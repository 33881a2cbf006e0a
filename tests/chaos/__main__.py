"""Chaos: 300 texts of four callers, a spoilt Kaggle, and `kill -9` of whatever runs, three seeds in a row.

    make chaos              three random seeds; exit status 1 as soon as a bar is missed
    make chaos SEED=12345   one seed again, with the same texts, pauses and kills; the faults fall anew

Everything that a round leaves is in data/chaos/seed-<seed>: data.log, the service's own data and, where a bar was
missed, evidence.json.
"""

import argparse
import secrets
import shutil
import sys
from pathlib import Path

from tests.chaos.script import FULL, SHORT, Scale
from tests.chaos.storm import weather

ROUNDS = 3
FOLDER = Path("data/chaos")


def main() -> int:
    """Exit status 0 when every bar holds in every round."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one alone")
    parser.add_argument("--short", action="store_true", help="the small round of the test suite")
    options = parser.parse_args()
    scale = SHORT if options.short else FULL
    seeds = [secrets.randbelow(10**9) for _ in range(ROUNDS)] if options.seed is None else [options.seed]
    held = [_round(seed, scale) for seed in seeds]
    _say(f"{held.count(True)} of {len(held)} rounds held every bar")
    return 0 if all(held) else 1


def _round(seed: int, scale: Scale) -> bool:
    _say(f"seed {seed}")
    folder = FOLDER.absolute() / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        verdict = weather(seed, scale, folder)
    except (TimeoutError, AssertionError) as error:
        _say(f"the round could not be ended: {error}; its log is in {folder}")
        return False
    for line in verdict.lines():
        _say(line)
    missed = verdict.missed()
    _say(f"MISSED: {'; '.join(missed)}; see {folder}" if missed else "every bar holds")
    return not missed


def _say(line: str) -> None:
    sys.stdout.write(f"chaos: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
