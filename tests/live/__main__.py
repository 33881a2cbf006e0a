"""Runs one free CPU kernel by hand, then one text a provider through the service, and leaves a redacted transcript.

    make live                      with Kaggle credentials where Kaggle's own client looks
    make live CAP_GPU_SECONDS=600  with another cap

The cap holds by itself: each GPU run's session time-out is its share of it. Every kernel is deleted afterwards.
"""

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.shared.errors import KavoxError
from app.shared.provider import load_providers
from app.shared.settings import Settings, load_settings
from tests.live.facts import Findings
from tests.live.probe import PATIENCE_SECONDS, probe
from tests.service import Service
from workers.hosts import kaggle_host
from workers.kaggle import KaggleHost

TEXT = "This sentence was spoken by a notebook on Kaggle."
PROVIDERS = ("hibari", "qwen", "chatterbox")


def main() -> int:
    """Exit status 0 when every text came back as speech."""
    options = _options()
    try:
        settings = load_settings()
        host = kaggle_host(settings)
        account = host.account()
    except KavoxError as error:
        sys.stderr.write(f"live: {error.detail}\n")
        return 78
    here = load_providers(settings.notebooks_dir)
    wanted = [name for name in options.providers if name in here]
    gpu = [name for name in wanted if here[name].gpu]
    _say(f"account {account[:2]}…, Kaggle {settings.kaggle_mode}; at most {options.cap_gpu_seconds} GPU-seconds")
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="kavox-live-") as folder:
        emulated = settings.kaggle_mode == "emulated"
        _say("one CPU kernel by hand: no GPU quota")
        probe(
            host,
            settings.notebooks_dir,
            Path(folder),
            findings,
            install=not emulated,
            pause=settings.polling[0],
        )
        jobs = _journeys(Path(folder), wanted, options.cap_gpu_seconds // max(1, len(gpu)), findings)
    _check_deleted(host, jobs)
    _write_transcript(options.transcript, settings, findings, jobs)
    _say(f"transcript: {options.transcript}")
    return 0 if jobs and all(job["status"] == "succeeded" for job in jobs) else 1


def _journeys(folder: Path, wanted: list[str], seconds_each: int, findings: Findings) -> list[dict[str, Any]]:
    limit = {"KAVOX_RUN_TIMEOUT_MINUTES": max(1, seconds_each // 60)}
    service = Service(folder / "data", limit, as_this_person=True)
    jobs = []
    try:
        service.start()
        for name in wanted:
            _say(f"one text through {name}")
            began = time.monotonic()
            job = service.finished(service.submit(TEXT, provider=name)["id"], seconds=2 * PATIENCE_SECONDS)
            jobs.append(job)
            outcome = job["status"] if not job["error"] else f"{job['status']}: {job['error']['code']}"
            _say(f"{name}: {outcome} after {time.monotonic() - began:.0f} s")
            fact = "gpu-road" if job["gpu"] else "cpu-road"
            findings.note(fact, job["status"] == "succeeded", f"{name}, {time.monotonic() - began:.0f} s")
    finally:
        service.end_everything()
    return jobs


def _check_deleted(host: KaggleHost, jobs: list[dict[str, Any]]) -> None:
    for job in jobs:
        kernel = (job["run"] or {}).get("kernel")
        if kernel and host.find(kernel.partition("/")[2]) is not None:
            host.delete(kernel.partition("/")[2])
            _say("a kernel was still there and has been deleted")


def _write_transcript(path: Path, settings: Settings, findings: Findings, jobs: list[dict[str, Any]]) -> None:
    """Facts and figures; no account, no kernel's name, no text."""
    kept = ("provider", "status", "phase", "created_at", "started_at", "finished_at", "gpu_seconds")
    lines = [
        f"# Live run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {settings.kaggle_mode} Kaggle",
        "",
        findings.table(),
        *(
            f"- {', '.join(f'{name} {job[name]}' for name in kept)}, error {(job['error'] or {}).get('code', 'none')}"
            for job in jobs
        ),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make live", description=__doc__)
    parser.add_argument("--cap-gpu-seconds", type=int, default=1200)
    parser.add_argument("--providers", nargs="+", default=list(PROVIDERS), choices=PROVIDERS)
    parser.add_argument("--transcript", type=Path, default=Path("data/live/transcript.md"))
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"live: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
