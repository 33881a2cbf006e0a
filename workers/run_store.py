"""Open runs in Redis: who owns them, how far they are, which jobs they carry, and how many there may be.

Three races are settled here, each by one script of `run_scripts.py`:

- two workers for one lane: a job is taken only out of `queued`, and only while the account has a session left;
- two workers for one run: the lease names one owner, and its fence turns away a former owner that wakes up late;
- an answer that was lost: claiming again with the same run id finds the jobs already taken.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from app.shared import keys
from app.shared.errors import LeaseLost
from app.shared.job import Job, JobStatus, Phase, change, from_fields
from app.shared.transition import flat, transition_arguments
from workers import run_scripts
from workers.run import SESSIONS, Run, stored

LEASE_SECONDS = 10
# How long a closed run can still be looked up, in seconds.
_KEPT_SECONDS = 7 * 24 * 3600
# After a quiet hour a lane's earlier failures no longer count.
_FAILURES_SECONDS = 3600


class RunStore:
    """What workers do to jobs and runs. `worker` names the owner in leases.

    Raises LeaseLost from every write to a run that another worker owns by now, and redis' own errors.
    """

    def __init__(self, redis: Redis, worker: str) -> None:
        self._redis = redis
        self._worker = worker
        self._scripts = {
            name: redis.register_script(getattr(run_scripts, name))
            for name in ("CLAIM", "ACQUIRE", "RENEW", "RELEASE", "RECORD", "START", "SETTLE", "GIVE_BACK", "CLOSE")
        }

    def waiting_lanes(self) -> list[str]:
        """Lanes in which jobs wait and that are not paused, the one whose next job is oldest first."""
        scores: dict[str, float] = {}
        for lane in cast("set[str]", self._redis.smembers(keys.LANES)):
            head = cast("list[tuple[str, float]]", self._redis.zrange(keys.LANE + lane, 0, 0, withscores=True))
            if head and not self._redis.exists(f"{keys.LANE}{lane}:pause"):
                scores[lane] = head[0][1]
        return sorted(scores, key=scores.__getitem__)

    def lane_failures(self, lane: str) -> int:
        """How many runs of the lane in a row came to nothing before they were pushed."""
        return int(cast("str | None", self._redis.get(f"{keys.LANE}{lane}:failures")) or 0)

    def forget_failures(self, lane: str) -> None:
        """A run of the lane has been pushed: the next one starts afresh."""
        self._redis.delete(f"{keys.LANE}{lane}:failures")

    def waiting_jobs(self, lane: str, limit: int) -> list[Job]:
        """The next jobs of a lane, in its order."""
        # Only now may the next submission ask for another wake-up: what comes later is not seen here.
        self._redis.delete(f"{keys.LANE}{lane}:woken")
        return self._jobs(cast("list[str]", self._redis.zrange(keys.LANE + lane, 0, limit - 1)))

    def jobs(self, run: Run) -> list[Job]:
        """The run's jobs that have not ended and still belong to it."""
        return [
            job
            for job in self._jobs(run.jobs)
            if not job.status.terminal and job.status is not JobStatus.QUEUED and (job.run or {}).get("id") == run.id
        ]

    def claim(self, run: Run, jobs: Sequence[Job], *, most_runs: int, engine: str) -> Run | None:
        """Makes the jobs the run's, and the run this worker's; None when none is to be had now."""
        now = time.time()
        taken = self._scripts["CLAIM"](
            keys=[
                keys.RUN + run.id,
                f"{keys.RUN}{run.id}:lease",
                f"{keys.LANE}{run.lane}:pause",
                keys.RUNS + run.sessions,
            ],
            args=[
                self._token(run.id), LEASE_SECONDS * 1000, most_runs, repr(now), repr(run.created_at), run.id,
                json.dumps([job.id for job in jobs]),
                json.dumps(flat(change(phase=Phase.PUSHING, waiting=None, run=run.view(engine)))),
                json.dumps(flat(run.to_fields())),
            ],
        )  # fmt: skip
        return None if taken in {"paused", "busy", "empty"} else replace(run, jobs=json.loads(taken))

    def acquire(self, run_id: str) -> Run | None:
        """Takes over a run that nobody owns; None when somebody does, or it is closed."""
        key = keys.RUN + run_id
        fence = self._scripts["ACQUIRE"](
            keys=[key, f"{key}:lease", *(keys.RUNS + sessions for sessions in SESSIONS)],
            args=[self._token(run_id), LEASE_SECONDS * 1000, run_id],
        )
        if fence == 0:
            return None
        return Run.from_fields(cast("dict[str, str]", self._redis.hgetall(key)))

    def reread(self, run: Run) -> Run:
        """The run as it is recorded now, under the fence that the caller holds."""
        fields = cast("dict[str, str]", self._redis.hgetall(keys.RUN + run.id))
        return replace(Run.from_fields(fields), fence=run.fence) if fields else run

    def renew(self, run: Run) -> None:
        """Keeps the lease alive."""
        self._write("RENEW", run, [f"{keys.RUN}{run.id}:lease"], [self._token(run.id), LEASE_SECONDS * 1000])

    def release(self, run: Run, *, retry_at: float, failures: int) -> None:
        """Lets go of the run; anybody may take it over from `retry_at` on."""
        fields = json.dumps(flat(stored(retry_at=retry_at, failures=failures)))
        self._write("RELEASE", run, [f"{keys.RUN}{run.id}:lease"], [fields])

    def record(self, run: Run, show: dict[str, Any] | None = None, **fields: Any) -> Run:
        """Writes fields of the run down, and shows fields of `show` in its running jobs."""
        self._write("RECORD", run, [], [json.dumps(flat(stored(**fields))), json.dumps(flat(change(**(show or {}))))])
        return replace(run, **fields)

    def start(self, run: Run) -> Run:
        """Writes down that the run has got a machine, and counts that as an attempt of each of its jobs."""
        now = time.time()
        if not run.running_at:
            self._write("START", run, [], [repr(now)])
        return replace(run, running_at=run.running_at or now)

    def settle(self, run: Run, job: Job, to: JobStatus, **fields: Any) -> bool:
        """Ends one job of the run; False when it had ended already."""
        now = time.time()
        met = self._write(
            "SETTLE", run, [], transition_arguments(job.id, to, now, change(finished_at=now, waiting=None, **fields))
        )
        return met in {JobStatus.RUNNING, JobStatus.CANCELING}

    def give_back(
        self, run: Run, *, phase: Phase, waiting: dict[str, Any], pause_seconds: float, failures: int
    ) -> None:
        """Puts the jobs that have not ended back into the lane, which rests, and closes the run."""
        fields = change(phase=phase, waiting=waiting, progress=0.0, run=None)
        lane = keys.LANE + run.lane
        self._write(
            "GIVE_BACK",
            run,
            [f"{keys.RUN}{run.id}:lease", keys.RUNS + run.sessions, f"{lane}:pause", f"{lane}:failures"],
            [
                run.id, repr(time.time()), json.dumps(flat(fields)), int(pause_seconds * 1000), phase, _KEPT_SECONDS,
                failures, _FAILURES_SECONDS,
            ],
        )  # fmt: skip

    def close(self, run: Run) -> None:
        """Ends the run; its record stays readable for a week."""
        self._write("CLOSE", run, [f"{keys.RUN}{run.id}:lease", keys.RUNS + run.sessions], [run.id, _KEPT_SECONDS])

    def ownerless(self) -> Iterator[str]:
        """Ids of open runs that nobody owns and that may be taken up again by now."""
        for sessions in SESSIONS:
            for run_id in cast("list[str]", self._redis.zrange(keys.RUNS + sessions, 0, -1)):
                retry_at = cast("str | None", self._redis.hget(keys.RUN + run_id, "retry_at"))
                due = retry_at is not None and json.loads(retry_at) <= time.time()
                if due and not self._redis.exists(f"{keys.RUN}{run_id}:lease"):
                    yield run_id

    def host_of(self, run_id: str) -> tuple[str, str, float]:
        """The run's host, the machine that it is bound to ('' for none) and the time of its creation."""
        found = cast("list[str | None]", self._redis.hmget(keys.RUN + run_id, "host", "machine", "created_at"))
        host, machine, created_at = (json.loads(value) if value else "" for value in found)
        return host, machine, float(created_at or 0)

    def leave_to_sweep(self, run: Run) -> None:
        """Remembers a kernel that could not be deleted."""
        self._redis.sadd(keys.LEFTOVERS, f"{run.host}/{run.slug}")

    def _jobs(self, ids: Sequence[str]) -> list[Job]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hgetall(keys.JOB + job_id)
            return [from_fields(fields) for fields in pipeline.execute() if fields]

    def _write(self, script: str, run: Run, more_keys: list[str], arguments: list[Any]) -> Any:
        try:
            return self._scripts[script](keys=[keys.RUN + run.id, *more_keys], args=[run.fence, *arguments])
        except ResponseError as error:
            if run_scripts.FENCED in str(error):
                raise LeaseLost(f"another worker owns run {run.id} by now") from None
            raise

    def _token(self, run_id: str) -> str:
        return f"{self._worker}:{run_id}"
