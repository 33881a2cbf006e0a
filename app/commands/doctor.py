"""`kavox doctor`: everything that has to be right before a text comes back as speech, a line each.

What needs Kaggle's client or the notebooks' format is looked at by `python -m workers.doctor`, which only a worker's
installation can run; the rest is looked at here (`checks.py`).
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import typer

from app import programs
from app.commands import checks, key_check
from app.commands.tables import print_json
from app.shared.errors import ConfigurationError
from app.shared.finding import Finding, State
from app.shared.settings import load_settings

_MARKS = {State.OK: ("✓", "green"), State.FAILED: ("✗", "red"), State.UNKNOWN: ("?", "yellow")}


def doctor(*, offline: bool, live: bool, as_json: bool) -> bool:
    """Prints what it finds as it finds it; whether nothing is wrong.

    `offline`: nothing beyond this machine is asked. `live`: a kernel is run on Kaggle, without GPU, and deleted.
    """
    findings = []
    for finding in _findings(offline=offline, live=live and not offline):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    return all(finding.state is not State.FAILED for finding in findings)


def _findings(*, offline: bool, live: bool) -> Iterator[Finding]:
    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield Finding.failed("settings", error.detail, "correct it in the environment or in .env; nothing else is seen")
        return
    yield Finding.ok("settings", "every KAVOX_ setting can be used")
    # It needs seconds to start, in which there is enough to look at.
    arguments = [*(["--offline"] if offline else []), *(["--live"] if live else [])]
    with _ending(programs.doctor(settings, *arguments)) as process:
        yield from checks.secrets()
        yield from checks.disk(settings)
        yield from checks.port(settings)
        yield from checks.redis(settings, offline=offline)
        yield from key_check.keys(settings, offline=offline)
        if not offline:
            yield from checks.clock(settings)
        yield from _findings_of(process)


@contextmanager
def _ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which ends with us: when we are interrupted, once it has taken away what it has left on Kaggle."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _findings_of(process: subprocess.Popen[str]) -> Iterator[Finding]:
    """What the other process finds, line by line."""
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("the process was started without pipes")
    for line in process.stdout:
        yield Finding.from_json(line)
    said = process.stderr.read().strip().splitlines()
    if process.wait() != 0:
        last = said[-1] if said else f"exit status {process.returncode}"
        remedy = "install all of a worker's packages: pip install 'kavox[worker,notebooks]'"
        yield Finding.failed("worker", f"its checks cannot be run here: {last}", remedy)


def _print(finding: Finding) -> None:
    sign, colour = _MARKS[finding.state]
    has_signs = "utf" in (sys.stdout.encoding or "").lower()
    mark = typer.style(sign, fg=colour) if has_signs else finding.state
    # However many lines, and whatever end, another program gave it.
    detail = " ".join(finding.detail.split()).rstrip(".")
    typer.echo(f"{mark} {finding.check}: {detail}{f'; {finding.remedy}' if finding.remedy else ''}")
    sys.stdout.flush()
