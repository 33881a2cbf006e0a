"""`make live`, tried on the emulator because nobody here can reach Kaggle."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.facts import FACTS
from tests.workers.emulator.driver import Emulator

pytestmark = pytest.mark.slow

FACTS_PAGE = Path(__file__).parents[1] / "docs" / "kaggle-facts.md"


def test_a_live_run_speaks_ticks_the_facts_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Every fact that a CPU kernel shows without internet is seen, no secret is written, and no kernel stays."""
    emulator = Emulator(tmp_path / "kaggle", {"username": "somebody", "key": "sesame-key"}).start()
    transcript = tmp_path / "transcript.md"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("KAVOX_", "KAGGLE_"))},
        "KAVOX_KAGGLE_API_URL": emulator.url,
        "KAVOX_EMULATOR_USERNAME": "somebody",
        "KAVOX_EMULATOR_KEY": "sesame-key",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.live", "--providers", "hibari", "--transcript", transcript],
            env=environment, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert emulator.stats()["kernels"] == []
    finally:
        emulator.stop()
    written = transcript.read_text()
    for fact in FACTS:
        assert f"| {fact} |" in written
    assert written.count("| confirmed |") == len(FACTS) - 2, written
    assert "CONTRADICTED" not in written
    assert "somebody" not in written
    assert "sesame-key" not in written + done.stdout


def test_a_live_run_without_credentials_says_where_to_put_them(tmp_path: Path) -> None:
    """One line, and the exit status of a wrong configuration."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "tests.live"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 78
    assert "KAGGLE_API_TOKEN" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_docs_list_the_same_facts() -> None:
    """The page for people and the list for the live run do not drift apart."""
    page = FACTS_PAGE.read_text(encoding="utf-8")
    for fact, claim in FACTS.items():
        assert f"| {fact} | {claim} |" in page, fact
