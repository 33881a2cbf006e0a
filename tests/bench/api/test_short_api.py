"""The second table in miniature: all its parts are used, at a size at which its figures say nothing."""

from pathlib import Path

import pytest

from tests.bench.api.findings import Goal
from tests.bench.api.measure import Size, measure

pytestmark = pytest.mark.slow


@pytest.mark.timeout(180)
def test_every_comparison_comes_into_the_table(tmp_path: Path) -> None:
    """Every contestant is answered, every client told, every job weighed, and every goal judged."""
    findings = measure(
        tmp_path / "api", Size(rounds=1, seconds=0.2, few=30, many=60, clients=40, waves=2, patience=0.1)
    )
    names = [goal.what for goal in findings.goals]
    assert len(set(names)) == len(names) == 9
    assert all(goal.figure > 0 for goal in findings.goals)
    assert "40 waiting clients on one process, 2 waves, all told" in "\n".join(findings.lines)


@pytest.mark.parametrize(
    ("figure", "at_most", "met"), [(2, False, True), (1, False, False), (2, True, False), (1, True, True)]
)
def test_a_goal_is_the_least_or_the_most(figure: float, at_most: bool, met: bool) -> None:
    """The bound is 1.5."""
    assert Goal("a figure", figure, 1.5, at_most).met is met
