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
from enum import StrEnum
from statistics import median
from typing import Any, cast

import structlog
from redis import Redis
from redis.exceptions import ResponseError

from app.shared import eta, keys
from app.shared.errors import LeaseLost
from app.shared.job import Job, JobStatus, Phase, change
from app.shared.metrics import SIZES, count, observe
from app.shared.transition import flat, transition_arguments
from workers import run_scripts
from workers.job_records import job_of
from workers.run import ENDED, SESSIONS, Run, stored

log = structlog.get_logger()

LEASE_SECONDS = 10
LONGEST_BACKOFF_SECONDS = 900
# How long a closed run can still be looked up, in seconds.
_KEPT_SECONDS = 7 * 24 * 3600
# After a quiet hour a lane's earlier failures no longer count.
_FAILURES_SECONDS = 3600
_RESCUED_AT_ONCE = 1000
_SCRIPTS = ("CLAIM", "ACQUIRE", "RENEW", "RELEASE", "RECORD", "START", "SETTLE", "GIVE_BACK", "CLOSE", "RESCUE")
# What a job shows that is part of no run.
_UNCLAIMED: dict[str, Any] = {"phase": Phase.WAITING, "progress": 0.0, "run": None, "waiting": None}


class Refused(StrEnum):
    """Why a claim came to nothing."""

    BUSY = "busy"  # as many runs are open as may be
    PAUSED = "paused"  # the lane rests after a setback
    EMPTY = "empty"  # others took the jobs


class RunStore:
    """What workers do to jobs and runs. `worker` names the owner in leases.

    Raises LeaseLost from every write to a run that another worker owns by now, and redis' own errors.
    """

    def __init__(self, redis: Redis, worker: str) -> None:
        self._redis = redis
        self._worker = worker
        self._scripts = {name: redis.register_script(getattr(run_scripts, name)) for name in _SCRIPTS}

    def jobs(self, run: Run) -> list[Job]:
        """The run's jobs that are still to be spoken."""
        return [
            job
            for job in self._jobs(run.jobs)
            if job.status is JobStatus.RUNNING and (job.run or {}).get("id") == run.id
        ]

    def canceling(self, run: Run) -> list[Job]:
        """The run's jobs that are to be cancelled."""
        return [
            job
            for job in self._jobs(run.jobs)
            if job.status is JobStatus.CANCELING and (job.run or {}).get("id") == run.id
        ]

    def asked_cancels(self, run: Run) -> set[str]:
        """Ids of jobs of the run whose callers have asked for a cancel that nobody has heeded yet."""
        return cast("set[str]", self._redis.smembers(f"{keys.RUN}{run.id}:cancels"))

    def forget_cancels(self, run: Run, job_ids: set[str]) -> None:
        """These cancels have been heeded."""
        if job_ids:
            self._redis.srem(f"{keys.RUN}{run.id}:cancels", *job_ids)

    def open_runs(self, sessions: str) -> int:
        """How many runs of this kind are open."""
        return self._redis.zcard(keys.RUNS + sessions)

    def claim(
        self, run: Run, job_ids: Sequence[str], *, most_runs: int, engine: str, floor: float = 0.0
    ) -> Run | Refused:
        """Makes the jobs the run's, and the run this worker's; or says why not.

        `floor` is the least speech given to any waiting caller, in seconds.
        """
        now = time.time()
        taken = self._scripts["CLAIM"](
            keys=[
                keys.RUN + run.id,
                f"{keys.RUN}{run.id}:lease",
                f"{keys.LANE}{run.lane}:pause",
                keys.RUNS + run.sessions,
                f"{keys.LANE}{run.lane}:busy",
                keys.RUNS + ENDED,
            ],
            args=[
                self._token(run.id), LEASE_SECONDS * 1000, most_runs, repr(now), repr(run.created_at), run.id,
                json.dumps(list(job_ids)),
                json.dumps(flat(change(phase=Phase.PUSHING, waiting=None, run=run.view(engine)))),
                json.dumps(flat(run.to_fields())), repr(floor), run.sessions,
            ],
        )  # fmt: skip
        if taken in set(Refused):
            return Refused(taken)
        observe(self._redis, "run_jobs", run.lane, value=len(json.loads(taken)), bounds=SIZES)
        return replace(run, jobs=json.loads(taken))

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

    def renew(self, run: Run) -> bool:
        """Keeps the lease alive; whether any job of the run is to be cancelled."""
        key = keys.RUN + run.id
        asked = self._write(
            "RENEW", run, [f"{key}:lease", f"{key}:cancels"], [self._token(run.id), LEASE_SECONDS * 1000]
        )
        return bool(asked)

    def release(self, run: Run, *, retry_at: float, failures: int) -> None:
        """Lets go of the run; anybody may take it over from `retry_at` on."""
        fields = json.dumps(flat(stored(retry_at=retry_at, failures=failures)))
        self._write("RELEASE", run, [f"{keys.RUN}{run.id}:lease"], [fields])

    def record(self, run: Run, show: dict[str, Any] | None = None, **fields: Any) -> Run:
        """Writes fields of the run down, and shows fields of `show` in its jobs that have not ended."""
        written, shown = json.dumps(flat(stored(**fields))), json.dumps(flat(change(**(show or {}))))
        phase = (show or {}).get("phase", "")
        kinds = [keys.RUNS + run.sessions, keys.RUNS + ENDED]
        self._write("RECORD", run, [f"{keys.RUN}{run.id}:phases", *kinds], [run.id, written, shown, phase])
        return replace(run, **fields)

    def start(self, run: Run, now: float) -> Run:
        """Writes down that the run has got a machine, and counts that as an attempt of each of its jobs."""
        if not run.running_at:
            self._write("START", run, [], [run.id, repr(now)])
        return replace(run, running_at=run.running_at or now)

    def settle(self, run: Run, job: Job, to: JobStatus, **fields: Any) -> bool:
        """Ends one job of the run; False when it had ended already."""
        now = time.time()
        ended = self._transition(run, job, to, now, change(finished_at=now, waiting=None, **fields))
        if ended:
            # An error's detail may have the engine's own words, which may quote the text.
            log.info("job ended", job=job.id, status=to, code=(fields.get("error") or {}).get("code"))
        return ended

    def put_back(self, run: Run, job: Job, **fields: Any) -> bool:
        """Puts one job of the run back into its lane; False when it had ended already."""
        return self._transition(run, job, JobStatus.QUEUED, time.time(), change(**_UNCLAIMED, **fields))

    def give_back(self, run: Run, *, waiting: dict[str, Any] | None, pause_seconds: float, failures: int) -> None:
        """Puts the jobs that have not ended back into the lane, which rests, and closes the run."""
        lane = keys.LANE + run.lane
        self._write(
            "GIVE_BACK",
            run,
            [f"{keys.RUN}{run.id}:lease", keys.RUNS + run.sessions, f"{lane}:pause", f"{lane}:failures"],
            [
                run.id, repr(time.time()), json.dumps(flat(change(**_UNCLAIMED))), int(pause_seconds * 1000),
                json.dumps(waiting), _KEPT_SECONDS, failures, _FAILURES_SECONDS,
            ],
        )  # fmt: skip

    def close(self, run: Run) -> None:
        """Ends the run; its record stays readable for a week."""
        self._write(
            "CLOSE",
            run,
            [f"{keys.RUN}{run.id}:lease", keys.RUNS + run.sessions],
            [run.id, repr(time.time()), _KEPT_SECONDS],
        )

    def learn_pace(self, run: Run, jobs: Sequence[Job]) -> None:
        """Counts how long this run took, and learns from it for the ETAs of the next ones, unless it met setbacks."""
        entered = cast("dict[str, str]", self._redis.hgetall(f"{keys.RUN}{run.id}:phases"))
        times = {phase: float(at) for phase, at in entered.items()}
        waits = {Phase.WAITING.value: median(max(0.0, run.created_at - job.created_at) for job in jobs)}
        took = waits | dict(eta.durations(run.created_at, times, time.time()))
        for phase, seconds in took.items():
            observe(self._redis, "phase_seconds", run.lane, phase, value=seconds)
        count(self._redis, "speech_seconds", run.lane, amount=sum(job.speech.estimated_seconds for job in jobs))
        if run.failures or any(job.attempts > 1 for job in jobs):
            return
        billed = float(cast("str | None", self._redis.hget(keys.RUN + run.id, "billed")) or 0)
        eta.learn(self._redis, run.lane, took, sum(job.speech.estimated_seconds for job in jobs), billed)

    def count_fault(self, run: Run, code: str) -> None:
        """Counts a setback of the run, or of one of its items."""
        count(self._redis, "faults", run.host, code)

    def count_family_failure(self, family: str) -> int:
        """How many parts of a run that was split have failed as a whole, this one included."""
        count = self._redis.incr(keys.FAMILY + family)
        self._redis.expire(keys.FAMILY + family, _KEPT_SECONDS)
        return count

    def rescue_jobs(self) -> list[str]:
        """Puts jobs back into their lanes whose run is not open any more; their ids.

        Nothing leaves such jobs behind, as every change is one script; a Redis that lost its last second may.
        """
        rescued = self._scripts["RESCUE"](
            keys=[keys.RUNS + sessions for sessions in SESSIONS],
            args=[repr(time.time()), json.dumps(flat(change(**_UNCLAIMED))), _RESCUED_AT_ONCE],
        )
        return cast("list[str]", rescued)

    def open_ids(self) -> set[str]:
        """The ids of all open runs."""
        return {
            run_id
            for sessions in SESSIONS
            for run_id in cast("list[str]", self._redis.zrange(keys.RUNS + sessions, 0, -1))
        }

    def ownerless(self) -> Iterator[str]:
        """Ids of open runs that nobody owns and that may be taken up again by now."""
        for sessions in SESSIONS:
            for run_id in cast("list[str]", self._redis.zrange(keys.RUNS + sessions, 0, -1)):
                retry_at = cast("str | None", self._redis.hget(keys.RUN + run_id, "retry_at"))
                # Nobody lets go of a run for longer than that: the clock was set back since.
                wait = json.loads(retry_at) - time.time() if retry_at is not None else 0.0
                due = retry_at is not None and not 0 < wait <= LONGEST_BACKOFF_SECONDS
                if due and not self._is_leased(run_id):
                    yield run_id

    def _is_leased(self, run_id: str) -> bool:
        """Whether the run has an owner. A lease that would last too long, after the clock was set back, is cut."""
        lease = f"{keys.RUN}{run_id}:lease"
        left = self._redis.pttl(lease)
        if left > LEASE_SECONDS * 1000:
            # An owner that lives renews it sooner than it ends.
            self._redis.pexpire(lease, LEASE_SECONDS * 1000)
        return left > 0

    def look_up(self, run_id: str) -> Run | None:
        """The run as it is recorded, whoever owns it."""
        fields = cast("dict[str, str]", self._redis.hgetall(keys.RUN + run_id))
        return Run.from_fields(fields) if fields else None

    def leave_to_sweep(self, run: Run) -> None:
        """Remembers a kernel that could not be deleted."""
        self._redis.sadd(keys.LEFTOVERS, f"{run.host}/{run.slug}")

    def _jobs(self, ids: Sequence[str]) -> list[Job]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hgetall(keys.JOB + job_id)
            found = zip(ids, pipeline.execute(), strict=True)
        return [job for job_id, fields in found if (job := job_of(self._redis, job_id, fields))]

    def _transition(self, run: Run, job: Job, to: JobStatus, now: float, fields: dict[str, str]) -> bool:
        met = self._write("SETTLE", run, [], [run.id, *transition_arguments(job.id, to, now, fields)])
        return met in {JobStatus.RUNNING, JobStatus.CANCELING}

    def _write(self, script: str, run: Run, more_keys: list[str], arguments: list[Any]) -> Any:
        try:
            return self._scripts[script](keys=[keys.RUN + run.id, *more_keys], args=[run.fence, *arguments])
        except ResponseError as error:
            if run_scripts.FENCED in str(error):
                raise LeaseLost(f"another worker owns run {run.id} by now") from None
            raise

    def _token(self, run_id: str) -> str:
        return f"{self._worker}:{run_id}"
