"""Finds what fell by the wayside, every few seconds in every worker: all of it may be done twice.

A step that fails keeps none of the others from being done, or a full disk would never be cleared.

- a run whose owner died is given to a worker again;
- a lane of a host that no worker has any more says so (`unserved.py`);
- a lane whose wake-up was lost is woken, and one that would rest for hours because the clock was set back;
- a job whose run is not open any more goes back to its lane;
- a job that has waited too long fails;
- a job that shares the synthesis of another one ends as that one did (`followers.py`);
- a lane that waits for GPU quota is looked at again;
- what has been kept for long enough is removed (`retention.py`), and what is left on the hosts (`janitor.py`).
"""

import time
from collections.abc import Callable, Mapping

import structlog
from redis import Redis
from redis.exceptions import RedisError

from app.shared import keys
from app.shared.job import JobStatus, change
from app.shared.job_queue import JobQueue
from app.shared.redis_client import is_away
from app.shared.transition import TRANSITION, transition_arguments
from workers.clock import Clock
from workers.followers import Followers
from workers.janitor import Janitor
from workers.job_index import jobs_before
from workers.kept_speech import KeptSpeech
from workers.lanes import Lanes
from workers.quota_gate import QuotaGate
from workers.retention import Retention
from workers.run_store import RunStore
from workers.unserved import Unserved

log = structlog.get_logger()

PERIOD_SECONDS = 5


class Sweep:
    """One pass is `sweep()`."""

    def __init__(
        self,
        *,
        redis: Redis,
        runs: RunStore,
        lanes: Lanes,
        queue: JobQueue,
        retention: Retention,
        janitor: Janitor,
        kept_speech: KeptSpeech,
        followers: Followers,
        quota: QuotaGate,
        unserved: Unserved,
    ) -> None:
        self._redis = redis
        self._runs = runs
        self._lanes = lanes
        self._queue = queue
        self._kept_speech = kept_speech
        self._followers = followers
        self._quota = quota
        self._unserved = unserved
        self._clock = Clock()
        self._transition = redis.register_script(TRANSITION)
        self._steps: Mapping[str, Callable[[], None]] = {
            "pauses": self._heed_clock,
            "runs": self._wake_runs,
            "rescue": self._rescue_jobs,
            "lanes": self._wake_lanes,
            "overdue": self._fail_overdue,
            "followers": self._followers.settle_all,
            "quota": self._quota.tend,
            **retention.steps(),
            "kept speech": self._kept_speech.tidy,
            **janitor.steps(),
        }

    def sweep(self) -> None:
        """Does everything that is due. Raises redis' own errors, but only where the server is away."""
        for name, step in self._steps.items():
            try:
                step()
            except RedisError as error:
                if is_away(error):
                    raise
                log.warning("a step of the sweep failed", step=name, error=str(error))
            except Exception:
                log.exception("a step of the sweep failed", step=name)

    def _heed_clock(self) -> None:
        if self._clock.set_back():
            log.warning("the clock was set back; no lane rests any longer")
            self._lanes.end_pauses()

    def _wake_runs(self) -> None:
        for run_id in self._runs.ownerless():
            self._queue.wake_run(run_id)

    def _rescue_jobs(self) -> None:
        for job_id in self._runs.rescue_jobs():
            log.warning("job rescued from a run that is not open", job=job_id)

    def _wake_lanes(self) -> None:
        for lane in self._lanes.waiting():
            self._queue.wake_lane(lane)
            self._unserved.tell(lane)

    def _fail_overdue(self) -> None:
        for job in jobs_before(self._redis, keys.QUEUED, 0):
            now = time.time()
            detail = f"the job waited for more than {_duration(job.deadline - job.created_at)} and was given up"
            error = {"code": "wait_expired", "detail": detail, "retryable": True}
            fields = change(error=error, waiting=None, finished_at=now)
            self._transition(args=transition_arguments(job.id, JobStatus.FAILED, now, fields, [JobStatus.QUEUED]))


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:g} hours" if seconds >= 3600 else f"{seconds:g} seconds"
