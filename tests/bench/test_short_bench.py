"""The bench in miniature: a few texts, at a pace at which its figures say nothing but its parts are all used."""

from pathlib import Path

import pytest

from tests.bench.clock import BILLED, Speed
from tests.bench.kavox import all_at_once
from tests.bench.lone import Lone
from tests.bench.original import original_way
from tests.bench.table import ORIGINAL, QUEUED, Table
from tests.bench.texts import seconds, texts

pytestmark = pytest.mark.slow

SCALE = 60.0


@pytest.mark.timeout(240)
def test_both_ways_come_into_one_table(tmp_path: Path) -> None:
    """Both speak all their texts, the bills are as stated, and every goal is judged."""
    given, speed = texts(8), Speed(1.0, 2)
    length = sum(seconds(text) for text in given)
    table = Table(lone=Lone([1.0], [9.0]))
    original = original_way(tmp_path / "original", 1.0, given[:1], SCALE)
    table.add(Speed(1.0, 1), ORIGINAL, original)
    queued = all_at_once(tmp_path / "queued", speed, given, SCALE, workers=1)
    table.add(speed, QUEUED, queued)

    assert original.gpu_seconds >= BILLED + seconds(given[0]) - 0.1
    assert len(queued.sessions) == 1
    assert queued.gpu_seconds >= BILLED + length / 2 - 0.1
    assert queued.seconds >= queued.gpu_seconds
    lines = "\n".join(table.lines())
    assert "x the original's jobs per hour" in lines
    assert len(list(table.goals())) == 5
    assert [met for goal, met in table.goals() if "lone" in goal] == [True, False]
