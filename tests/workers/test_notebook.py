"""Injection: what the notebook reads is what was sent, and a template that cannot take it is named in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.shared.chunks import split
from app.shared.errors import InjectionFailed
from app.shared.job import source_bytes
from app.shared.provider import load_providers
from workers.notebook import KAGGLE_SOURCE_LIMIT_BYTES, inject

HIBARI = Path(__file__).parents[2] / "notebooks" / "hibari.ipynb"

Notebook = dict[str, Any]


def parameters_cell(notebook: Notebook) -> Notebook:
    (cell,) = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    return dict(cell)


def what_the_notebook_reads(source: str) -> object:
    """Executes the parameters cell of a notebook, as Jupyter would, and returns its RUN."""
    names: dict[str, object] = {}
    exec(parameters_cell(json.loads(source))["source"], names)  # noqa: S102  # the point of the test
    return names["RUN"]


@settings(deadline=None)  # the machine may be busy
@given(st.text())
@example('"\\"\n')
def test_what_something_takes_in_a_notebook_is_known_beforehand(text: str) -> None:
    """The JSON of it is in a string in a cell, and the cell is a string in the file."""
    carried = [text, {"option": text}, None]
    assert source_bytes(carried) == len(json.dumps(json.dumps(json.dumps(carried))))


@given(st.text())
@example('"""')
@example("'''\\")
@example("{{}} {0} %s ${HOME} $(id) `id`")
@example("\u2028\u2029\x00\x1b\x7f\r\n\\n\\u0041")
@example("\ud800")
@example('"); import os; os.abort(); ("')
@example('{"cells": [], "metadata": {}}')
@example("!ls\n%time\n?\n# %% [parameters]")
@example("שלום 😀 مرحبا 中文")
def test_any_text_reaches_the_notebook_unchanged(text: str) -> None:
    """Whatever a text is made of, the executed parameters cell yields exactly that text."""
    run = {"run_id": text, "items": [{"id": "a", "chunks": [text, text], "options": {text: text}}]}

    assert what_the_notebook_reads(inject(HIBARI, run)) == run


def test_the_parameters_cell_is_pure_ascii() -> None:
    """No encoding on the way can damage a text."""
    source = inject(HIBARI, {"text": "żółw \u2028 😀"})

    assert parameters_cell(json.loads(source))["source"].isascii()


def test_the_template_stays_as_it_is() -> None:
    """Injection works on a copy."""
    before = HIBARI.read_bytes()

    inject(HIBARI, {"items": []})

    assert HIBARI.read_bytes() == before


def test_the_same_run_gives_the_same_bytes() -> None:
    """A run that is injected twice is the same notebook twice."""
    assert inject(HIBARI, {"items": ["a"]}) == inject(HIBARI, {"items": ["a"]})


def test_the_result_is_what_kaggle_takes(tmp_path: Path) -> None:
    """A template saved by an editor, with split lines and outputs, comes out valid, joined and without outputs."""
    template = json.loads(HIBARI.read_text(encoding="utf-8"))
    for cell in template["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["execution_count"] = 3
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["an old text\n"]}]
    saved = tmp_path / "saved.ipynb"
    saved.write_text(json.dumps(template), encoding="utf-8")

    notebook = json.loads(inject(saved, {"items": []}))

    nbformat.validate(notebook)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert all(isinstance(cell["source"], str) for cell in notebook["cells"])
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    assert json.loads(inject(HIBARI, {"items": []})) == notebook


def untag(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        cell["metadata"] = {}


def tag_all(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        cell["metadata"] = {"tags": ["parameters"]}


def drop_kernelspec(notebook: Notebook) -> None:
    del notebook["metadata"]["kernelspec"]


def spoil_an_id(notebook: Notebook) -> None:
    notebook["cells"][1]["id"] = "#VSC-1234"


def double_an_id(notebook: Notebook) -> None:
    notebook["cells"][1]["id"] = notebook["cells"][0]["id"]


def lose_an_id(notebook: Notebook) -> None:
    del notebook["cells"][1]["id"]


def number_as_source(notebook: Notebook) -> None:
    notebook["cells"][1]["source"] = 5


def lose_the_cells(notebook: Notebook) -> None:
    del notebook["cells"]


def old_format(notebook: Notebook) -> None:
    notebook["nbformat"] = 3


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (untag, "0 code cells tagged 'parameters': tag exactly one"),
        (tag_all, "7 code cells tagged 'parameters': tag exactly one"),
        (drop_kernelspec, "no kernelspec in its metadata: add one"),
        (spoil_an_id, "cell 2 has no plain id: give it one"),
        (lose_an_id, "cell 2 has no plain id: give it one"),
        (double_an_id, "cell 1 shares the id 'parameters-heading': give each cell its own"),
        (number_as_source, "is not a valid notebook: 5 is not valid"),
        (lose_the_cells, "lacks what a notebook has: cells"),
        (old_format, "is not a notebook of format 4.5: save it with a newer Jupyter"),
    ],
)
def test_a_broken_template_is_one_clear_line(
    tmp_path: Path, break_it: Callable[[Notebook], None], complaint: str
) -> None:
    """The error names the notebook, what is wrong with it and what to do."""
    notebook = json.loads(HIBARI.read_text(encoding="utf-8"))
    break_it(notebook)
    template = tmp_path / "broken.ipynb"
    template.write_text(json.dumps(notebook), encoding="utf-8")

    with pytest.raises(InjectionFailed) as failure:
        inject(template, {"items": []})

    assert str(failure.value).startswith(f"notebook {template}: ")
    assert complaint in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"not json"])
def test_a_template_that_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    """A half-written or binary file is told apart from a notebook."""
    template = tmp_path / "broken.ipynb"
    template.write_bytes(content)

    with pytest.raises(InjectionFailed, match="is not JSON: save it again"):
        inject(template, {"items": []})


@pytest.mark.parametrize("content", [b"[]", b"5", b"null", b"{}"])
def test_json_that_is_no_notebook_is_refused(tmp_path: Path, content: bytes) -> None:
    """JSON alone does not make a notebook."""
    template = tmp_path / "broken.ipynb"
    template.write_bytes(content)

    with pytest.raises(InjectionFailed, match="is not a notebook of format"):
        inject(template, {"items": []})


def test_a_missing_template_is_refused(tmp_path: Path) -> None:
    """The error names the path where the notebook should be."""
    with pytest.raises(InjectionFailed, match=r"gone\.ipynb: there is no such file"):
        inject(tmp_path / "gone.ipynb", {"items": []})


def test_a_run_that_kaggle_would_refuse_is_refused_here() -> None:
    """A notebook of a million bytes or more never leaves; just below is fine."""
    room = KAGGLE_SOURCE_LIMIT_BYTES - len(inject(HIBARI, {"text": ""}).encode())

    assert len(inject(HIBARI, {"text": "x" * (room - 1)}).encode()) == KAGGLE_SOURCE_LIMIT_BYTES - 1
    with pytest.raises(InjectionFailed, match="1,000,000 bytes with the run's items"):
        inject(HIBARI, {"text": "x" * room})


@pytest.mark.parametrize("sign", ["中", "😀", '"', "\\", "a. "])
def test_the_longest_text_fits_every_notebook(sign: str) -> None:
    """20,000 characters of anything, cut into its chunks and thrice escaped, stay below Kaggle's limit."""
    for name, provider in load_providers(HIBARI.parent).items():
        text = (sign * 20_000)[:20_000]
        chunks = split(text, "zh", provider.limits.max_chunk_characters)
        item = {"id": "a" * 21, "chunks": chunks, "pauses": [0.4] * len(chunks), "voice": "v" * 64, "language": "zh"}
        options = {"instruct": sign * 500, "description": sign * 1000}
        run = {"run_id": "r" * 21, "items": [item | {"options": options}]}
        assert what_the_notebook_reads(inject(HIBARI.with_name(f"{name}.ipynb"), run)) == run
