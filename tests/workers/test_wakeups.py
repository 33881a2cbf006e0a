"""RQ's own books of the tasks under way, which decide nothing, and must not cry wolf."""

import time

from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry
from structlog.testing import capture_logs

from app.shared.job_queue import QUEUE, JobQueue
from app.shared.redis_client import connect_for_queue, connect_for_rq_worker
from workers.main import RunWorker
from workers.run import LONGEST_SESSION_SECONDS
from workers.stopping import Stopping


def under_way(worker: RunWorker, url: str) -> Job:
    """A task that the worker has taken and not ended."""
    JobQueue(connect_for_queue(url)).wake_run("a-run")
    (job,) = Queue(QUEUE, connection=worker.connection).jobs
    worker.prepare_execution(job)
    worker.prepare_job_execution(job)
    return job


def test_a_long_run_is_not_taken_for_abandoned(redis: Redis, redis_url: str) -> None:
    """Another worker that looks after RQ's books while the longest of sessions is under way leaves it alone."""
    assert redis.dbsize() == 0
    worker = RunWorker(connect_for_rq_worker(redis_url), Stopping())
    job = under_way(worker, redis_url)
    StartedJobRegistry(QUEUE, connection=worker.connection).cleanup(time.time() + LONGEST_SESSION_SECONDS + 3600)
    assert job.get_status() is JobStatus.STARTED


def test_what_a_killed_worker_had_under_way_is_no_error(redis: Redis, redis_url: str) -> None:
    """RQ misses it in the end and puts it away, when the sweep has given its run to another worker long before."""
    assert redis.dbsize() == 0
    job = under_way(RunWorker(connect_for_rq_worker(redis_url), Stopping()), redis_url)
    other = RunWorker(connect_for_rq_worker(redis_url), Stopping())
    books = StartedJobRegistry(QUEUE, connection=other.connection)
    # As if a day had passed.
    (entry,) = redis.zrange(books.key, 0, -1)
    redis.zadd(books.key, {str(entry): 1})
    with capture_logs() as lines:
        other.run_maintenance_tasks()  # type: ignore[no-untyped-call]
    assert job.get_status() is JobStatus.FAILED
    assert [line for line in lines if line["log_level"] == "error"] == []
