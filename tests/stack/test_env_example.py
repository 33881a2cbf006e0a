"""`.env.example` against the settings themselves."""

import re
from pathlib import Path

import pytest

from app.shared.settings import PREFIX, Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SHOWN = dict(re.findall(rf"^#({PREFIX}\w+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def test_lists_every_setting_and_no_other() -> None:
    """There is one line for each field of Settings."""
    assert sorted(SHOWN) == sorted(PREFIX + name.upper() for name in Settings.model_fields)


def test_shows_the_real_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Taking all the `#` away where a value is shown changes nothing."""
    monkeypatch.chdir(tmp_path)
    defaults = load_settings()
    for name, value in SHOWN.items():
        if value:
            monkeypatch.setenv(name, value)

    assert load_settings() == defaults


def test_explains_every_setting() -> None:
    """Right above each key stands a line that says what it means."""
    lines = EXAMPLE.read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if line.startswith(f"#{PREFIX}")]

    assert all(re.match(r"# \S.*\.$|# \S.*\)\.$", lines[number - 1]) for number in keys)
