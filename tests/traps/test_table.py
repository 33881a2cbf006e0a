"""The table of traps in docs/kaggle-facts.md and the tests of this folder are about the same things."""

import ast
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "kaggle-facts.md"
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)
EXCUSE = "cannot occur here: "


def rows() -> dict[int, str]:
    """What holds each trap, by its number."""
    return {int(number): held for number, _, _, held in ROW.findall(PAGE.read_text(encoding="utf-8"))}


def written() -> set[str]:
    """The names of the tests that are there."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.glob("test_*.py")]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {name for name in functions if name.startswith("test_trap_")}


def test_the_table_has_every_trap_with_its_tests_or_a_reason() -> None:
    """All 32, each held by tests of its number or saying why it cannot occur here."""
    found = rows()
    assert list(found) == list(range(1, 33))
    for number, held in found.items():
        names = re.findall(r"`(test_trap_(\d\d)_\w+)`", held)
        assert names or held.startswith(EXCUSE), f"trap {number}"
        assert all(int(digits) == number for _, digits in names), f"trap {number}"


def test_the_table_and_the_tests_name_each_other() -> None:
    """No test is named that is not there, and none is there that is not named."""
    named = [name for held in rows().values() for name in re.findall(r"`(test_trap_\w+)`", held)]
    assert len(named) == len(set(named))
    assert set(named) == written()
