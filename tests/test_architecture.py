"""The drawing of docs/architecture.md, held against the imports that are in the code."""

import re
from collections.abc import Iterator

from tests.pages import blocks
from tests.test_imports import MODULES, imports_of

# The nodes of the drawing, each with the modules that it stands for; the first one that fits counts.
NODES = [
    ("main", re.compile(r"app\.main")),
    ("api", re.compile(r"app\.api\b.*")),
    ("shared", re.compile(r"app\.shared\b.*")),
    ("commands", re.compile(r"app\.commands\b.*")),
    ("stack", re.compile(r"app\b.*")),
    ("emulator", re.compile(r"workers\.emulator\b.*")),
    ("kaggle", re.compile(r"workers\.kaggle(_\w+)?")),
    ("local", re.compile(r"workers\.local(_\w+)?")),
    ("notebook", re.compile(r"workers\.notebook")),
    ("workers", re.compile(r"workers\b.*")),
]


def node(module: str) -> str:
    return next(name for name, pattern in NODES if pattern.fullmatch(module))


def imported_modules(module: str) -> Iterator[str]:
    """Those of ours; `from app.api import cache` means app.api.cache."""
    for name in imports_of(module):
        parts = name.split(".")
        longest = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        found = next((prefix for prefix in longest if prefix in MODULES), None)
        if found is not None:
            yield found


def test_the_drawing_shows_the_imports_that_are_there() -> None:
    """Every arrow stands for an import, and every import between two parts has its arrow."""
    (drawing,) = blocks("docs/architecture.md", "mermaid")
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)$", drawing, re.MULTILINE))
    found = {(node(module), node(other)) for module in MODULES for other in imported_modules(module)}
    # A package itself is imported with each of its modules, and says nothing.
    found = {(one, other) for one, other in found if one != other}
    assert found == drawn


def test_the_drawing_names_every_part() -> None:
    """Each of its nodes has modules, and each module a node that is drawn."""
    (drawing,) = blocks("docs/architecture.md", "mermaid")
    named = set(re.findall(r'^ +(\w+)\["', drawing, re.MULTILINE))
    assert named == {node(module) for module in MODULES} == {name for name, _ in NODES}
