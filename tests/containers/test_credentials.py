"""Kaggle's credentials as a file that is mounted into a container, with the owner that it has outside."""

import tempfile
from pathlib import Path

import pytest

from app.shared.errors import ConfigurationError
from app.shared.settings import REAL_KAGGLE, load_settings
from tests.containers.unprivileged import unprivileged
from workers.hosts import kaggle_host


@pytest.mark.parametrize("name", ["access_token", "kaggle.json"])
def test_a_file_that_belongs_to_somebody_else_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To whoever looks for credentials it is as if it were not there; the worker says what is wrong with it."""
    for variable in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(variable, raising=False)
    with tempfile.TemporaryDirectory() as home:
        monkeypatch.setenv("HOME", home)
        file = Path(home) / ".kaggle" / name
        file.parent.mkdir()
        file.write_text("{}")
        for path, mode in ((Path(home), 0o755), (file.parent, 0o755), (file, 0o000)):
            path.chmod(mode)
        settings = load_settings(kaggle_api_url=REAL_KAGGLE)

        with unprivileged(), pytest.raises(ConfigurationError) as stopped:
            kaggle_host(settings)

    assert stopped.value.detail.startswith(f"{file} cannot be read: it must belong to the worker's user")
