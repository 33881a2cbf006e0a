"""A worker that does nothing but its part on the stage: every job that waits is spoken as a short tone.

It is at once, but for jobs of low priority, which wait long enough to be cancelled.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.job import Job, Priority, from_fields
from app.shared.presence import LIFETIME_SECONDS
from app.shared.run_log import LogLine, RunLog, log_name
from tests.app.workshop import RUN, Workshop
from tests.tone import tone

_LOOK_SECONDS = 0.005
_LOW_WAITS_SECONDS = 2.0


@contextlib.contextmanager
def speaking(redis: Redis, data_dir: Path, local_providers: list[str]) -> Iterator[None]:
    """Meanwhile a worker lives that has these providers' packages, and no job waits for long."""
    over = threading.Event()
    workshop, wav = Workshop(redis, data_dir), tone(0.2)
    log = RunLog(str(RUN["id"]), shared=False, complete=True, lines=[LogLine(1.5, "stdout", "a tone")])
    AudioStore.open(None, data_dir / "audio").put(log_name(log.run), log.to_bytes())

    def speak() -> None:
        announced = 0.0
        while not over.wait(_LOOK_SECONDS):
            if time.monotonic() - announced > LIFETIME_SECONDS / 3:
                workshop.announce(*local_providers)
                announced = time.monotonic()
            for job_id in cast("list[str]", redis.zrange(keys.QUEUED, 0, -1)):
                fields = cast("dict[str, str]", redis.hgetall(keys.JOB + job_id))
                if fields and not _waits(from_fields(fields)):
                    workshop.start(job_id)
                    workshop.succeed(job_id, wav)

    thread = threading.Thread(target=speak, name="stagehand", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)


def _waits(job: Job) -> bool:
    return job.speech.priority is Priority.LOW and time.time() - job.created_at < _LOW_WAITS_SECONDS
