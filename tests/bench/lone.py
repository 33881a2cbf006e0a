"""How soon the audio of a job that is alone can be had, once its kernel could give it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.bench.clock import Speed
from tests.bench.figures import Session
from tests.bench.guess import Compared, ask
from tests.bench.kavox import finished_at, serving, sessions_of
from tests.bench.metronome import NAME
from tests.service import Service, wait_for

LAG = 60.0
"""How long a new kernel cannot be seen, where lag is measured; reports say minutes at worst. Kaggle's seconds."""
STALE = 30.0
"""How long a kernel that has ended still says RUNNING; assumed."""


@dataclass(frozen=True)
class Lone:
    """Seconds from the moment when the status told the truth to the audio, one for each job."""

    prompt: list[float]
    """Where a kernel is seen at once, and its status is true."""
    lagging: list[float]
    """Where neither is so."""
    compared: list[Compared] = field(default_factory=list)
    """What was expected of the prompt ones, and what came."""


def lone_jobs(folder: Path, texts: Sequence[str], scale: float) -> Lone:
    """One job after the other, these texts for each kind."""
    with serving(folder, Speed(1.0, 1), scale) as service:
        prompt, compared = zip(*(_prompt(service, text, scale) for text in texts), strict=True)
        account = {"visibility_lag_seconds": LAG / scale}
        httpx.post(f"{service.emulator()}/control/account", json=account).raise_for_status()
        return Lone([*prompt], [_lagging(service, text, scale) for text in texts], [*compared])


def _prompt(service: Service, text: str, scale: float) -> tuple[float, Compared]:
    before, guess, began = len(sessions_of(service)), ask(service, text, scale), time.time()
    job = service.finished(service.submit(text, provider=NAME)["id"])
    assert job["status"] == "succeeded", job
    delay = (finished_at(job) - _next_end(service, before).ended_at) * scale
    took, gpu_seconds = (finished_at(job) - began) * scale, job["gpu_seconds"] * scale
    return delay, Compared(guess, job["audio"]["duration_seconds"], gpu_seconds, took)


def _lagging(service: Service, text: str, scale: float) -> float:
    before = len(sessions_of(service))
    # From the start on, because nothing else says RUNNING or QUEUED so late that it would matter.
    service.inject_fault(call="GetKernelSessionStatus", kind="alter", fields={"status": "RUNNING"}, probability=1)
    job_id = service.submit(text, provider=NAME)["id"]
    ended_at = _next_end(service, before).ended_at
    time.sleep(max(0.0, ended_at + STALE / scale - time.time()))
    true_at = time.time()
    service.clear_faults()
    job = service.finished(job_id)
    assert job["status"] == "succeeded", job
    return (finished_at(job) - true_at) * scale


def _next_end(service: Service, before: int) -> Session:
    """The session that ended after so many others."""
    return wait_for("the session to end", lambda: sessions_of(service)[before:])[0]
