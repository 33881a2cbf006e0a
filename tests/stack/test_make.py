"""What `make` sets up, on a machine as it is found."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.pages import ROOT

pytestmark = pytest.mark.slow


def has_pip(environment: Path) -> bool:
    """Whether its interpreter runs, and finds pip."""
    python = environment / "bin" / "python"
    return python.exists() and subprocess.run([python, "-m", "pip", "--version"], check=False).returncode == 0


def test_an_environment_without_pip_is_made_anew_and_no_other(tmp_path: Path) -> None:
    """Debian leaves such a one where python3-venv was missing; the next `make` begins again, the one after goes on."""
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).touch()
    environment = tmp_path / ".venv"
    venv.create(environment, with_pip=False)

    def make() -> None:
        # Where there is no index nothing can be installed: this looks at the environment alone.
        command = ["make", "--makefile", str(ROOT / "Makefile"), f"PYTHON={sys.executable}", ".venv/.ready"]
        subprocess.run(command, cwd=tmp_path, env={**os.environ, "PIP_NO_INDEX": "1"}, check=False)

    make()
    assert has_pip(environment)
    (environment / "mine").touch()
    make()
    assert (environment / "mine").exists()
