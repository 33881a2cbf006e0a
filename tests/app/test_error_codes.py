"""docs/errors.md against the source: what can be met is explained there, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|\n ").split("|")]
    for line in (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]
# The emulator speaks of errors as Kaggle does, and the document's examples of languages, which have codes too.
SOURCES = [
    path
    for folder in ("app", "workers")
    for path in (ROOT / folder).rglob("*.py")
    if "emulator" not in path.parts and path.stem != "openapi_examples"
]


def codes_in(path: Path) -> Iterator[str]:
    """Every code that this file gives to an error."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for value in _values(node):
            yield from _strings(value)


def _values(node: ast.AST) -> list[ast.expr | None]:
    """What stands where a code is written: in a class, in a call, in a record, or in a table of them."""
    match node:
        case ast.ClassDef(body=body):
            assigned = [one for one in body if isinstance(one, ast.Assign | ast.AnnAssign)]
            return [one.value for one in assigned if "code" in _names(one)]
        case ast.Call(keywords=keywords):
            return [keyword.value for keyword in keywords if keyword.arg == "code"]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "code"]
        case ast.Assign(value=ast.Dict(values=values)) if any(name.endswith("_CODES") for name in _names(node)):
            return [*values]
    return []


def _names(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _strings(value: ast.expr | None) -> Iterator[str]:
    """The strings that an expression may become; what it is made from by a call or a name is found elsewhere."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.BoolOp):
        for one in value.values:
            yield from _strings(one)
    elif isinstance(value, ast.IfExp):
        yield from (*_strings(value.body), *_strings(value.orelse))
    else:
        # A code that is put together at run time would escape this search.
        assert not isinstance(value, ast.JoinedStr | ast.BinOp), ast.unparse(value)


MET = {code for path in SOURCES for code in codes_in(path)}


def test_every_code_is_explained_and_every_explained_code_exists() -> None:
    """The table and the source name the same codes."""
    assert {row[0].strip("`") for row in ROWS} == MET


def test_the_search_finds_what_is_known_to_be_there() -> None:
    """One code of each way to write it, so that a search that finds nothing does not pass."""
    assert {"text_empty", "not_audio", "method_not_allowed", "wrong_type", "unknown_field", "wait_expired"} <= MET
    assert {"store_unavailable", "internal_error", "unknown_voice", "range_not_satisfiable"} <= MET


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_every_entry_is_complete(row: list[str]) -> None:
    """Code, where it is met, what it means and what to do; each once."""
    code, where, meaning, remedy = row
    assert re.fullmatch("`[a-z_]+`", code)
    place = r"(\d{3}|job|wait|start|log|command|delivery)"
    assert re.fullmatch(f"{place}(, {place})*", where)
    assert meaning
    assert remedy
    assert [other[0] for other in ROWS].count(code) == 1
