"""What of a job its caller wants to be told at a URL, in the form of Standard Webhooks.

    {"type": "job.succeeded", "timestamp": "…", "data": {…}}     data: what GET /jobs/{id} shows

The headers are webhook-id, webhook-timestamp and webhook-signature. How events are kept is in `deliveries.py`, how they
are sent in `workers/couriers.py`.
"""

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from app.shared.receivers import AllowedHosts

JOB = "job"
"""What an event's type begins with when it is about a job; whatever else has events has a word of its own."""


class WebhookEvent(StrEnum):
    """What happens to a job; the ends are called as its status is then."""

    STARTED = "started"  # a run has taken it up, for the first time
    PROGRESS = "progress"  # it has come further, every few seconds at most
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


ENDS = (WebhookEvent.SUCCEEDED, WebhookEvent.FAILED, WebhookEvent.CANCELED)


def subscription(url: str, events: Sequence[str], caller: str, allowed: AllowedHosts) -> dict[str, Any]:
    """What is kept with a job, or with something else that has events, for `tell` in `deliveries.py`.

    Deliveries of one `destination` wait for each other: one host of one caller's. Raises ReceiverRefused.
    """
    receiver = allowed.check(url)
    destination = f"{receiver.host}:{receiver.port}:{caller}"
    return {
        "url": url,
        "events": list(dict.fromkeys(events)),
        "caller": caller,
        "destination": destination,
        "wished_at": time.time(),
    }
