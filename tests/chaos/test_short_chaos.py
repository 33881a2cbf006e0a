"""Chaos for everyday: a small round of `make chaos`."""

import random
from pathlib import Path

import pytest

from tests.chaos.script import SHORT
from tests.chaos.storm import weather


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_is_lost_while_every_process_is_killed_and_kaggle_is_unreliable(tmp_path: Path) -> None:
    """Forty jobs of four callers end right, each with its own audio, and no run is pushed twice."""
    seed = random.randrange(10**9)  # noqa: S311  # no secret
    verdict = weather(seed, SHORT, tmp_path)
    assert not verdict.missed(), "\n".join([f"seed {seed}, files in {tmp_path}", *verdict.lines()])
