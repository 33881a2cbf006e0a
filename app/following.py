"""Follows a job until it has ended: by server-sent events, and by asking again where a service or proxy has none."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.client import ENDED, Client, Job, NoEvents

_PAUSE_SECONDS = 0.5
_POLL_SECONDS = 5


def follow(client: Client, job: Job, show: Callable[[Mapping[str, Any]], None]) -> Job:
    """The job once it has ended; `show` sees its status, phase, progress, ETA and place as they change.

    Raises ServiceUnreachable when the service is silent for half a minute; the job goes on all the same.
    """
    has_events, last_id = True, None
    while job["status"] not in ENDED:
        show(job)
        if has_events:
            try:
                last_id = _listen(client, job["id"], last_id, show)
            except NoEvents:
                has_events = False
        job = client.job(job["id"], wait_seconds=0 if has_events else _POLL_SECONDS)
        if job["status"] not in ENDED:
            time.sleep(_PAUSE_SECONDS)
    return job


def _listen(client: Client, job_id: str, last_id: str | None, show: Callable[[Mapping[str, Any]], None]) -> str | None:
    """Shows events up to the job's end, or the connection's; the id of the last one."""
    for event in client.events(job_id, last_id):
        if event.data:
            show(json.loads(event.data))
            last_id = event.id or last_id
        if event.event == "end":
            break
    return last_id
