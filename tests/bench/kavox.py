"""Kavox as shipped: `kavox serve` with its API, Redis, workers and client, against the emulator."""

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.clock import WORKERS, Speed, service_settings
from tests.bench.figures import Figures, Session, read_sessions
from tests.bench.metronome import NAME, write_metronome
from tests.bench.texts import seconds
from tests.service import Service, wait_for

PATIENCE = 600
"""How long a measurement may take on this machine, in seconds."""
Job = dict[str, Any]


@contextlib.contextmanager
def serving(folder: Path, speed: Speed, scale: float, workers: int = WORKERS, **settings: object) -> Iterator[Service]:
    """A service on a fresh `folder`, with all its workers up."""
    notebooks = write_metronome(folder / "notebooks", speed, scale)
    service = Service(
        folder / "data", {"KAVOX_NOTEBOOKS_DIR": notebooks, **service_settings(scale, workers), **settings}
    )
    try:
        service.start()
        wait_for("the workers", lambda: service.http.get("/readyz").json()["workers"]["count"] == workers)
        yield service
    finally:
        service.end_everything()


def all_at_once(folder: Path, speed: Speed, texts: Sequence[str], scale: float, workers: int = WORKERS) -> Figures:
    """Every text is queued before the workers start.

    They are up but halted meanwhile: their start takes two seconds of this machine, forty of Kaggle's.
    """
    with serving(folder, speed, scale, workers) as service:
        halted = service.processes("workers.main")
        for worker in halted:
            worker.send_signal(signal.SIGSTOP)
        queued = [service.submit(text, provider=NAME)["id"] for text in texts]
        began = time.time()
        for worker in halted:
            worker.send_signal(signal.SIGCONT)
        return _measured(service, texts, queued, [began] * len(texts), scale)


def stream(folder: Path, speed: Speed, texts: Sequence[str], came: Sequence[float], scale: float) -> Figures:
    """Each text is submitted when its time has come."""
    with serving(folder, speed, scale) as service:
        began = time.time()
        ids, submitted = [], []
        for text, moment in zip(texts, came, strict=True):
            time.sleep(max(0.0, began + moment / scale - time.time()))
            submitted.append(time.time())
            ids.append(service.submit(text, provider=NAME)["id"])
        return _measured(service, texts, ids, submitted, scale)


def sessions_of(service: Service) -> list[Session]:
    """The sessions that have ended so far."""
    return read_sessions(service.data_dir / "emulator")


def finished_at(job: Job) -> float:
    """When its audio could be had, in this machine's epoch seconds."""
    return datetime.fromisoformat(job["finished_at"]).timestamp()


def _measured(
    service: Service, texts: Sequence[str], ids: Sequence[str], submitted: Sequence[float], scale: float
) -> Figures:
    jobs = [service.finished(job_id, PATIENCE) for job_id in ids]
    for text, job in zip(texts, jobs, strict=True):
        assert job["status"] == "succeeded", job
        # All of it is there and as long as it should be; asked for afterwards, so that nobody's time is taken.
        assert len(service.audio(job["id"])) == job["audio"]["bytes"]
        assert abs(job["audio"]["duration_seconds"] - seconds(text)) < 0.01, job
    ends = [finished_at(job) for job in jobs]
    stats = service.kaggle_stats()
    assert stats["pushes_refused"] == 0, stats
    sessions = sessions_of(service)
    last = {session.slug: 0.0 for session in sessions}
    for job, end in zip(jobs, ends, strict=True):
        slug = job["run"]["kernel"].rpartition("/")[2]
        last[slug] = max(last[slug], end)
    return Figures(
        jobs=len(jobs),
        seconds=(max(ends) - submitted[0]) * scale,
        gpu_seconds=stats["billed_seconds"] * scale,
        waits=[(end - began) * scale for end, began in zip(ends, submitted, strict=True)],
        sessions=sessions,
        publishing=[(last[session.slug] - session.ended_at) * scale for session in sessions],
    )
