"""What the account has used, and the refusals that follow from it."""

from typing import Any

from workers.emulator import rules
from workers.emulator.clock import iso, week_end, week_start
from workers.emulator.elsewhere import Elsewhere
from workers.emulator.models import Session

WEEKLY_TPU_SECONDS = 20 * 3600

_NOTHING = Elsewhere()


def gpu_seconds(sessions: list[Session], since: float, now: float, *, ended: bool) -> float:
    """GPU seconds that the ended (or the open) sessions have used since a moment, one a second whatever the cards."""
    return sum(_gpu_seconds(session, since, now) for session in sessions if session.ended is ended)


def _gpu_seconds(session: Session, since: float, now: float) -> float:
    if not session.gpu or session.started_at is None:
        return 0.0
    seconds = session.seconds(now)
    return max(0.0, min(seconds, session.started_at + seconds - since))


def refusal(sessions: list[Session], gpu: bool, now: float, elsewhere: Elsewhere = _NOTHING) -> str:
    """Why the account's limits do not allow one more session, in Kaggle's words; empty when they do.

    A session under way is not ended by the quota: 30.93 of 30 hours were seen.
    """
    open_sessions = sum(session.gpu is gpu and not session.ended for session in sessions)
    if not gpu:
        return rules.CPU_SESSIONS_TAKEN if open_sessions + elsewhere.cpu_sessions >= rules.MAX_CPU_SESSIONS else ""
    if open_sessions + elsewhere.gpu_sessions >= rules.MAX_GPU_SESSIONS:
        return rules.GPU_SESSIONS_TAKEN
    used = sum(_used_and_reserved(sessions, now, elsewhere))
    return rules.GPU_QUOTA_USED if used >= rules.WEEKLY_GPU_SECONDS else ""


def statistics(sessions: list[Session], now: float, elsewhere: Elsewhere = _NOTHING) -> dict[str, Any]:
    """The answer of GetAcceleratorQuotaStatistics; reserved time is that of the sessions under way."""
    used, reserved = _used_and_reserved(sessions, now, elsewhere)
    has_ever_run = used + reserved > 0 or any(session.gpu for session in sessions)
    return {
        "quotaRefreshTime": iso(week_end(now)),
        "gpuQuota": _quota(used, reserved, rules.WEEKLY_GPU_SECONDS, has_ever_run),
        "tpuQuota": _quota(0.0, 0.0, WEEKLY_TPU_SECONDS, has_ever_run=False),
    }


def _used_and_reserved(sessions: list[Session], now: float, elsewhere: Elsewhere) -> tuple[float, float]:
    """GPU seconds of this week that have been billed, and those that sessions under way hold."""
    since = week_start(now)
    used = gpu_seconds(sessions, since, now, ended=True) + elsewhere.gpu_hours_used * 3600
    return used, gpu_seconds(sessions, since, now, ended=False) + elsewhere.gpu_seconds_reserved


def _quota(used: float, reserved: float, allowed: float, has_ever_run: bool) -> dict[str, Any]:
    return {
        "timeUsed": _seconds(used),
        "timeReserved": _seconds(reserved),
        "totalTimeAllowed": _seconds(allowed),
        "minimumTimeAllowed": _seconds(allowed),
        "isPayToScaleEnabled": False,
        "hasEverRun": has_ever_run,
    }


def _seconds(seconds: float) -> str:
    """A duration as Kaggle writes it, "5400s" or "3.5s", with at most nine decimals (kaggle_object.py)."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
