"""What is left on a host that no worker has any more, as when a token came, or went, and the service was restarted.

    a run that was not pushed yet              its jobs go back to their lane, which says what it waits for
    jobs that are cancelled                    end as soon as the host has been silent for a minute
    a run on the emulator                      fails then too: nothing is lost but what can be spoken again
    a run on Kaggle                            fails once the host was silent for longer than the run may take: until
                                               then credentials may come back, and with them what was paid for

A kernel that is given up is deleted by the sweep of whoever has its host again.
"""

import time
from collections.abc import Collection

import structlog
from redis import Redis

from app.shared.errors import CancelFailed, HostGone, LeaseLost
from app.shared.job import JobStatus
from app.shared.presence import MACHINE_SECONDS, silence_of
from app.shared.settings import Settings
from workers.lanes import Lanes
from workers.run import Run, Step
from workers.run_store import RunStore
from workers.verdicts import Verdicts

log = structlog.get_logger()

# After the longest that the run may take, for a person to see what has become of it.
_GRACE_SECONDS = 600


class Unserved:
    """`hosts` are this worker's own. Raises redis' own errors."""

    def __init__(
        self,
        *,
        redis: Redis,
        runs: RunStore,
        lanes: Lanes,
        verdicts: Verdicts,
        hosts: Collection[str],
        settings: Settings,
    ) -> None:
        self._redis = redis
        self._runs = runs
        self._lanes = lanes
        self._verdicts = verdicts
        self._hosts = hosts
        self._settings = settings

    def tell(self, lane: str) -> None:
        """Lets jobs that wait for a host that is gone say so; they may wait for it, or be cancelled."""
        host = lane.split(":", 2)[2]
        if host not in self._hosts and silence_of(self._redis, host) > MACHINE_SECONDS:
            gone = HostGone(f"no worker of this service can run on '{host}' any more")
            self._lanes.note_busy(lane, {"code": gone.code, "detail": gone.advice, "retry_at": None})

    def give_up(self, run: Run) -> None:
        """Ends a run that nobody owns and whose host nobody has, when it has been waited for for long enough."""
        silence = silence_of(self._redis, run.host)
        if silence <= MACHINE_SECONDS:
            return
        is_due = silence > self._patience(run)
        acquired = self._runs.acquire(run.id) if is_due or self._runs.canceling(run) else None
        if acquired is None:
            return
        with structlog.contextvars.bound_contextvars(run=run.id):
            try:
                if is_due:
                    self._end(acquired)
                else:
                    self._let_go(acquired)
            except LeaseLost as lost:
                log.warning("run left to its new owner", reason=lost.detail)

    def _patience(self, run: Run) -> float:
        """For how many seconds of silence the run is left open."""
        if run.host != "kaggle" or run.step is Step.CLAIMED or not self._runs.jobs(run):
            return MACHINE_SECONDS
        return run.timeout_seconds(self._settings.run_timeout_minutes) + _GRACE_SECONDS

    def _let_go(self, run: Run) -> None:
        """The run waits on for the others."""
        for job in self._runs.canceling(run):
            self._runs.settle(run, job, JobStatus.CANCELED)
        self._runs.release(run, retry_at=0, failures=run.failures)

    def _end(self, run: Run) -> None:
        log.warning("run given up: no worker has its host", host=run.host, step=run.step)
        if run.step is Step.CLAIMED:
            self._runs.give_back(run, waiting=None, pause_seconds=0, failures=run.failures)
            return
        if run.step is not Step.ENDED:
            run = self._runs.record(run, step=Step.ENDED, ended_at=self._end_of_session(run))
            for job in self._runs.canceling(run):
                error = CancelFailed(f"no worker can run on '{run.host}' any more, so its kernel was not stopped")
                self._verdicts.fail_job(run, job, error)
        for job in self._runs.jobs(run):
            self._verdicts.fail_job(run, job, HostGone(f"it was spoken on '{run.host}', which no worker has any more"))
        if not self._settings.keep_kernels:
            self._runs.leave_to_sweep(run)
        self._runs.close(run)

    def _end_of_session(self, run: Run) -> float:
        """Nobody has seen it: now, or when the host has certainly ended it."""
        longest = run.timeout_seconds(self._settings.run_timeout_minutes)
        return min(time.time(), run.running_at + longest) if run.running_at else time.time()
