"""Shows how far a job has come: a bar on a terminal, else a line a phase.

On stderr, so that stdout stays for results.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Show = Callable[[str, float], None]
"""Takes the phase and the share done, 0 to 1."""


@contextmanager
def progress() -> Iterator[Show]:
    """The way of showing progress that suits where stderr goes."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # Refreshed by hand: a thread beside the supervisor would make its forks unsafe.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=1.0)

        def show(phase: str, share: float) -> None:
            bar.update(task, description=_in_words(phase), completed=share, refresh=True)

        yield show


def _lines(console: Console) -> Show:
    began = time.monotonic()
    last = None

    def show(phase: str, _share: float) -> None:
        nonlocal last
        if phase != last:
            console.print(f"{time.monotonic() - began:6.1f} s  {_in_words(phase)}")
            last = phase

    return show


def _in_words(phase: str) -> str:
    return phase.replace("_", " ")
