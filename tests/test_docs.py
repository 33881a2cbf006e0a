"""What the pages of README and docs/ name is there."""

import re
from pathlib import Path

import pytest
import typer

from app.cli import cli
from app.shared.settings import PREFIX, Settings
from tests.pages import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_what_exists(page: Path) -> None:
    """The files that it links to or speaks of, settings, and targets of make."""
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    files = re.findall(r"`((?:app|workers|tests)/[\w./-]+\.py)`", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
    settings = set(re.findall(rf"\b{PREFIX}([A-Z_]+[A-Z])\b", text))
    assert settings - {name.upper() for name in Settings.model_fields} == set()
    targets = set(re.findall(r"`make ([\w-]+)", text))
    assert targets - set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)) == set()


def test_every_command_is_told_of() -> None:
    """The page of the command line has each, by its name, and the pages name none that there is not."""
    commands = {*typer.main.get_command(cli).commands}  # type: ignore[attr-defined]  # it is a group
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert {name for name in commands if not re.search(rf"(kavox|·) {name}\b", page)} == set()
    named = {name for page in PAGES for name in re.findall(r"`kavox ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert named - commands == set()


def test_the_index_has_every_page() -> None:
    """Whoever looks for something finds it from docs/README.md."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert linked == {page.name for page in PAGES} - {"README.md"}
