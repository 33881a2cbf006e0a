"""Makes runs out of what waits in a lane."""

import time
from collections.abc import Mapping

import structlog

from app.shared.identifiers import new_id
from app.shared.job import Job
from app.shared.job_queue import JobQueue
from app.shared.provider import Provider
from app.shared.settings import Settings
from workers.batch import BatchLimits, choose
from workers.run import Run
from workers.run_store import RunStore
from workers.stopping import Stopping

log = structlog.get_logger()

DEFAULT_PREFIX = "kavox"


class Claims:
    """Claims jobs for this worker. `machine` names it to the runs that only it can carry."""

    def __init__(
        self,
        *,
        settings: Settings,
        runs: RunStore,
        queue: JobQueue,
        providers: Mapping[str, Provider],
        machine: str,
        stopping: Stopping,
    ) -> None:
        self._settings = settings
        self._runs = runs
        self._queue = queue
        self._providers = providers
        self._machine = machine
        self._stopping = stopping
        self._prefix = (settings.kernel_id or "").rpartition("/")[2] or DEFAULT_PREFIX
        self._limits = BatchLimits(settings.batch_max_items, settings.batch_max_speech_seconds)

    def next_run(self, lane: str) -> Run | None:
        """A run with the jobs at the head of the lane; None when nothing waits or no session is free."""
        provider_name, model, host = lane.split(":", 2)
        if provider_name not in self._providers:
            log.error("no manifest for the lane's provider", lane=lane)
            return None
        provider = self._providers[provider_name]
        jobs = self._gather(lane)
        if not jobs:
            return None
        run = Run(
            id=new_id(),
            lane=lane,
            provider=provider.name,
            model=model,
            host=host,
            gpu=provider.gpu and host != "local",
            prefix=self._prefix,
            machine=self._machine if host == "local" else "",
            jobs=(),
            created_at=time.time(),
            failures=self._runs.lane_failures(lane),
        )
        most = self._settings.max_sessions if run.gpu else self._settings.max_cpu_runs
        chosen = choose(jobs, self._limits)
        claimed = self._runs.claim(run, chosen, most_runs=most, engine=provider.engine.label)
        if claimed is not None:
            log.info("run claimed", run=run.id, lane=lane, jobs=len(claimed.jobs))
            if len(jobs) > len(chosen):
                self._queue.wake_lane(lane)
        return claimed

    def _gather(self, lane: str) -> list[Job]:
        """What waits in the lane, once the oldest of it has waited for company."""
        # One more than a run takes, to know whether something is left.
        most = self._limits.items + 1
        jobs = self._runs.waiting_jobs(lane, most)
        if not jobs:
            return []
        window = self._settings.batch_window_seconds
        wait = min(job.created_at for job in jobs) + window - time.time()
        if 0 < wait <= window and len(jobs) < most:
            self._stopping.sleep(wait)
            jobs = self._runs.waiting_jobs(lane, most)
        return jobs
