"""What tests and benchmarks ask the emulator itself; Kaggle has none of it, and it needs no credentials."""

from typing import Any

from workers.emulator.models import Session
from workers.emulator.quota import gpu_seconds
from workers.emulator.sessions import Sessions
from workers.emulator.store import Store


def statistics(store: Store, sessions: Sessions, now: float) -> dict[str, Any]:
    """Counters since the data directory was made.

    `billed_seconds` are GPU seconds, of sessions under way too; `pushes_refused` are those with HTTP 200 and an error;
    `kernels` are those that were not deleted, with the newest version's status.
    """
    sessions.advance_all()
    all_sessions = store.sessions()
    return {
        "calls": store.counts("call"),
        "downloads": store.counts("download"),
        "pushes_accepted": len(all_sessions),
        "pushes_refused": store.counts("push").get("refused", 0),
        "most_sessions_at_once": most_at_once(all_sessions),
        "billed_seconds": round(sum(gpu_seconds(all_sessions, 0.0, now, ended=ended) for ended in (True, False)), 3),
        "kernels": [
            {"slug": kernel.slug, "versions": len(versions), "status": versions[-1].status.value}
            for kernel in store.kernels()
            if (versions := store.sessions_of(kernel.id))
        ],
    }


def most_at_once(sessions: list[Session]) -> int:
    """The largest number of sessions that were open (queued or running) at the same moment."""
    begun = [(session.pushed_at, 1) for session in sessions]
    ended = [(session.ended_at, -1) for session in sessions if session.ended_at is not None]
    open_now = most = 0
    for _, change in sorted(begun + ended):
        open_now += change
        most = max(most, open_now)
    return most
