"""What becomes of a run whose step raised an error. Only the error's type decides.

    Interrupted                       the worker is stopping: let go at once, another goes on from the recorded step
    Transient, CredentialsRejected    nothing was pushed: the jobs go back to their lane, which rests
                                      something was pushed: let go of the run, to be taken up after a backoff
    KernelTimedOut, KernelNotFound    the kernel is deleted; its jobs run once more, then fail
    any other Permanent               its jobs fail, the kernel is deleted
    anything else                     a defect of ours: like Transient, until the budget is spent

Nothing is retried for ever: a run older than KAVOX_MAX_WAIT_HOURS fails.
"""

import errno
import random
import time
from collections.abc import Mapping

import structlog
from redis.exceptions import RedisError

from app.shared.errors import (
    CredentialsRejected,
    Defect,
    KavoxError,
    KernelNotFound,
    KernelTimedOut,
    NotebookFailed,
    Permanent,
    QuotaExhausted,
    SessionsTaken,
    StorageFull,
    Transient,
)
from app.shared.job import Job, JobStatus, Phase
from app.shared.redis_client import unavailable
from app.shared.settings import Settings
from workers.kernel import KernelHost
from workers.kernel_log import cause
from workers.run import Run, Step
from workers.run_store import RunStore

log = structlog.get_logger()

_LONGEST_BACKOFF_SECONDS = 900
# Quota comes back weekly, so asking often is no use; a person may also raise it.
_QUOTA_PAUSE_FACTOR = 15
# How often a defect of ours is tried again before its jobs fail.
_MOST_DEFECTS = 5
# How many runs a job may be part of that got a machine and came to nothing.
_MOST_ATTEMPTS = 2


class Interrupted(Exception):  # noqa: N818  # no error: the worker was asked to stop
    """The worker is to end at the recorded step."""


class Setbacks:
    """Meets errors on behalf of the pipeline. Raises LeaseLost and redis' errors like the store that it writes to."""

    def __init__(self, runs: RunStore, hosts: Mapping[str, KernelHost], settings: Settings) -> None:
        self._runs = runs
        self._hosts = hosts
        self._settings = settings

    def meet(self, run: Run, error: Exception) -> None:
        """Decides what becomes of the run and its jobs."""
        if isinstance(error, Interrupted):
            self._runs.release(run, retry_at=0, failures=run.failures)
            return
        trouble = _typed(error)
        log.warning("setback", step=run.step, code=trouble.code, detail=trouble.detail)
        if isinstance(trouble, KernelTimedOut | KernelNotFound):
            self._run_again(run, trouble)
        elif isinstance(trouble, Permanent) and not isinstance(trouble, CredentialsRejected):
            self._fail(run, self._explained(run, trouble))
        elif self._budget_spent(run, trouble):
            self._fail(run, trouble)
        else:
            self._postpone(run, trouble)

    def fail_job(self, run: Run, job: Job, error: KavoxError) -> None:
        """Ends one job with the error; the others of its run are not concerned."""
        self._runs.settle(run, job, JobStatus.FAILED, error=error.view())

    def _postpone(self, run: Run, error: KavoxError) -> None:
        delay = self._delay(run, error)
        waiting = {"code": error.code, "detail": error.detail, "retry_at": time.time() + delay}
        if run.step is Step.CLAIMED:
            phase = Phase(error.code) if isinstance(error, SessionsTaken | QuotaExhausted) else Phase.WAITING
            self._runs.give_back(run, phase=phase, waiting=waiting, pause_seconds=delay)
            return
        run = self._runs.record(run, show={"waiting": waiting})
        self._runs.release(run, retry_at=time.time() + delay, failures=run.failures + 1)

    def _run_again(self, run: Run, error: Permanent) -> None:
        """Another run may do better, once; a job that has had two goes fails."""
        try:
            self._hosts[run.host].delete(run.slug)
        except Transient as unreachable:
            self._postpone(run, unreachable)
            return
        for job in self._runs.jobs(run):
            # A kernel that never got a machine has cost nothing; KAVOX_MAX_WAIT_HOURS bounds that.
            if job.attempts >= _MOST_ATTEMPTS and run.running_at:
                self.fail_job(run, job, error)
        self._runs.give_back(run, phase=Phase.WAITING, waiting=None)

    def _fail(self, run: Run, error: KavoxError) -> None:
        for job in self._runs.jobs(run):
            self.fail_job(run, job, error)
        if run.step is not Step.CLAIMED and not self._settings.keep_kernels:
            self._delete_quietly(run)
        self._runs.close(run)

    def _explained(self, run: Run, error: Permanent) -> Permanent:
        """A notebook's failure with its cause, which Kaggle's own message mostly lacks."""
        if not isinstance(error, NotebookFailed):
            return error
        try:
            found = cause(self._hosts[run.host].log(run.kernel))
        except KavoxError:
            found = ""
        why = found or run.failure_message
        return NotebookFailed(f"{error.detail}; the kernel ended as {run.outcome}" + (f": {why}" if why else ""))

    def _delete_quietly(self, run: Run) -> None:
        try:
            self._hosts[run.host].delete(run.slug)
        except KavoxError as error:
            log.warning("kernel not deleted", kernel=run.ref, detail=error.detail)

    def _budget_spent(self, run: Run, error: KavoxError) -> bool:
        if time.time() - run.created_at > self._settings.max_wait_hours * 3600:
            return True
        return isinstance(error, Defect) and run.failures >= _MOST_DEFECTS

    def _delay(self, run: Run, error: KavoxError) -> float:
        base = self._settings.retry_seconds * (_QUOTA_PAUSE_FACTOR if isinstance(error, QuotaExhausted) else 1)
        longest = max(base, _LONGEST_BACKOFF_SECONDS)
        # Half of it at random, so that workers that failed together do not return together.
        return float(min(longest, base * 2**run.failures) * random.uniform(0.5, 1))  # noqa: S311  # no secret


def _typed(error: Exception) -> KavoxError:
    """The error as one of ours, so that its type can decide."""
    if isinstance(error, KavoxError):
        return error
    if isinstance(error, RedisError):
        return unavailable(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull(f"{error.filename or 'the disk'}: no space left; make room, the run waits")
    log.error("unexpected error", exc_info=error)
    return Defect(f"an error inside Kavox ({type(error).__name__}); the worker's log has it")
