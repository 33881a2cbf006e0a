"""The examples of README.md and docs/, as they stand there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(page: str, kind: str) -> list[str]:
    """The blocks of this kind in a page, which is named as from the root."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no block of {kind}"
    return found


def commands(page: str) -> list[tuple[str, str]]:
    """The commands of a page's consoles, each with what is shown of its output."""
    lines = "".join(blocks(page, "console")).replace("\\\n", " ")
    parts = re.split(r"^\$ ", lines, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0].strip(), part.partition("\n")[2]) for part in parts]
