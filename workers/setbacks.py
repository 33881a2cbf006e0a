"""What becomes of a run whose step raised an error. Only the error's type decides.

    Interrupted                       the worker is stopping: let go at once, another goes on from the recorded step
    Transient, CredentialsRejected    nothing was pushed: the jobs go back to their lane, which rests
                                      something was pushed: let go of the run, to be taken up after a backoff
    KernelTimedOut, KernelNotFound    the kernel is deleted; its jobs run once more, then fail
    any other Permanent               its jobs fail, the kernel is deleted
    anything else                     a defect of ours: like Transient, but only a few times

Nothing is retried for ever: a job older than KAVOX_MAX_WAIT_HOURS fails at its next setback.
"""

import errno
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog
from redis.exceptions import RedisError

from app.shared.errors import (
    CredentialsRejected,
    Defect,
    KavoxError,
    KernelNotFound,
    KernelTimedOut,
    LeaseLost,
    NotebookFailed,
    Permanent,
    QuotaExhausted,
    SessionsTaken,
    StorageFull,
)
from app.shared.job import Job, JobStatus, Phase
from app.shared.redis_client import is_outage, unavailable
from app.shared.settings import Settings
from workers.diagnosis import diagnose, failure
from workers.kernel import KernelHost, LogRecord
from workers.run import Run, Step
from workers.run_logs import RunLogs
from workers.run_store import RunStore
from workers.stopping import Interrupted

log = structlog.get_logger()

_LONGEST_BACKOFF_SECONDS = 900
# Quota comes back weekly, so asking often is no use; a person may also raise it.
_QUOTA_PAUSE_FACTOR = 15
# How often a defect of ours is tried again before its jobs fail.
_MOST_DEFECTS = 5
# How many runs a job may be part of that got a machine and came to nothing.
_MOST_ATTEMPTS = 2


class Setbacks:
    """Meets errors on behalf of the pipeline. Raises LeaseLost and redis' errors like the store that it writes to."""

    def __init__(self, runs: RunStore, hosts: Mapping[str, KernelHost], settings: Settings, logs: RunLogs) -> None:
        self._logs = logs
        self._runs = runs
        self._hosts = hosts
        self._settings = settings

    def meet(self, run: Run, error: Exception) -> None:
        """Decides what becomes of the run and its jobs, and lets go of the run in any case."""
        try:
            self._decide(self._runs.reread(run), error)
        except (LeaseLost, RedisError):
            raise
        except Exception:
            # The last resort, so that a run whose setback met a defect does not come back at once, for ever.
            log.exception("setback not met")
            self._runs.release(run, retry_at=time.time() + _LONGEST_BACKOFF_SECONDS, failures=run.failures + 1)

    def fail_job(self, run: Run, job: Job, error: KavoxError) -> None:
        """Ends one job with the error; the others of its run are not concerned."""
        self._runs.settle(run, job, JobStatus.FAILED, error=error.view())

    def remove_kernel(self, run: Run) -> None:
        """Deletes the kernel of a run whose jobs have ended; one that cannot be deleted now is left to the sweep."""
        if self._settings.keep_kernels:
            return
        try:
            self._hosts[run.host].delete(run.slug)
        except KavoxError as error:
            log.warning("kernel not deleted yet", kernel=run.ref, detail=error.detail)
            self._runs.leave_to_sweep(run)

    def _decide(self, run: Run, error: Exception) -> None:
        if isinstance(error, Interrupted):
            self._runs.release(run, retry_at=0, failures=run.failures)
            return
        trouble = _typed(error)
        log.warning("setback", step=run.step, code=trouble.code, detail=trouble.detail)
        if isinstance(trouble, KernelTimedOut | KernelNotFound):
            self._run_again(run, trouble)
        elif isinstance(trouble, Permanent) and not isinstance(trouble, CredentialsRejected):
            # Kept before the jobs fail: a failed job's log is there.
            records = self._logs.keep(run, self._hosts[run.host]) if run.pushed_at else []
            self._fail(run, self._explained(run, trouble, records))
        elif isinstance(trouble, Defect) and run.failures >= _MOST_DEFECTS:
            self._fail(run, trouble)
        else:
            self._postpone(run, trouble)

    def _postpone(self, run: Run, error: KavoxError) -> None:
        if not self._jobs_in_time(run, error):
            self._fail(run, error)
            return
        delay = self._delay(run, error)
        waiting = {"code": error.code, "detail": error.advice, "retry_at": time.time() + delay}
        if run.step is Step.CLAIMED:
            # Sessions and quota that are taken are nobody's failure.
            refused = isinstance(error, SessionsTaken | QuotaExhausted)
            phase = Phase(error.code) if refused else Phase.WAITING
            failures = 0 if refused else run.failures + 1
            self._runs.give_back(run, phase=phase, waiting=waiting, pause_seconds=delay, failures=failures)
            return
        run = self._runs.record(run, show={"waiting": waiting})
        self._runs.release(run, retry_at=time.time() + delay, failures=run.failures + 1)

    def _run_again(self, run: Run, error: Permanent) -> None:
        """Another run may do better, once; a job that has had two goes fails."""
        self._logs.keep(run, self._hosts[run.host])
        try:
            self._hosts[run.host].delete(run.slug)
        except KavoxError as undeleted:
            # It would run on beside its successor.
            self._postpone(run, undeleted)
            return
        for job in self._jobs_in_time(run, error):
            if job.attempts >= _MOST_ATTEMPTS:
                self.fail_job(run, job, error)
        delay = self._delay(run, error)
        waiting = {"code": error.code, "detail": error.advice, "retry_at": time.time() + delay}
        self._runs.give_back(run, phase=Phase.WAITING, waiting=waiting, pause_seconds=delay, failures=run.failures + 1)

    def _fail(self, run: Run, error: KavoxError) -> None:
        for job in self._runs.jobs(run):
            self.fail_job(run, job, error)
        if run.step is not Step.CLAIMED:
            self.remove_kernel(run)
        self._runs.close(run)

    def _jobs_in_time(self, run: Run, error: KavoxError) -> list[Job]:
        """The run's jobs that may still wait; the others fail."""
        oldest = time.time() - self._settings.max_wait_hours * 3600
        jobs = self._runs.jobs(run)
        for job in jobs:
            if job.created_at < oldest:
                self.fail_job(run, job, error)
        return [job for job in jobs if job.created_at >= oldest]

    def _explained(self, run: Run, error: Permanent, records: Sequence[LogRecord]) -> Permanent:
        """A notebook's failure with its cause, which Kaggle's own message mostly lacks."""
        if not isinstance(error, NotebookFailed):
            return error
        found = diagnose(records)
        if run.host == "local":
            # Nobody's image but this machine's own.
            found = replace(found, image_changed=False, remedy="")
        one_caller = len({job.caller for job in self._runs.jobs(run)}) == 1
        return failure(error, found, outcome=run.outcome, message=run.failure_message, quote=one_caller)

    def _delay(self, run: Run, error: KavoxError) -> float:
        """Seconds until the next attempt, a part of them at random, so that workers do not return together."""
        base = self._settings.retry_seconds
        if isinstance(error, QuotaExhausted):
            base *= _QUOTA_PAUSE_FACTOR
        elif not isinstance(error, SessionsTaken):
            base = min(_LONGEST_BACKOFF_SECONDS, base * 2 ** min(run.failures, 10))
        return base * random.uniform(0.5, 1)  # noqa: S311  # no secret


def _typed(error: Exception) -> KavoxError:
    """The error as one of ours, so that its type can decide."""
    if isinstance(error, KavoxError):
        return error
    if isinstance(error, RedisError) and is_outage(error):
        return unavailable(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull(f"{error.filename or 'the disk'}: no space left; make room, the run waits")
    log.error("unexpected error", exc_info=error)
    return Defect(f"an error inside Kavox ({type(error).__name__}); the worker's log has it")
