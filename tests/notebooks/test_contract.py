"""Every notebook in notebooks/, whosever it is, keeps what the docs promise of all of them."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from app.shared.provider import load_providers
from tests.notebooks.local_run import NOTEBOOKS
from workers.notebook import inject

RATE = 24_000
CELLS = ["parameters", "environment", "install", "load", "generate", "save", "clean-up"]
MOST_BYTES = 200_000
SECRETS = [
    r"\b[0-9a-f]{32}\b",  # a key of Kaggle
    r"\bKGAT_\w+",
    r"\bhf_[A-Za-z0-9]{16,}",
    r"\bsk[-_][A-Za-z0-9]{16,}",
    r"\bgh[a-z]_[A-Za-z0-9]{16,}",
    r"\bAKIA[0-9A-Z]{12,}",
    r"\beyJ[A-Za-z0-9_-]{16,}\.",
    r"-----BEGIN",
    r"(?i)\b(?:api_?key|token|password|secret)\s*=\s*[\"'][^\"']+[\"']",
]
BUILT_IN = {"exec", "eval", "compile", "__import__", "get_ipython"}
OF_MODULES = {"system", "popen", "getoutput", "getstatusoutput", "import_module", "run_cell", "run_line_magic"}

notebook = pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: str(path.stem))


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# Those that join chunks as ours do; others may do so in ways of their own.
JOINING = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if "def joined(" in path.read_text(encoding="utf-8")]


@notebook
def test_a_notebook_is_seven_cells_each_under_its_heading(path: Path) -> None:
    """Headings and code alternate, with plain ids, under a title; the first code cell is the tagged one."""
    cells = read(path)["cells"]
    headings, code = cells[::2], cells[1::2]

    assert [cell["cell_type"] for cell in cells] == ["markdown", "code"] * 7
    assert [cell["id"] for cell in code] == CELLS
    assert [cell["id"] for cell in headings] == [f"{name}-heading" for name in CELLS]
    assert headings[0]["source"].startswith("# ")
    titles = [re.findall(r"^## (.+)$", cell["source"], re.MULTILINE)[-1] for cell in headings]
    assert [title.lower().replace(" ", "-") for title in titles] == CELLS
    assert ["parameters" in cell["metadata"].get("tags", []) for cell in code] == [True] + [False] * 6


@notebook
def test_a_notebook_is_valid_small_and_clean(path: Path) -> None:
    """nbformat takes it, it names a kernel, its sources are strings, and it carries neither outputs nor a secret."""
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)

    nbformat.validate(nbformat.from_dict(content))
    assert content["nbformat"] == 4
    assert content["nbformat_minor"] >= 5
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    assert all(isinstance(cell["source"], str) for cell in content["cells"])
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in content["cells"])
    assert len(text.encode()) < MOST_BYTES
    assert text == json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert [found[0] for pattern in SECRETS if (found := re.search(pattern, text))] == []


@notebook
def test_a_notebook_turns_no_data_into_code(path: Path) -> None:
    """Its cells are plain Python, and nothing is executed as code or handed to a shell, whatever it is made of."""
    for cell in read(path)["cells"][1::2]:
        # A magic or a shell escape is no Python: it does not even parse.
        for call in (node for node in ast.walk(ast.parse(cell["source"])) if isinstance(node, ast.Call)):
            where = f"{path.name}, cell {cell['id']}, line {call.lineno}"
            called = ast.unparse(call.func)
            assert called.removeprefix("builtins.") not in BUILT_IN, f"{where}: {called}"
            assert called.rpartition(".")[2] not in OF_MODULES, f"{where}: {called}"
            assert not any(keyword.arg == "shell" for keyword in call.keywords), f"{where}: a shell"
            if called.startswith("subprocess."):
                assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), f"{where}: a command in one string"


@notebook
def test_a_notebook_reads_the_parameters_that_it_is_given(path: Path) -> None:
    """Its example names its own provider, a model and voices of the manifest, and gives way to a run's items."""
    provider = load_providers(NOTEBOOKS)[path.stem]
    names: dict[str, Any] = {}
    parameters = ast.parse(read(path)["cells"][1]["source"])
    run = ast.literal_eval(parameters.body[-1].value)  # RUN = {…}
    assert set(run) == {"run_id", "provider", "model", "device", "install", "items"}
    assert run["provider"] == path.stem
    assert run["model"] in {model.id for model in provider.models}
    for item in run["items"]:
        assert set(item) == {"id", "chunks", "pauses", "voice", "language", "seed", "options", "reference"}
        assert len(item["pauses"]) == len(item["chunks"]) - 1
        assert set(item["options"]) <= set(provider.options)
        assert item["language"] in {language.engine_name for language in provider.languages}

    hostile = '"""\n{{}}\n!rm -rf /\n\\'
    injected = json.loads(inject(path, {**run, "items": [{**run["items"][0], "chunks": [hostile]}]}))
    exec(injected["cells"][1]["source"], names)  # noqa: S102  # the one cell that Kavox writes
    assert names["RUN"]["items"][0]["chunks"] == [hostile]


@pytest.mark.parametrize("path", JOINING, ids=lambda path: str(path.stem))
def test_a_notebook_tells_when_each_of_its_chunks_is_heard(path: Path) -> None:
    """Where a chunk's sound begins and ends in the joined wav, also beside chunks without sound; in seconds."""
    cell = next(cell for cell in read(path)["cells"] if cell["id"] == "generate")["source"]
    names: dict[str, Any] = {"np": np, "SAMPLE_RATE": RATE}
    wanted = {"joined", "times", "trimmed", "faded", "EDGE_SECONDS", "FADE_SECONDS", "SILENCE"}
    parts = [node for node in ast.parse(cell).body if wanted & defined(node)]
    exec(compile(ast.Module(parts, []), path.name, "exec"), names)  # noqa: S102  # the notebook's own functions

    hum, nothing = np.full(RATE, 0.5, np.float32), np.zeros(RATE // 2, np.float32)
    clips = [np.concatenate([nothing, hum]), np.zeros(0, np.float32), np.concatenate([hum, nothing]), hum]
    samples, spans = names["joined"](clips, [0.2, 0.9, 0.4])
    times = names["times"](spans)
    assert [set(one) for one in times] == [{"start", "end"}] * 4
    assert [round(one["end"] - one["start"], 2) for one in times] == [1.5, 0, 1.03, 1]
    assert [one["start"] for one in times] == pytest.approx([0, 1.5, 2.4, 3.83])
    assert times[-1]["end"] == pytest.approx(len(samples) / RATE)
    for (start, end), clip in zip(spans, clips, strict=True):
        assert np.count_nonzero(samples[start:end]) == pytest.approx(np.count_nonzero(clip), abs=2)


def defined(node: ast.stmt) -> set[str]:
    """The names that a statement gives to something."""
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_each_notebook_has_its_manifest() -> None:
    """The folder loads, and no notebook lies there that no provider names."""
    assert set(load_providers(NOTEBOOKS)) == {path.stem for path in NOTEBOOKS.glob("*.ipynb")}
