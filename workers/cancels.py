"""Does what can be done about jobs that are to be cancelled while their run is under way.

Kaggle ends no session through its API: deleting the kernel is the one thing that stops it, so a run is stopped once
nobody wants any of it. Until then a job that is cancelled leaves a run that goes on for the others.
"""

import time
from collections.abc import Mapping

import structlog

from app.shared.errors import KavoxError
from app.shared.job import JobStatus
from workers.kernel import KernelHost
from workers.lease import RENEW_SECONDS, Lease
from workers.run import Run
from workers.run_store import RunStore

log = structlog.get_logger()


class Cancels:
    """Raises LeaseLost and redis' errors like the store that it writes to."""

    def __init__(self, runs: RunStore, hosts: Mapping[str, KernelHost]) -> None:
        self._runs = runs
        self._hosts = hosts

    def heed(self, run: Run, lease: Lease) -> bool:
        """Whether nobody wants the run any more and its kernel is gone; as long as it is not, the lease asks again."""
        lease.cancels.clear()
        asked = self._runs.asked_cancels(run)
        if self._runs.jobs(run):
            for job in self._runs.canceling(run):
                self._runs.settle(run, job, JobStatus.CANCELED)
            self._runs.forget_cancels(run, asked)
            return False
        try:
            self._hosts[run.host].delete(run.slug)
        except KavoxError as error:
            log.warning("kernel not stopped yet", kernel=run.ref, detail=error.detail)
            waiting = {
                "code": "cancel_unconfirmed",
                "detail": unstopped(run, error),
                "retry_at": time.time() + RENEW_SECONDS,
            }
            self._runs.record(run, show={"waiting": waiting})
            return False
        log.info("run cancelled", kernel=run.ref)
        return True


def unstopped(run: Run, error: KavoxError) -> str:
    """What to tell the callers of jobs whose kernel goes on."""
    where = run.url or run.ref or run.slug
    return f"the kernel could not be stopped ({error.detail}); if it goes on, delete it by hand: {where}"
