"""Which exit code an error has, and that the page says the same; and which program it is."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from app import exit_codes
from app.client import failure
from tests.commands.command import Command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("status", "code", "retryable", "expected"),
    [
        ("failed", "push_refused", False, 1),
        ("failed", "kaggle_unreachable", True, 75),
        ("failed", "wait_expired", True, 124),
        ("failed", "waiting_for_quota", True, 124),
        ("canceled", None, False, 130),
    ],
)
def test_a_job_ends_the_command_by_what_became_of_it(
    status: str, code: str | None, retryable: bool, expected: int
) -> None:
    error: dict[str, Any] | None = {"code": code, "detail": "So it is.", "retryable": retryable} if code else None

    assert exit_codes.exit_code(failure({"id": "1", "status": status, "error": error})) == expected


def test_the_page_lists_the_codes_of_the_source() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    documented = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)

    assert documented == re.findall(r"^ +(\d+)  \S", exit_codes.__doc__ or "", re.MULTILINE)


def test_the_program_tells_its_version(tmp_path: Path) -> None:
    """That of the package, whose CHANGELOG says what is in it."""
    ended = Command(tmp_path)("--version")
    assert (ended.code, ended.out.decode()) == (0, f"kavox {version('kavox')}\n")
