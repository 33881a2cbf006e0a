"""How a worker stops: every wait of the pipeline ends at once when it is asked to."""

import threading
import time

# How late a wait may notice one of the events that end it.
_LOOK_SECONDS = 0.02


class Interrupted(Exception):  # noqa: N818  # no error: the worker was asked to stop
    """The worker is to end at the recorded step."""


class Stopping:
    """A stop request, and sleeping that heeds it."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """Asks the worker to stop."""
        self._requested.set()

    @property
    def requested(self) -> bool:
        return self._requested.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits for so long or until the stop request; whether that has come."""
        return self._requested.wait(seconds)

    def sleep(self, seconds: float, *or_until: threading.Event) -> None:
        """Waits for so long or until one of the events is set. Raises Interrupted at a stop request."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.wait(min(left, _LOOK_SECONDS)):
                raise Interrupted
            if any(event.is_set() for event in or_until):
                return
