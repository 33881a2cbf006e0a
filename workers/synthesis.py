"""The road from waiting jobs to published audio, as five steps. The file to read first.

    claim     takes what waits in a lane and writes a run down
    inject    puts the run's items into a copy of the provider's notebook, and their recordings where it will find them
    push      writes down that it will push, then hands the notebook to the host
    follow    polls the kernel until its session is over
    publish   fetches result.json and the wavs that it names, checks them, ends each job

Each step ends by recording itself, so that any worker can go on after a crash. What becomes of a run whose step raised
an error is in `setbacks.py`.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from app.shared.errors import CredentialsRejected, HostUnreachable, InputsMissing, LeaseLost, PushUncertain, Transient
from app.shared.job import Phase
from app.shared.job_queue import JobQueue
from app.shared.provider import Provider
from app.shared.run_parameters import run_parameters
from app.shared.settings import Settings
from workers.cancels import Cancels
from workers.claim import Claims
from workers.kernel import Kernel, KernelHost, KernelState, Push
from workers.lanes import Lanes
from workers.lease import Lease
from workers.log_follower import LogFollower
from workers.notebook import inject
from workers.publishing import Publisher
from workers.references import Recordings, References
from workers.run import Run, Step
from workers.run_store import LEASE_SECONDS, RunStore
from workers.setbacks import Setbacks
from workers.stopping import Interrupted, Stopping
from workers.unserved import Unserved
from workers.verdicts import Verdicts
from workers.watch import Watch

log = structlog.get_logger()

_ABANDONED_SECONDS = 600  # after its deadline: a local run that its own machine has not ended is then anybody's

# How many polls in short order follow the end of a session's log.
_STALE_POLLS = 24


class Synthesis:
    """Carries runs along the five steps; a stop request ends it at the next recorded one."""

    def __init__(
        self,
        *,
        settings: Settings,
        runs: RunStore,
        lanes: Lanes,
        queue: JobQueue,
        providers: Mapping[str, Provider],
        hosts: Mapping[str, KernelHost],
        recordings: Recordings,
        claims: Claims,
        cancels: Cancels,
        setbacks: Setbacks,
        verdicts: Verdicts,
        publisher: Publisher,
        unserved: Unserved,
        machine: str,
        is_gone: Callable[[str], bool],
        stopping: Stopping,
    ) -> None:
        """`machine` is this one; `is_gone` says of another whether its runs, and the notebooks there, are lost."""
        self._settings = settings
        self._runs = runs
        self._lanes = lanes
        self._queue = queue
        self._providers = providers
        self._hosts = hosts
        self._recordings = recordings
        self._claims = claims
        self._cancels = cancels
        self._setbacks = setbacks
        self._verdicts = verdicts
        self._publisher = publisher
        self._unserved = unserved
        self._machine = machine
        self._is_gone = is_gone
        self._stopping = stopping

    def run_lane(self, lane: str) -> None:
        """Claims what waits in the lane, if a session is free, and carries it to its end."""
        try:
            run = self.claim(lane)
        except Interrupted:
            return
        if run is not None:
            self._carry(run)

    def resume(self, run_id: str) -> None:
        """Takes over a run that nobody owns, if it can be carried from here, and goes on from its recorded step."""
        run = self._runs.look_up(run_id)
        if run is None:
            return
        if run.host not in self._hosts:
            self._unserved.give_up(run)
            return
        abandoned = (
            time.time() - run.created_at > run.timeout_seconds(self._settings.run_timeout_minutes) + _ABANDONED_SECONDS
        )
        if run.machine not in {"", self._machine} and not abandoned and not self._is_gone(run.machine):
            return
        run = self._runs.acquire(run_id)
        if run is not None:
            log.info("run resumed", run=run.id, step=run.step)
            self._carry(run)

    def _carry(self, run: Run) -> None:
        with structlog.contextvars.bound_contextvars(run=run.id), Lease(self._runs, run) as lease:
            try:
                self._go_on(run, lease)
            except LeaseLost as lost:
                log.warning("run left to its new owner", reason=lost.detail)
        self._wake_lanes()

    def _wake_lanes(self) -> None:
        """A session may be free now: whoever waits for one should hear of it at once."""
        for lane in self._lanes.waiting():
            self._queue.wake_lane(lane)

    def _go_on(self, run: Run, lease: Lease) -> None:
        """The remaining steps. Whatever goes wrong on the way, no job may be lost: setbacks decides."""
        try:
            if run.step is Step.PUSHING:
                run = self.look_for_kernel(run, lease)
            if run.step is Step.CLAIMED:
                with self._references(run, lease) as references:
                    # Asked after what may have taken minutes: nobody may want it any more.
                    if not self._runs.jobs(run):
                        self._runs.close(run)
                        return
                    run = self.push(run, self.inject(run), references, lease)
            if run.step is Step.PUSHED:
                run = self.follow(run, lease)
            if run.step is Step.ENDED:
                self.publish(run, lease)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001
            self._setbacks.meet(run, error)

    # claim

    def claim(self, lane: str) -> Run | None:
        """The run whose turn it is, of this lane or one that shares its sessions; None when none is to be had."""
        return self._claims.next_run(lane)

    # inject

    def inject(self, run: Run) -> str:
        """The notebook's source for this run. The same run gives the same bytes."""
        provider = self._providers[run.provider]
        parameters = run_parameters(run.id, self._runs.jobs(run), provider, model=run.model, host=run.host)
        return inject(self._settings.notebooks_dir / f"{run.provider}.ipynb", parameters)

    @contextmanager
    def _references(self, run: Run, lease: Lease) -> Iterator[References]:
        """The recordings that the run's jobs speak like; a job whose recording cannot be had fails alone."""
        jobs = self._runs.jobs(run)
        with self._recordings.gathered(run.host, jobs, self._pause(lease)) as references:
            for job, error in references.refused:
                self._verdicts.fail_job(run, job, error)
            if references.refused and len(references.refused) == len(jobs):
                raise references.refused[0][1]
            yield references

    # push

    def push(self, run: Run, notebook: str, references: References, lease: Lease) -> Run:
        """Hands the notebook over exactly once, and records the kernel."""
        lease.check()
        not_after = time.monotonic() + min(LEASE_SECONDS, self._settings.push_timeout)
        sha256 = hashlib.sha256(notebook.encode()).hexdigest()
        # Written down first: from here on the kernel may exist, whatever happens to this worker.
        run = self._runs.record(run, step=Step.PUSHING, pushing_at=time.time(), notebook_sha256=sha256)
        try:
            kernel = self._hosts[run.host].push(self._push(run, notebook, references, not_after))
        except PushUncertain as doubt:
            log.warning("push uncertain", reason=doubt.detail)
            run = self.look_for_kernel(run, lease)
            if run.step is Step.CLAIMED:
                raise HostUnreachable(f"the push did not arrive ({doubt.detail})") from doubt
            return run
        except (Transient, CredentialsRejected) as error:
            if isinstance(error, InputsMissing):
                # It would run in vain, and cannot be deleted before it can be seen.
                self._watch(run).find_pushed(run, self._pause(lease))
                self._hosts[run.host].delete(run.slug)
            self._runs.record(run, step=Step.CLAIMED)
            raise
        return self._accepted(run, kernel)

    def look_for_kernel(self, run: Run, lease: Lease) -> Run:
        """What has become of a push: the run with its kernel, or as it was before when none has arrived for certain."""
        kernel = self._watch(run).find_pushed(run, self._pause(lease))
        return self._accepted(run, kernel) if kernel else self._runs.record(run, step=Step.CLAIMED)

    def _accepted(self, run: Run, kernel: Kernel) -> Run:
        log.info("kernel accepted", kernel=kernel.ref, version=kernel.version)
        self._lanes.forget_failures(run.lane)
        fields = {"version": kernel.version, "ref": kernel.ref, "url": kernel.url, "failures": 0}
        return self._show_run(run, Phase.KERNEL_QUEUED, step=Step.PUSHED, pushed_at=time.time(), **fields)

    def _push(self, run: Run, notebook: str, references: References, not_after: float) -> Push:
        provider = self._providers[run.provider]
        return Push(
            slug=run.slug,
            notebook=notebook,
            gpu=run.gpu,
            machine_shape=provider.machine_shape if run.gpu else None,
            timeout_seconds=max(1, int(run.timeout_seconds(self._settings.run_timeout_minutes))),
            environment=provider.environment,
            datasets=references.datasets,
            references=references.files,
            not_after=not_after,
        )

    # follow

    def follow(self, run: Run, lease: Lease) -> Run:
        """Polls until the session has ended, and shows meanwhile how far it is."""
        watch = self._watch(run)
        shortest, longest = self._settings.polling
        gap, hurry_until = shortest, 0.0
        with LogFollower(self._hosts[run.host], run.kernel) as follower:
            while True:
                lease.check()
                if lease.cancels.is_set() and self._cancels.heed(run, lease):
                    canceled = KernelState.CANCELED.value
                    return self._runs.record(run, step=Step.ENDED, outcome=canceled, ended_at=time.time())
                run, status = watch.read(run)
                if status.state.ended:
                    break
                if status.state is KernelState.RUNNING:
                    follower.start()
                if (news := follower.news()) is not None:
                    self._runs.record(run, show={"phase": news.phase, "progress": round(news.fraction, 3)})
                self._stopping.sleep(max(gap, min(status.retry_after or 0, longest)), follower.ended, lease.cancels)
                if follower.ended.is_set():
                    # The status comes after the log's end, sometimes long after.
                    hurry_until = time.monotonic() + _STALE_POLLS * shortest
                    follower.ended.clear()
                gap = shortest if time.monotonic() < hurry_until else min(longest, gap * 1.5)
        log.info("kernel ended", outcome=status.state.value)
        fields = {"outcome": status.state.value, "failure_message": status.message, "ended_at": time.time()}
        run = self._show_run(run, Phase.DOWNLOADING, step=Step.ENDED, **fields)
        self._wake_lanes()
        return run

    # publish

    def publish(self, run: Run, lease: Lease) -> None:
        """Gives each job its own audio or its own error, then removes the kernel."""
        self._publisher.publish(run, self._hosts[run.host], lease)

    # shared by the steps

    def _watch(self, run: Run) -> Watch:
        return Watch(self._hosts[run.host], self._runs, self._settings)

    def _pause(self, lease: Lease) -> Callable[[], None]:
        """What to do between two looks at a host."""

        def pause() -> None:
            lease.check()
            self._stopping.sleep(self._settings.polling[0])

        return pause

    def _show_run(self, run: Run, phase: Phase, **fields: object) -> Run:
        """Records fields of the run, and what of them its jobs show."""
        shown = {
            "phase": phase,
            "waiting": None,
            "run": run.with_fields(**fields).view(self._providers[run.provider].engine.label),
        }
        return self._runs.record(run, show=shown, **fields)
