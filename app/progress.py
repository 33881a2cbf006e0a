"""Shows how far a job has come: a line that changes on a terminal; elsewhere nothing, or a line a phase.

On stderr, so that stdout stays for results.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Show = Callable[[Mapping[str, Any]], None]
"""Takes a job, or an event of one: its phase, progress and whatever else is known."""


@contextmanager
def progress(*, lines: bool = False, threads: bool = True) -> Iterator[Show]:
    """The way of showing progress that suits where stderr goes; `lines`: one a phase where it is no terminal.

    Without `threads` the clock stands still between two looks: a thread beside a supervisor makes its forks unsafe.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _lines(console) if lines else _nothing
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, auto_refresh=threads) as bar:
        task = bar.add_task("", total=1.0)

        def show(seen: Mapping[str, Any]) -> None:
            bar.update(task, description=_in_words(seen), completed=seen["progress"], refresh=True)

        yield show


@contextmanager
def counting(total: int) -> Iterator[Callable[[str], None]]:
    """Counts to `total`, a step with each call, which says in a few words how things stand. On a terminal only."""
    console = Console(stderr=True, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda words: bar.update(task, description=words, advance=1)


def _nothing(_: Mapping[str, Any]) -> None:
    """Nobody watches."""


def _lines(console: Console) -> Show:
    began = time.monotonic()
    last = None

    def show(seen: Mapping[str, Any]) -> None:
        nonlocal last
        if seen["phase"] != last:
            last = seen["phase"]
            console.print(f"{time.monotonic() - began:6.1f} s  {_phase(seen)}")

    return show


def _phase(seen: Mapping[str, Any]) -> str:
    return str(seen["phase"] or seen["status"]).replace("_", " ")


def _in_words(seen: Mapping[str, Any]) -> str:
    words = [_phase(seen)]
    if seen.get("position"):
        words.append(f"behind {seen['position']}")
    if (waiting := seen.get("waiting")) and waiting.get("retry_at"):
        words.append(f"until {waiting['retry_at'][:16].replace('T', ' ')} UTC")
    elif seen.get("eta_seconds") is not None:
        words.append(f"about {max(1, round(seen['eta_seconds']))} s left")
    return ", ".join(words)
