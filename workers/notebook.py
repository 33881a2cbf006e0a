"""Puts a run's items into a copy of a provider's notebook. Never executes a notebook, never changes the template."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from app.shared.errors import InjectionFailed
from app.shared.notebook_source import PARAMETERS_TAG, is_parameters, with_run

KAGGLE_SOURCE_LIMIT_BYTES = 1_000_000
"""Kaggle refuses a notebook of this size or more."""

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def inject(template: Path, run: Mapping[str, object]) -> str:
    """The template's notebook as nbformat JSON, with `RUN` set to `run` and without outputs.

    The same template and run give the same bytes. Raises InjectionFailed, in one line that names the notebook.
    """
    notebook = _read(template)
    _check_parameters_cell(template, notebook)
    source = with_run(notebook, run)
    size = len(source.encode())
    if size >= KAGGLE_SOURCE_LIMIT_BYTES:
        raise _failure(
            template,
            f"{size:,} bytes with the run's items, Kaggle takes less than {KAGGLE_SOURCE_LIMIT_BYTES:,}: "
            "put fewer or shorter items into the run",
        )
    return source


def _read(template: Path) -> Any:
    """The template as a valid notebook of format 4.5 or later.

    Its sources are joined into strings: editors save them as lists of lines, and Kaggle answers 500 to those.
    """
    try:
        content = json.loads(template.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _failure(template, "there is no such file: put it back, or correct KAVOX_NOTEBOOKS_DIR") from None
    except OSError as error:
        raise _failure(template, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise _failure(template, "is not JSON: save it again as an .ipynb file") from None
    try:
        if not isinstance(content, dict) or content.get("nbformat") != 4 or content.get("nbformat_minor", 0) < 5:
            raise _failure(template, "is not a notebook of format 4.5: save it with a newer Jupyter")
        notebook = nbformat.v4.to_notebook(content)
        _check_ids(template, notebook)
        nbformat.validate(notebook)
    except (AttributeError, TypeError) as error:
        raise _failure(template, f"lacks what a notebook has: {error}") from None
    except nbformat.ValidationError as error:
        raise _failure(template, f"is not a valid notebook: {error.message}") from None
    if not notebook.metadata.get("kernelspec", {}).get("name"):
        raise _failure(template, "has no kernelspec in its metadata: add one with the name python3")
    return notebook


def _check_ids(template: Path, notebook: Any) -> None:
    """Checked before nbformat does, which would make up random ids where some are missing."""
    ids = [cell.get("id") for cell in notebook.cells]
    for number, cell_id in enumerate(ids, start=1):
        if not isinstance(cell_id, str) or not _PLAIN_ID.fullmatch(cell_id):
            raise _failure(template, f"cell {number} has no plain id: give it one of letters, digits, - and _")
        if ids.count(cell_id) > 1:
            raise _failure(template, f"cell {number} shares the id '{cell_id}': give each cell its own")


def _check_parameters_cell(template: Path, notebook: Any) -> None:
    count = sum(map(is_parameters, notebook["cells"]))
    if count != 1:
        raise _failure(
            template, f"has {count} code cells tagged '{PARAMETERS_TAG}': tag exactly one, the one that sets RUN"
        )


def _failure(template: Path, problem: str) -> InjectionFailed:
    return InjectionFailed(f"notebook {template}: {problem}")
