"""Wakes the workers through RQ, by dotted name, so that the process that enqueues needs none of their code.

RQ only carries wake-ups. Which jobs run, and which runs are open, is in Redis under our own keys: a wake-up that is
lost is replaced by the workers' sweep, and one too many finds nothing to do.
"""

import hashlib
import secrets

from redis import Redis
from rq import Queue

QUEUE = "kavox"
RUN_LANE = "workers.tasks.run_lane"
RESUME_RUN = "workers.tasks.resume_run"


class JobQueue:
    """The queue of wake-ups. Raises redis' own errors when the server does not answer."""

    def __init__(self, connection: Redis) -> None:
        self._queue = Queue(QUEUE, connection=connection)

    def wake_lane(self, lane: str) -> None:
        """Asks a worker to claim what waits in a lane."""
        self._wake(RUN_LANE, lane)

    def wake_run(self, run_id: str) -> None:
        """Asks a worker to go on with a run that nobody owns."""
        self._wake(RESUME_RUN, run_id)

    def _wake(self, task: str, subject: str) -> None:
        # The same wake-up already in the queue is enough. RQ's own `unique` would also hold one back that a dead
        # worker has taken, for as long as RQ remembers it. RQ takes only letters, digits, - and _ in a name.
        name = f"{task.rpartition('.')[2]}-{hashlib.sha256(subject.encode()).hexdigest()[:16]}"
        if any(waiting.startswith(name) for waiting in self._queue.job_ids):
            return
        # A name of its own each time: when a task ends, RQ forgets every other one with the same name.
        # A run may take hours and has deadlines of its own; RQ's would cut it at 180 s.
        self._queue.enqueue(
            task, subject, job_id=f"{name}-{secrets.token_hex(4)}", job_timeout=-1, result_ttl=0, failure_ttl=3600
        )
