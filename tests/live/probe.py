"""One free CPU kernel, driven through the adapter by hand, to see what Kaggle answers at each step."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.shared.errors import KavoxError
from app.shared.identifiers import new_id
from tests.live.facts import Findings
from workers.kaggle import KaggleHost
from workers.kernel import Kernel, KernelState, Push
from workers.kernel_log import progress_in
from workers.notebook import inject

PATIENCE_SECONDS = 1800
_ITEM = {
    "id": "probe", "chunks": ["This is a test."], "voice": "heart", "language": "en", "seed": 1, "options": {},
    "reference": None,
}  # fmt: skip


def probe(host: KaggleHost, notebooks: Path, folder: Path, findings: Findings, *, install: bool, pause: float) -> None:
    """Pushes hibari with one sentence and follows it to its deletion; the kernel is deleted whatever happens."""
    run_id = new_id()
    slug = f"kavox-live-{run_id}"
    run = {"run_id": run_id, "provider": "hibari", "model": "hibari", "device": "cpu", "install": install}
    source = inject(notebooks / "hibari.ipynb", {**run, "items": [_ITEM]})
    try:
        kernel = host.push(Push(slug, source, gpu=False, machine_shape=None, timeout_seconds=PATIENCE_SECONDS))
        findings.note("push-accepted", kernel.version == 1, f"version {kernel.version}")
        _look(host, slug, findings, pause)
        _follow(host, kernel, findings, install=install, pause=pause)
        fetched = host.download(kernel, {"result.json", "probe.wav"}, folder)
        findings.note("outputs", fetched == {"result.json", "probe.wav"}, f"{len(fetched)} of 2 files")
    finally:
        host.delete(slug)
    gone = _wait(lambda: host.find(slug) is None, pause)
    findings.note("deleted", gone is not None, f"after {gone:.0f} s" if gone is not None else "still there")


def _look(host: KaggleHost, slug: str, findings: Findings, pause: float) -> None:
    seconds = _wait(lambda: host.find(slug) is not None, pause)
    kernel = host.find(slug)
    findings.note("visible", seconds is not None and seconds <= 120, f"after {seconds or PATIENCE_SECONDS:.0f} s")
    findings.note("title-slug", kernel is not None and kernel.ref.endswith(f"/{slug}"))
    findings.note("private", kernel is not None and kernel.private is True)


def _follow(host: KaggleHost, kernel: Kernel, findings: Findings, *, install: bool, pause: float) -> None:
    """Reads the stream beside the polls until the session ends."""
    phases: set[str] = set()
    reader = threading.Thread(target=_read_log, args=(host, kernel, phases), daemon=True)
    reader.start()
    began = time.monotonic()
    ended = _wait(lambda: host.status(kernel).state.ended, pause)
    state = host.status(kernel).state
    findings.note("version-label", ended is not None)
    if install:
        seconds = time.monotonic() - began
        findings.note("installs", state is KernelState.COMPLETE, f"{state.value} after {seconds:.0f} s")
    reader.join(timeout=30)
    findings.note("log-stream", "synthesizing" in phases, f"phases {', '.join(sorted(phases)) or 'none'}")


def _read_log(host: KaggleHost, kernel: Kernel, phases: set[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "synthesizing" not in phases and time.monotonic() < deadline:
        try:
            for record in host.stream_log(kernel):
                phases.update(progress.phase for progress in progress_in(record))
        except KavoxError:
            # There is no stream before the session runs.
            time.sleep(1)


def _wait(condition: Callable[[], bool], pause: float) -> float | None:
    """Seconds until the condition was true, None when it never was."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_SECONDS:
            return None
        time.sleep(pause)
    return time.monotonic() - began
