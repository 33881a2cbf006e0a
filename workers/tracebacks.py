"""Python's and IPython's tracebacks, found among the lines of a log.

    Traceback (most recent call last):            ModuleNotFoundError       Traceback (most recent call last)
      File "cell.py", line 3, in <module>         Cell In[4], line 3
        import engine                             ----> 3 import engine
    ModuleNotFoundError: No module named …        ModuleNotFoundError: No module named …

An exception that came of another one is printed below it: together they are a chain, the innermost first.
"""

import re
from collections.abc import Iterable

# What only wraps the notebook's own exception.
_WRAPPERS = ("PapermillExecutionError", "CellExecutionError")
_HEADER = "Traceback (most recent call last)"
_CHAINED = ("The above exception was the direct cause", "During handling of the above exception")
# A line of code or of dashes begins otherwise, and so do "File …" and "Cell In[…]".
_RAISED = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(?::.*)?$")


def chains(lines: Iterable[str]) -> list[list[str]]:
    """Every chain of exceptions, each as `Name: message`; what only wraps another one is left out."""
    found: list[list[str]] = []
    inside = chained = False
    for line in lines:
        if _HEADER in line:
            inside = True
            if not chained or not found:
                found.append([])
        elif line.startswith(_CHAINED):
            chained = True
        elif inside and (raised := _RAISED.match(line)):
            inside = chained = False
            if not raised["name"].endswith(_WRAPPERS):
                found[-1].append(line)
    return [chain for chain in found if chain]
