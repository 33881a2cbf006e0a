"""The weekly GPU quota's arithmetic."""

from datetime import UTC, datetime
from typing import Any

import pytest

from workers.emulator.clock import iso, week_end, week_start
from workers.emulator.models import Session, Status
from workers.emulator.quota import gpu_seconds, refusal

HOUR = 3600.0
SATURDAY = datetime(2026, 10, 10, tzinfo=UTC).timestamp()
NOON_SUNDAY = SATURDAY + 36 * HOUR


def session(start: float, hours: float, **fields: Any) -> Session:
    """An ended GPU session, unless `fields` say otherwise."""
    ended = {"started_at": start, "ended_at": start + hours * HOUR, "length_seconds": hours * HOUR}
    clock = {"boot_seconds": 0, "tail_seconds": 0, "time_scale": 1, "limit_seconds": 12 * HOUR}
    made: dict[str, Any] = {"id": 1, "kernel_id": 1, "version": 1, "settings": {}, "gpu": True, "pushed_at": start}
    return Session(**{**made, "launch_at": start, "outcome": Status.COMPLETE, **clock, **ended, **fields})


@pytest.mark.parametrize("moment", [SATURDAY, NOON_SUNDAY, SATURDAY + 7 * 24 * HOUR - 1])
def test_the_week_begins_on_saturday(moment: float) -> None:
    """The quota is refreshed on Saturday at 00:00 UTC."""
    assert iso(week_start(moment)) == "2026-10-10T00:00:00.000Z"
    assert iso(week_end(moment)) == "2026-10-17T00:00:00.000Z"


def test_only_this_week_counts() -> None:
    """Of a session that straddles the refresh only the part after it counts, and one before it not at all."""
    sessions = [session(SATURDAY - 1 * HOUR, 3), session(SATURDAY - 9 * HOUR, 4), session(SATURDAY, 5, gpu=False)]
    assert gpu_seconds(sessions, SATURDAY, NOON_SUNDAY, ended=True) == 2 * HOUR


def test_thirty_hours_refuse_the_next_push() -> None:
    """A push is refused once 30 hours are used or in use, and a push without a GPU never is."""
    sessions = [session(SATURDAY, 12), session(SATURDAY, 12)]
    assert refusal(sessions, True, NOON_SUNDAY) == ""
    sessions.append(session(NOON_SUNDAY - 6 * HOUR, 0, ended_at=None, outcome=None))
    assert refusal(sessions, True, NOON_SUNDAY) == "Maximum weekly GPU quota of 30.00 hours reached."
    assert refusal(sessions, False, NOON_SUNDAY) == ""
