"""How a run's jobs and its kernel end. A job that fails alone, in a run that did well, gets one more go first."""

from collections.abc import Mapping

import structlog

from app.shared.errors import CancelFailed, KavoxError
from app.shared.job import Job, JobStatus
from app.shared.settings import Settings
from workers.cancels import unstopped
from workers.kernel import KernelHost
from workers.run import Run
from workers.run_store import RunStore

log = structlog.get_logger()


class Verdicts:
    """Raises LeaseLost and redis' errors like the store that it writes to."""

    def __init__(self, runs: RunStore, hosts: Mapping[str, KernelHost], settings: Settings) -> None:
        self._runs = runs
        self._hosts = hosts
        self._settings = settings

    def fail_job(self, run: Run, job: Job, error: KavoxError) -> None:
        """Ends one job with the error; the others of its run are not concerned."""
        self._runs.settle(run, job, JobStatus.FAILED, error=error.view())

    def fail_item(self, run: Run, job: Job, error: KavoxError) -> None:
        """The job failed alone: it runs once more with another seed, unless its request named one."""
        self._runs.count_fault(run, error.code)
        if job.failures or job.speech.seed is not None:
            self.fail_job(run, job, error)
            return
        # Without its detail: the engine's own words may quote the text.
        log.warning("job runs again", job=job.id, code=error.code)
        self._runs.put_back(run, job, failures=job.failures + 1, group="")

    def remove_kernel(self, run: Run) -> None:
        """Deletes the kernel of a run whose jobs have ended; one that cannot be deleted now is left to the sweep."""
        if self._settings.keep_kernels:
            return
        try:
            self._hosts[run.host].delete(run.slug)
        except KavoxError as error:
            log.warning("kernel not deleted yet", kernel=run.ref, detail=error.detail)
            self._runs.leave_to_sweep(run)
            for job in self._runs.canceling(run):
                self.fail_job(run, job, CancelFailed(unstopped(run, error)))
