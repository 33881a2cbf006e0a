"""Looks at one run's kernel and knows what to believe: which denials count, what says nothing, what is late.

A machine's clock may be set forwards or backwards by hours while a run is under way. What one watch measures it
measures by a clock that nobody sets; only what an earlier owner of the run wrote down it takes from the wall's.
"""

import time
from collections.abc import Callable

from app.shared.errors import HostUnreachable, KernelNotFound, KernelTimedOut, PushRefused
from app.shared.settings import Settings
from workers.kernel import Kernel, KernelHost, KernelState, KernelStatus
from workers.run import Run
from workers.run_store import RunStore


class Watch:
    """The eyes of the pipeline on one host. Writes down what it has learnt of the run."""

    def __init__(self, host: KernelHost, runs: RunStore, settings: Settings) -> None:
        self._host = host
        self._runs = runs
        self._settings = settings
        self._began, self._monotonic = time.time(), time.monotonic()
        self._readable_at = self._began

    def find_pushed(self, run: Run, pause: Callable[[], None]) -> Kernel | None:
        """The kernel of a push whose fate is unknown; None once it is certain that it was not accepted.

        Calls `pause` between two looks. Raises HostUnreachable when nothing is certain after all that time.
        """
        # The push may still be on its way until its own time-out, and its kernel then stay invisible for a while.
        visibility = self._settings.push_visibility
        longest = self._settings.push_timeout + visibility
        first_look = self._now()
        while True:
            asked_at = self._now()
            # By a clock that was set forwards since the push it would be time at once, by one set backwards never.
            looked = asked_at - first_look
            due = asked_at - run.pushing_at >= longest
            believable = looked >= (visibility if due else longest)
            try:
                kernel = self._host.find(run.slug)
                if kernel is not None or believable:
                    return kernel
            except HostUnreachable:
                if believable:
                    raise
            pause()

    def read(self, run: Run) -> tuple[Run, KernelStatus]:
        """The run and its kernel's status, after all checks that a reading allows.

        Raises KernelNotFound, KernelTimedOut, and PushRefused for a kernel that others could read.
        """
        status = self._host.status(run.kernel)
        if status.state is KernelState.UNREADABLE:
            self._expect_kernel(run, status)
            return run, status
        self._readable_at = self._now()
        run = self._expect_private(run)
        if status.state is not KernelState.QUEUED:
            run = self._runs.start(run, self._now())
        if not status.state.ended:
            self._keep_deadlines(run)
        return run, status

    def _expect_kernel(self, run: Run, status: KernelStatus) -> None:
        """A status that says nothing is no end; but a kernel that every look denies has been deleted by somebody."""
        unreadable = self._now() - self._readable_at
        if unreadable > run.timeout_seconds(self._settings.run_timeout_minutes):
            self._runs.start(run, self._now())
            raise KernelTimedOut(f"Kaggle has said nothing of {run.ref} for too long ({status.message})")
        if unreadable > self._settings.push_visibility and self._is_denied(run):
            raise KernelNotFound(f"the kernel {run.ref} is gone ({status.message}); was it deleted by hand?")

    def outputs_error(self, run: Run, error: HostUnreachable) -> HostUnreachable | KernelNotFound:
        """KernelNotFound when outputs cannot be had because the kernel is gone, else the error itself."""
        if self._since(run.ended_at) > self._settings.push_visibility and self._is_denied(run):
            return KernelNotFound(f"the kernel {run.ref} is gone, and its outputs with it: {error.detail}")
        return error

    def _now(self) -> float:
        """The time by the wall's clock as it stood when this watch began."""
        return self._began + time.monotonic() - self._monotonic

    def _since(self, moment: float) -> float:
        """Seconds since a recorded moment; since this watch began for one that lies in the future."""
        now = self._now()
        return now - (moment if moment <= now else self._began)

    def _is_denied(self, run: Run) -> bool:
        try:
            return self._host.find(run.slug) is None
        except HostUnreachable:
            return False

    def _expect_private(self, run: Run) -> Run:
        """Texts are in the notebook, so a kernel that others can read is deleted at once."""
        if run.private:
            return run
        try:
            kernel = self._host.find(run.slug)
        except HostUnreachable:
            return run
        if kernel is None or kernel.private is None:
            return run
        if not kernel.private:
            self._host.delete(run.slug)
            raise PushRefused(f"the kernel {run.ref} was public and has been deleted", code="kernel_public")
        return self._runs.record(run, private=True)

    def _keep_deadlines(self, run: Run) -> None:
        settings = self._settings
        if not run.running_at and self._since(run.pushed_at) > settings.deployment_timeout_minutes * 60:
            minutes = f"{settings.deployment_timeout_minutes:g} minutes"
            raise KernelTimedOut(f"the kernel found no machine within {minutes}", code="kernel_not_started")
        timeout = run.timeout_seconds(settings.run_timeout_minutes)
        # Kaggle itself ends the session at the time-out, and may still be saving its outputs.
        if run.running_at and self._since(run.running_at) > timeout + 10 * settings.polling[1]:
            raise KernelTimedOut(f"the run took longer than {timeout / 60:.3g} minutes")
