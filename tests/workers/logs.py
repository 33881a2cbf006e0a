"""Logs of sessions as Kaggle writes them, for tests: the debugger's warning first, nbconvert's chatter last."""

from collections.abc import Sequence

from workers.kernel import LogRecord

DEBUGGER = """\
0.00s - Debugger warning: It seems that frozen modules are being used, which may
0.00s - make the debugger miss breakpoints. Please pass -Xfrozen_modules=off
0.00s - to python to disable frozen modules.
0.00s - Note: Debugging will proceed. Set PYDEVD_DISABLE_FILE_VALIDATION=1 to disable this validation.
"""

NBCONVERT = """\
[NbConvertApp] Converting notebook __notebook__.ipynb to html
[NbConvertApp] Writing 331972 bytes to __results__.html
"""


def marker(seq: int, phase: str, item: str | None = None, done: int = 0, of: int = 1) -> str:
    """A notebook's line of progress."""
    named = "null" if item is None else f'"{item}"'
    return f'::kavox {{"seq": {seq}, "phase": "{phase}", "item": {named}, "done": {done}, "of": {of}}}\n'


def papermill_failure(cell: int, *traceback: str, times: int = 1) -> str:
    """What papermill says when a cell raises: its own traceback, then the cell's, with IPython's colours."""
    name = traceback[-1].partition(":")[0]
    rule = "-" * 75
    told = [
        "Traceback (most recent call last):",
        '  File "<frozen runpy>", line 198, in _run_module_as_main',
        '  File "/usr/local/lib/python3.12/dist-packages/papermill/execute.py", line 131, in execute_notebook',
        "    raise_for_execution_errors(nb, output_path)",
        "papermill.exceptions.PapermillExecutionError: ",
        rule,
        f'Exception encountered at "In [{cell}]":',
        f"\x1b[0;31m{rule}\x1b[0m",
        f"\x1b[0;31m{name}\x1b[0m      Traceback (most recent call last)",
        f"Cell \x1b[0;32mIn[{cell}], line 7\x1b[0m",
        "\x1b[1;32m      5\x1b[0m step \x1b[38;5;241m=\x1b[39m 5",
        "\x1b[0;32m----> 7\x1b[0m work(step)",
        "",
        *traceback[:-1],
        f"\x1b[0;31m{name}\x1b[0m{traceback[-1][len(name) :]}",
        "",
    ]
    return "\n".join(told * times) + "\n"


def session(*parts: tuple[str, str]) -> list[LogRecord]:
    """The records of a session that wrote these texts, each with its stream, a line a record."""
    told: Sequence[tuple[str, str]] = [("stderr", DEBUGGER), *parts, ("stderr", NBCONVERT)]
    return [
        LogRecord(stream, round(11.3 + number + place / 100, 2), line)
        for number, (stream, text) in enumerate(told)
        for place, line in enumerate(text.splitlines(keepends=True))
    ]
