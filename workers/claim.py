"""Makes runs out of what waits in the lanes."""

import time
from collections.abc import Collection, Mapping

import structlog

from app.shared.capacity import Capacity
from app.shared.errors import SessionsTaken
from app.shared.identifiers import new_id
from app.shared.job_queue import JobQueue
from app.shared.provider import Provider
from app.shared.settings import Settings
from workers.batch import BatchLimits, choose, floor_of
from workers.lanes import Lanes, Queues
from workers.quota_gate import QuotaGate
from workers.run import Run
from workers.run_store import Refused, RunStore
from workers.stopping import Stopping

log = structlog.get_logger()


class Claims:
    """Claims jobs for this worker: those of `hosts`, and of the local host those of `local_providers`.

    `machine` names it to the runs that only it can carry.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        runs: RunStore,
        lanes: Lanes,
        queue: JobQueue,
        providers: Mapping[str, Provider],
        hosts: Collection[str],
        local_providers: Collection[str],
        machine: str,
        stopping: Stopping,
        quota: QuotaGate,
    ) -> None:
        self._settings = settings
        self._runs = runs
        self._lanes = lanes
        self._queue = queue
        self._providers = providers
        self._hosts = hosts
        self._local_providers = local_providers
        self._machine = machine
        self._stopping = stopping
        self._quota = quota
        self._capacity = Capacity(settings, providers)
        self._limits = BatchLimits(settings.batch_max_items, settings.batch_max_speech_seconds)

    def next_run(self, lane: str) -> Run | None:
        """The run whose turn it is among the lanes that share sessions with this one; None when none is to be had."""
        if not self._is_ours(lane):
            # Another worker has its packages, host or manifest; the sweep wakes the lane until that one takes it.
            log.debug("lane left to another worker", lane=lane, hosts=sorted(self._hosts))
            return None
        if self._capacity.kind(lane) == "gpu":
            self._quota.new_jobs(lane)
        rivals = self._rivals(lane)
        if self._waits_for_quota(lane, rivals):
            return None
        for turn, candidate in enumerate(rivals):
            claimed = self._claim(candidate, rivals=len(rivals) - turn)
            if isinstance(claimed, Run):
                log.info("run claimed", run=claimed.id, lane=candidate, jobs=claimed.jobs)
                # There may be more in it, another session free, or another lane that this wake-up was meant for.
                for waiting in self._rivals(lane):
                    self._queue.wake_lane(waiting)
                return claimed
            if claimed is Refused.BUSY:
                self._note_busy(rivals[turn:])
                return None
        return None

    def _rivals(self, lane: str) -> list[str]:
        """The waiting lanes that this worker could carry and that count against the same limit, in order of turn."""
        return [
            other
            for other in self._lanes.waiting()
            if self._is_ours(other) and self._capacity.kind(other) == self._capacity.kind(lane)
        ]

    def _claim(self, lane: str, rivals: int) -> Run | Refused:
        name, model, host = lane.split(":", 2)
        provider, kind = self._providers[name], self._capacity.kind(lane)
        run = Run(
            id=new_id(),
            lane=lane,
            provider=provider.name,
            model=model,
            host=host,
            gpu=kind == "gpu",
            own_gpu=kind == "own_gpu",
            prefix=self._settings.kernel_prefix,
            machine=self._machine if host == "local" else "",
            jobs=(),
            created_at=time.time(),
            failures=self._lanes.failures(lane),
        )
        free = self._capacity.runs_at_once(kind) - self._runs.open_runs(kind)
        if free <= 0:
            return Refused.BUSY
        # The other lanes want sessions too.
        sessions = max(1, free - rivals + 1)
        # Enough to fill them all: only so is one session's share known.
        queues = self._gather(lane, self._limits.items * sessions)
        chosen = choose(queues.by_caller, queues.served, self._limits, now=time.time(), sessions=sessions)
        if not chosen:
            return Refused.EMPTY
        return self._runs.claim(
            run.with_fields(speech_seconds=sum(job.seconds for job in chosen)),
            [job.id for job in chosen],
            most_runs=self._capacity.runs_at_once(kind),
            engine=provider.engine.label,
            floor=floor_of(queues.by_caller, queues.served),
        )

    def _gather(self, lane: str, most: int) -> Queues:
        """The first jobs of each caller in the lane, once the oldest of it has waited for company."""
        queues = self._lanes.queues(lane, most)
        window = self._settings.batch_window_seconds
        wait = min((job.created_at for job in queues.jobs), default=0.0) + window - time.time()
        if 0 < wait <= window and sum(1 for _ in queues.jobs) < most:
            self._stopping.sleep(wait)
            queues = self._lanes.queues(lane, most)
        return queues

    def _waits_for_quota(self, lane: str, rivals: list[str]) -> bool:
        """Whether there is a GPU session for these lanes, and no quota to spend in it."""
        kind = self._capacity.kind(lane)
        if kind != "gpu" or not rivals or self._runs.open_runs(kind) >= self._capacity.runs_at_once(kind):
            return False
        return self._quota.is_shut(rivals)

    def _note_busy(self, lanes: list[str]) -> None:
        """Lets the jobs say why they wait."""
        busy = SessionsTaken("all sessions are busy; the job goes with one of the next runs")
        for lane in lanes:
            self._lanes.note_busy(lane, {"code": busy.code, "detail": busy.detail, "retry_at": None})

    def _is_ours(self, lane: str) -> bool:
        name, _, host = lane.split(":", 2)
        has_packages = host != "local" or name in self._local_providers
        return name in self._providers and host in self._hosts and has_packages
