"""The worker process: `python -m workers.main`.

The main thread takes wake-ups from RQ and carries runs itself, without forking: RQ's work-horses outlive a killed
worker and would go on beside their successor. A second thread says that the worker lives, a third sweeps, and may have
to wait for Kaggle, a fourth delivers webhooks. SIGTERM lets a run go at its next recorded step.
"""

import signal
import sys
import threading
from functools import partial
from types import TracebackType

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import AbandonedJobError, StopRequested
from rq.job import Job

from app.shared.errors import ConfigurationError
from app.shared.job_queue import QUEUE
from app.shared.logs import set_up_logs
from app.shared.presence import ANNOUNCED_EVERY_SECONDS, announce, depart
from workers.redis_trouble import tell
from workers.runtime import Runtime, runtime
from workers.stopping import Stopping
from workers.sweep import PERIOD_SECONDS

# What a supervisor must not restart: EX_CONFIG of sysexits.h.
EXIT_CONFIGURATION = 78

log = structlog.get_logger()


# Longer than a run and all that it may wait for on its way. RQ has nobody renew the sign of life of a task under way,
# and would give one of more than seven minutes up as abandoned.
_LONGEST_TASK_SECONDS = 24 * 3600


class RunWorker(SimpleWorker):
    """RQ's worker without a child process; a stop request also reaches the run that it carries."""

    # RQ would wait for up to a minute after Redis has come back.
    max_connection_wait_time = 2.0

    def __init__(self, connection: Redis, stopping: Stopping) -> None:
        # RQ waits for a silent server for as long as the worker's entry lives, 415 s unless told otherwise.
        super().__init__(
            [Queue(QUEUE, connection=connection)],
            connection=connection,
            worker_ttl=30,
            exception_handlers=[_note_failure],
        )
        self.stopping = stopping
        self.log_job_description = False

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002  # RQ's names
        return _LONGEST_TASK_SECONDS

    def handle_warm_shutdown_request(self) -> None:
        self.stopping.request()


def main() -> int:
    """Works until it is told to stop; the exit status is 78 for a wrong setting."""
    try:
        parts = runtime()
    except ConfigurationError as error:
        sys.stderr.write(f"kavox worker: {error.detail}\n")
        return EXIT_CONFIGURATION
    set_up_logs(parts.settings.log_level, parts.name)
    log.info("worker started", hosts=list(parts.presence.hosts))
    helpers = [
        threading.Thread(target=target, name=name, daemon=True)
        for name, target in (
            ("presence", partial(_keep_announcing, parts)),
            ("sweep", partial(_keep_sweeping, parts)),
            ("couriers", parts.couriers.run),
        )
    ]
    for helper in helpers:
        helper.start()
    failures = 0
    while not parts.stopping.requested:
        _heed_signals(parts.stopping)
        failures = 0 if _work(parts) else failures + 1
        _heed_signals(parts.stopping)
        # RQ gave up, mostly because Redis is gone: each attempt comes a little later, and none at once.
        parts.stopping.wait(min(5.0, 0.5 * (1 + failures)))
    for helper in helpers:
        helper.join(timeout=2)
    return 0


def _heed_signals(stopping: Stopping) -> None:
    """RQ sets handlers of its own while it works; left in place, they would raise where nobody expects it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.request())


def _work(parts: Runtime) -> bool:
    """Takes wake-ups until a stop request or an error that RQ gives up on; False when Redis did not answer at all."""
    try:
        RunWorker(parts.rq_connection, parts.stopping).work(logging_level=None)
    except StopRequested:
        parts.stopping.request()
    except RedisError as error:
        log.warning("Redis does not answer", error=str(error))
        return False
    return True


def _note_failure(_job: Job, _kind: type[BaseException], error: BaseException, _trace: TracebackType) -> bool:
    """RQ's own line quotes the error, and is cut short for that. True: RQ goes on with its own handling."""
    # What a killed worker had under way the sweep has given to another one long before RQ misses it.
    if not isinstance(error, AbandonedJobError):
        log.error("task failed", exc_info=error)
    return True


def _keep_announcing(parts: Runtime) -> None:
    while True:
        try:
            announce(parts.redis, parts.presence)
        except RedisError as error:
            tell("sign of life not given", error)
        if parts.stopping.wait(ANNOUNCED_EVERY_SECONDS):
            break
    try:
        depart(parts.redis, parts.name)
    except RedisError as error:
        log.warning("departure not announced", error=str(error))


def _keep_sweeping(parts: Runtime) -> None:
    while True:
        try:
            parts.sweep.sweep()
        except RedisError as error:
            tell("sweep skipped", error)
        except Exception:
            log.exception("sweep failed")
        if parts.stopping.wait(PERIOD_SECONDS):
            return


if __name__ == "__main__":
    sys.exit(main())
