"""How answers are printed: tables for people on a terminal, tab-separated lines for programs, JSON for those who ask.

Lines have no head, and a tab between their fields; what is not there is empty.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Rows = Iterable[Sequence[str]]


def print_json(value: object) -> None:
    """One JSON value on stdout, on a terminal over several lines."""
    typer.echo(in_json(value))


def in_json(value: object) -> str:
    """A JSON value as it is printed."""
    return json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)


def print_table(head: Sequence[str], rows: Rows) -> None:
    """The rows, whose cells are plain text."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(" ".join(cell.split()) for cell in row))
        return
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        # Text: brackets in a cell are no markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_jobs(jobs: Iterable[Mapping[str, Any]]) -> None:
    """A job a line: its id, state, share done, provider, voice, format, characters, creation, and what it says."""
    head = ("id", "status", "done", "provider", "voice", "format", "characters", "created", "remark")
    print_table(head, (_job(job) for job in jobs))


def print_voices(voices: Iterable[Mapping[str, Any]]) -> None:
    """A voice a line: provider, id, title, languages, models."""
    rows = (
        (
            voice["provider"],
            voice["id"],
            voice["title"],
            ", ".join(voice["languages"]),
            ", ".join(voice["models"]) or "all",
        )
        for voice in voices
    )
    print_table(("provider", "voice", "title", "languages", "models"), rows)


def print_quota(quota: Mapping[str, Any]) -> None:
    """A figure a line: its name and what it is."""
    gpu, kavox = quota["gpu"], quota["kavox"]
    rows = []
    if gpu is not None:
        rows += [
            ("available to Kavox", _hours(gpu["available_seconds"])),
            ("left of the week", f"{_hours(gpu['remaining_seconds'])} of {_hours(gpu['allowed_seconds'])}"),
            ("held by sessions", _hours(gpu["reserved_seconds"])),
            ("kept for the owner", _hours(gpu["reserve_seconds"])),
            ("refreshes at", _moment(gpu["refreshes_at"])),
            ("read at", _moment(gpu["read_at"])),
        ]
    rows.append(("used by Kavox", _hours(kavox["seconds"])))
    rows += [(f"used by {name}", _hours(seconds)) for name, seconds in kavox["by_caller"].items()]
    if quota["detail"]:
        rows.append(("remark", quota["detail"]))
    print_table(("GPU", ""), rows)


def print_estimate(estimate: Mapping[str, Any], *, as_json: bool) -> None:
    """What a request would cost."""
    if as_json:
        print_json(estimate)
        return
    voice = estimate["voice"] or "a described one"
    eta, waiting = estimate["eta_seconds"], estimate["waiting"]
    pieces, seconds = estimate["chunks"], estimate["speech_seconds"]
    rows = [
        ("speaks", f"{estimate['provider']} {estimate['model']}, voice {voice}, {estimate['language']}"),
        ("runs on", estimate["host"] + (", with GPU" if estimate["gpu"] else "")),
        ("text", f"{estimate['characters']} characters in {pieces} piece{'' if pieces == 1 else 's'}"),
        ("speech", f"about {seconds:.{0 if seconds >= 10 else 1}f} s"),
        ("GPU quota", f"about {estimate['gpu_seconds']:.0f} s" if estimate["gpu"] else "none"),
        (
            "done",
            "at once: it is kept" if estimate["cached"] else "unknown" if eta is None else f"in about {eta:.0f} s",
        ),
    ]
    rows += [("waits", waiting["detail"])] if waiting else []
    rows += [("warning", warning) for warning in estimate["warnings"]]
    print_table(("dry run", "nothing is queued"), rows)


def _job(job: Mapping[str, Any]) -> Sequence[str]:
    reason = job["error"] or job["waiting"] or {}
    return (
        job["id"],
        job["status"] if not job["phase"] or job["phase"] == "waiting" else f"{job['status']}: {job['phase']}",
        f"{job['progress']:.0%}",
        job["provider"],
        job["voice"] or "",
        job["format"],
        str(job["characters"]),
        _moment(job["created_at"]),
        reason.get("detail", ""),
    )


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def _moment(moment: str) -> str:
    return moment[:16].replace("T", " ") + " UTC"
