"""The Dockerfile as tests look at it: its stages, and the instructions of each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"

Instruction = tuple[str, str]
"""A keyword, and what follows it on one line."""


def stages() -> Mapping[str, Sequence[Instruction]]:
    """The instructions of each stage by its name, those of the stages that it is built from first."""
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for keyword, rest in _instructions():
        if keyword == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = current = list(found.get(base, []))
        else:
            current.append((keyword, rest))
    return found


def extras(stage: str) -> set[str]:
    """The extras of Kavox that the packages of an image come from."""
    return set(re.findall(r"--extra ([\w-]+)", " ".join(rest for _, rest in stages()[f"{stage}-packages"])))


def _instructions() -> Iterator[Instruction]:
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    for instruction in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if instruction.strip():
            keyword, _, rest = instruction.partition(" ")
            yield keyword, rest
