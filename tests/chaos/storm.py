"""One round of chaos: a service, four callers, faults in its Kaggle, and a killer among its processes."""

import contextlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.chaos.caller import Caller
from tests.chaos.killer import Killer
from tests.chaos.ledgers import Ledgers, read_ledgers, redis_of
from tests.chaos.script import CALLERS, Scale, Script
from tests.chaos.teletype import write_teletype
from tests.chaos.verdict import Verdict
from tests.service import Service

_LOOK_SECONDS = 1.0
_TIDYING_SECONDS = 20
"""How long the service may take to close its runs and to delete its kernels after the last job has ended."""


def weather(seed: int, scale: Scale, folder: Path) -> Verdict:
    """Plays one round in `folder`, which must be empty, and leaves the logs there."""
    script = Script(seed, scale)
    settings = {
        "KAVOX_NOTEBOOKS_DIR": write_teletype(folder / "notebooks"),
        "KAVOX_WORKERS": 3,
        # So little that some of it is thrown out while it is asked for.
        "KAVOX_CACHE_MAX_MEGABYTES": 3,
        # As on Kaggle, a kernel cannot be seen at once: who looks too early and believes it pushes twice.
        "KAVOX_EMULATOR_VISIBILITY_LAG_SECONDS": 1,
    }
    service = Service(folder / "data", settings)
    verdict = Verdict(submitted=scale.texts)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.callback(service.end_everything)
        service.start()
        httpx.post(f"{service.emulator()}/control/faults", json=script.faults()).raise_for_status()
        callers = [stack.enter_context(Caller(name, service.url, service.key(name))) for name in CALLERS]
        with Killer(service, script) as killer:
            _submit_and_wait(script, callers, began + scale.deadline)
        verdict.seconds, verdict.deaths = time.monotonic() - began, killer.deaths
        for at, caller in enumerate(callers):
            verdict.judge(caller, callers[:at] + callers[at + 1 :], script.texts)
        verdict.ledgers = _settled_books(service.data_dir)
        if verdict.missed():
            _write_evidence(folder / "evidence.json", service.data_dir, verdict)
    return verdict


def _submit_and_wait(script: Script, callers: Sequence[Caller], deadline: float) -> None:
    """Until every job has ended that any caller knows of, or the time is up."""
    with ThreadPoolExecutor(len(callers)) as pool:
        submitting = [pool.submit(caller.submit_all, script.lines[caller.name]) for caller in callers]
        for future in submitting:
            future.result()
        # Each is looked at, so that every end is noted as early as it can be.
        while not all(list(pool.map(Caller.look, callers))) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)


def _settled_books(data_dir: Path) -> Ledgers:
    """The books once the service has tidied up, or has not for long."""
    deadline = time.monotonic() + _TIDYING_SECONDS
    while time.monotonic() < deadline:
        books = read_ledgers(data_dir)
        if not (books.open_runs or books.kernels or books.half_written):
            return books
        time.sleep(_LOOK_SECONDS)
    return read_ledgers(data_dir)


def _write_evidence(path: Path, data_dir: Path, verdict: Verdict) -> None:
    """What Redis holds of the jobs that are not as they should be, and of their runs; the log is beside it."""
    books = verdict.ledgers
    assert books is not None
    with redis_of(data_dir) as redis:
        jobs = {job_id: redis.hgetall(f"kavox:job:{job_id}") for job_id in verdict.blamed}
    runs = {run_id: books.runs[run_id] for job_id in verdict.blamed for run_id in books.runs_of(job_id)}
    runs |= {run_id: books.runs[run_id] for run_id in books.open_runs if run_id in books.runs}
    found = {
        "missed": verdict.missed(),
        "reasons": verdict.reasons,
        "surprises": verdict.surprises,
        "jobs": jobs,
        "runs": runs,
        "pushes": {slug: times for slug, times in books.pushes.items() if times > 1},
    }
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")
