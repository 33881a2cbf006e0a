"""The source of a notebook with a run in it: what is pushed, and what a job's bundle shows.

The whole run travels inside one JSON string literal, so no text, voice or option is ever parsed as code.
"""

import json
from collections.abc import Mapping
from typing import Any

PARAMETERS_TAG = "parameters"
"""The tag of the one cell that a run replaces; papermill's convention."""


def parameters_source(run: Mapping[str, object]) -> str:
    """The Python source of the parameters cell, pure ASCII."""
    # The inner dumps escapes all but ASCII; the outer one turns that into a literal which Python reads as JSON does.
    return f"import json\n\nRUN = json.loads({json.dumps(json.dumps(run))})"


def is_parameters(cell: Mapping[str, Any]) -> bool:
    """Whether a run replaces this cell of a notebook."""
    return cell["cell_type"] == "code" and PARAMETERS_TAG in cell["metadata"].get("tags", [])


def with_run(notebook: Mapping[str, Any], run: Mapping[str, object]) -> str:
    """The notebook as JSON, with `RUN` set to `run` and without outputs. The same arguments give the same bytes."""
    cells = [_filled(cell, run) for cell in notebook["cells"]]
    return json.dumps({**notebook, "cells": cells}, indent=1, sort_keys=True, ensure_ascii=False)


def _filled(cell: Mapping[str, Any], run: Mapping[str, object]) -> Mapping[str, Any]:
    # Editors save sources as lists of lines, and Kaggle answers 500 to those.
    source = parameters_source(run) if is_parameters(cell) else "".join(cell["source"])
    code: dict[str, Any] = {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {}
    return {**cell, **code, "source": source}
