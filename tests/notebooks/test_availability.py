"""What a manifest may ask of a machine, and which providers a worker says that it can run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.shared.errors import ConfigurationError
from app.shared.provider import load_providers
from tests.notebooks.local_run import NOTEBOOKS
from workers.runtime import _local_providers


def manifest(folder: Path, old: str, new: str) -> Path:
    """A folder with elevenlabs alone, its manifest changed."""
    text = (NOTEBOOKS / "elevenlabs.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "elevenlabs.toml").write_text(text.replace(old, new), encoding="utf-8")
    (folder / "elevenlabs.ipynb").write_text("{}", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('["local"]', '["kaggle", "local"]', "nothing of it may reach Kaggle"),
        ("ELEVENLABS_API_KEY", "KAVOX_API_KEY", "must not name variables of Kavox or Kaggle"),
        ("ELEVENLABS_API_KEY", "KAGGLE_KEY", "must not name variables of Kavox or Kaggle"),
        ('["ELEVENLABS_API_KEY"]', '["not a name"]', "environment.0: String should match pattern"),
    ],
)
def test_a_manifest_cannot_ask_for_what_is_nobodys_business(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """Neither the service's own variables nor, on Kaggle, any at all."""
    if old == "ELEVENLABS_API_KEY":
        old, new = f'environment = ["{old}"]', f'environment = ["{new}"]'
    with pytest.raises(ConfigurationError, match=problem):
        load_providers(manifest(tmp_path, old, new))


@pytest.mark.parametrize(
    ("variables", "package", "offered"),
    [
        ({"ELEVENLABS_API_KEY": "x"}, "httpx", True),
        ({}, "httpx", False),
        ({"ELEVENLABS_API_KEY": ""}, "httpx", False),
        ({"ELEVENLABS_API_KEY": "x"}, "no_such_package", False),
    ],
)
def test_a_worker_offers_what_it_has_the_packages_and_variables_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any], package: str, offered: bool
) -> None:
    """One of them missing, or an empty variable, and the provider is not offered."""
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    providers = load_providers(manifest(tmp_path, '["httpx", "numpy"]', f'["{package}", "numpy"]'))

    assert _local_providers(providers) == (["elevenlabs"] if offered else [])


@pytest.mark.parametrize("name", ["qwen", "chatterbox"])
def test_a_machine_of_ones_own_is_told_the_versions_that_kaggle_gets(name: str) -> None:
    """What the notebook pins where it installs, the manifest's `install` pins as well."""
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    [cell] = [cell["source"] for cell in notebook["cells"] if cell["id"] == "install"]
    pinned = set(re.findall(r"[a-z0-9-]+[=<]=?[0-9.]+", cell))
    told = {word for line in load_providers(NOTEBOOKS)[name].install for word in line.split()}
    assert pinned
    assert pinned <= told
