"""What becomes of a run whose step raised an error. Only the error's type decides.

    Interrupted                       the worker is stopping: let go at once, another goes on from the recorded step
    Transient, CredentialsRejected    nothing was pushed: the jobs go back to their lane, which rests
                                      something was pushed: let go of the run, to be taken up after a backoff
    InputsMissing                     like Transient, but soon the jobs whose inputs they are fail
    KernelTimedOut, KernelNotFound    the kernel is deleted; its jobs run once more, then fail
    NotebookFailed                    before it spoke: its jobs run once more, then fail
                                      while it spoke: its jobs run again in halves, until the bad one is found
    any other Permanent               its jobs fail, the kernel is deleted
    anything else                     a defect of ours: like Transient, but only a few times

Nothing is retried for ever: a job older than KAVOX_MAX_WAIT_HOURS fails at its next setback.
"""

import errno
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from redis.exceptions import RedisError

from app.shared.errors import (
    AskedToWait,
    CredentialsRejected,
    Defect,
    InputsMissing,
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
from app.shared.job import Job
from app.shared.redis_client import is_outage, unavailable
from app.shared.settings import Settings
from workers.diagnosis import Diagnosis, diagnose, failure
from workers.kernel import KernelHost
from workers.quota_gate import QuotaGate
from workers.run import Run, Step
from workers.run_logs import RunLogs
from workers.run_store import LONGEST_BACKOFF_SECONDS, RunStore
from workers.stopping import Interrupted
from workers.verdicts import Verdicts

log = structlog.get_logger()

# Full, out of quota, beyond a file's largest size, mounted read-only as after a defect, not ours to write to.
_DISK_TROUBLES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES}
# How often a defect of ours is tried again before its jobs fail.
_MOST_DEFECTS = 5
# How often a kernel is taken without its inputs before their jobs fail: each time costs the start of a session.
_MOST_WITHOUT_INPUTS = 2
# How many runs a job may be part of that got a machine and came to nothing.
_MOST_ATTEMPTS = 2
# How many parts of a run that was split may fail: two bad items among a hundred are found within it.
_MOST_PARTS = 16


class Setbacks:
    """Meets errors on behalf of the pipeline. Raises LeaseLost and redis' errors like the store that it writes to."""

    def __init__(
        self,
        *,
        settings: Settings,
        runs: RunStore,
        hosts: Mapping[str, KernelHost],
        verdicts: Verdicts,
        logs: RunLogs,
        quota: QuotaGate,
    ) -> None:
        self._settings = settings
        self._runs = runs
        self._hosts = hosts
        self._verdicts = verdicts
        self._logs = logs
        self._quota = quota

    def meet(self, run: Run, error: Exception) -> None:
        """Decides what becomes of the run and its jobs, and lets go of the run in any case."""
        try:
            self._decide(self._runs.reread(run), error)
        except (LeaseLost, RedisError):
            raise
        except Exception:
            # The last resort, so that a run whose setback met a defect does not come back at once, for ever.
            log.exception("setback not met")
            self._runs.release(run, retry_at=time.time() + LONGEST_BACKOFF_SECONDS, failures=run.failures + 1)

    def _decide(self, run: Run, error: Exception) -> None:
        if isinstance(error, Interrupted):
            self._runs.release(run, retry_at=0, failures=run.failures)
            return
        trouble = _typed(error)
        self._runs.count_fault(run, trouble.code)
        log.warning("setback", step=run.step, code=trouble.code, detail=trouble.detail)
        if isinstance(trouble, Defect):
            run = self._runs.record(run, defects=run.defects + 1)
        if isinstance(trouble, KernelTimedOut | KernelNotFound):
            self._run_again(run, trouble)
        elif isinstance(trouble, NotebookFailed):
            self._find_culprit(run, trouble)
        elif _is_final(trouble, run):
            self._fail(run, trouble)
        else:
            if isinstance(trouble, InputsMissing) and run.failures >= _MOST_WITHOUT_INPUTS:
                self._fail_jobs_with(run, trouble)
            self._postpone(run, trouble)

    def _postpone(self, run: Run, error: KavoxError) -> None:
        if not self._jobs_in_time(run, error) and not self._young(self._runs.canceling(run)):
            self._fail(run, error)
            return
        delay = self._delay(run, error)
        waiting = _waiting(error, delay)
        if isinstance(error, QuotaExhausted):
            waiting, delay = self._quota.refused(error)
        if run.step is Step.CLAIMED:
            # Sessions and quota that are taken are nobody's failure.
            failures = 0 if isinstance(error, SessionsTaken | QuotaExhausted) else run.failures + 1
            self._runs.give_back(run, waiting=waiting, pause_seconds=delay, failures=failures)
            return
        run = self._runs.record(run, show={"waiting": waiting})
        self._runs.release(run, retry_at=time.time() + delay, failures=run.failures + 1)

    def _fail_jobs_with(self, run: Run, error: InputsMissing) -> None:
        """The host does not attach these inputs, and will not: the run's other jobs go on without them."""
        slugs = {name.rpartition("/")[2] for name in error.inputs}
        cloned = [(job, job.speech.reference["voice"]) for job in self._runs.jobs(run) if job.speech.reference]
        meant = [job for job, voice in cloned if any(slug.endswith(voice) for slug in slugs)]
        # Under names that are none of theirs, any of them may be meant.
        for job in meant or [job for job, _ in cloned]:
            self._verdicts.fail_job(run, job, error)

    def _run_again(self, run: Run, error: Permanent) -> None:
        """Another run may do better, once; a job that has had two goes fails."""
        self._logs.keep(run, self._hosts[run.host])
        try:
            self._hosts[run.host].delete(run.slug)
        except KavoxError as undeleted:
            # It would run on beside its successor.
            self._postpone(run, undeleted)
            return
        self._give_back(run, error)

    def _give_back(self, run: Run, error: Permanent) -> None:
        """Its jobs go again, but for those that have had two goes."""
        for job in self._jobs_in_time(run, error):
            if job.attempts >= _MOST_ATTEMPTS:
                self._verdicts.fail_job(run, job, error)
        delay = self._delay(run, error)
        waiting = _waiting(error, delay)
        self._runs.give_back(run, waiting=waiting, pause_seconds=delay, failures=run.failures + 1)

    def _find_culprit(self, run: Run, error: NotebookFailed) -> None:
        """Only a notebook that had begun to speak can have died of one of its items."""
        found = self._diagnosis(run)
        one_caller = len({job.caller for job in self._runs.jobs(run)}) == 1
        error = failure(error, found, outcome=run.outcome, message=run.failure_message, quote=one_caller)
        jobs = self._jobs_in_time(run, error)
        self._verdicts.remove_kernel(run)
        unknown = found.phase_reached is None and any(job.attempts >= _MOST_ATTEMPTS for job in jobs)
        if not found.reached_items and not unknown:
            self._give_back(run, error)
            return
        if len(jobs) == 1:
            self._verdicts.fail_item(run, jobs[0], error)
        elif jobs:
            self._split(run, jobs, error)
        self._runs.close(run)

    def _split(self, run: Run, jobs: list[Job], error: NotebookFailed) -> None:
        """Two runs with half of the jobs each; once too many parts have failed, it is not the fault of one item."""
        family = jobs[0].group.partition("/")[0] or run.id
        failed = self._runs.count_family_failure(family)
        log.warning("run split", jobs=len(jobs), family=family, failed=failed)
        for number, job in enumerate(jobs):
            if failed > _MOST_PARTS:
                self._verdicts.fail_job(run, job, error)
            else:
                self._runs.put_back(run, job, group=f"{family}/{failed}{'ab'[2 * number // len(jobs)]}")

    def _fail(self, run: Run, error: KavoxError) -> None:
        if run.pushed_at:
            # Kept before the jobs fail: a failed job's log is there.
            self._logs.keep(run, self._hosts[run.host])
        for job in self._runs.jobs(run):
            self._verdicts.fail_job(run, job, error)
        if run.step is not Step.CLAIMED:
            self._verdicts.remove_kernel(run)
        self._runs.close(run)

    def _jobs_in_time(self, run: Run, error: KavoxError) -> list[Job]:
        """The run's jobs that may still wait; the others fail."""
        jobs = self._runs.jobs(run)
        young = self._young(jobs)
        for job in jobs:
            if job not in young:
                self._verdicts.fail_job(run, job, error)
        return young

    def _young(self, jobs: list[Job]) -> list[Job]:
        oldest = time.time() - self._settings.max_wait_hours * 3600
        return [job for job in jobs if job.created_at >= oldest]

    def _diagnosis(self, run: Run) -> Diagnosis:
        """What the run's log tells, which Kaggle's own message mostly does not."""
        found = diagnose(self._logs.keep(run, self._hosts[run.host]))
        if run.host == "local":
            # Nobody's image but this machine's own.
            found = replace(found, image_changed=False, remedy="")
        return found

    def _delay(self, run: Run, error: KavoxError) -> float:
        """Seconds until the next attempt, a part of them at random, so that workers do not return together."""
        base = self._settings.retry_seconds
        if not isinstance(error, SessionsTaken):
            base = min(LONGEST_BACKOFF_SECONDS, base * 2 ** min(run.failures, 10))
        asked = (error.retry_after or 0.0) if isinstance(error, AskedToWait) else 0.0
        return max(min(asked, LONGEST_BACKOFF_SECONDS), base * random.uniform(0.5, 1))  # noqa: S311  # no secret


def _is_final(trouble: KavoxError, run: Run) -> bool:
    """Whether another attempt would be in vain."""
    if isinstance(trouble, Permanent):
        # A person can mend these while the jobs wait.
        return not isinstance(trouble, CredentialsRejected)
    # Before the push each attempt is a run of its own, and only its lane counts them.
    attempts = run.failures if run.step is Step.CLAIMED else run.defects
    return isinstance(trouble, Defect) and attempts >= _MOST_DEFECTS


def _waiting(error: KavoxError, delay: float) -> dict[str, Any]:
    """What the jobs of a lane that rests show."""
    return {"code": error.code, "detail": error.advice, "retry_at": time.time() + delay}


def _typed(error: Exception) -> KavoxError:
    """The error as one of ours, so that its type can decide."""
    if isinstance(error, KavoxError):
        return error
    if isinstance(error, RedisError) and is_outage(error):
        return unavailable(error)
    if isinstance(error, OSError) and error.errno in _DISK_TROUBLES:
        return StorageFull(f"{error.filename or 'the disk'}: {error.strerror}; make room, the run waits")
    log.error("unexpected error", exc_info=error)
    return Defect(f"an error inside Kavox ({type(error).__name__}); the worker's log has it")
