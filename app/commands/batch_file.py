"""The file that `kavox batch` reads, and the names and keys of what comes of it.

    *.jsonl, *.ndjson   a line is a JSON object: `text` and whatever else POST /synthesize takes, before the options
    anything else       a line is a text; with `paragraphs`, texts are what blank lines part

Blank lines count for nothing, so the numbers are those of the texts: 1, 2, 3 …
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.exit_codes import WrongUsage

_LINES_OF_JSON = {".jsonl", ".ndjson"}
# An editor's. What else str.splitlines() takes for one, like a form feed or U+2028, is in the middle of a text.
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Item:
    """One request of a batch, and which one it is."""

    number: int
    request: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The same for as long as this place of the file asks for the same."""
        asked = json.dumps([self.number, self.request], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:32]

    def file_name(self, stem: str) -> str:
        """What its audio is called."""
        return f"{stem}-{self.number:04}.{self.request['format']}"


def read_batch(file: Path, content: bytes, common: Mapping[str, Any], *, paragraphs: bool) -> Sequence[Item]:
    """The requests of a file of this name. Raises WrongUsage, naming the line that is wrong."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUsage(f"{file} is not text in UTF-8; convert it first") from None
    if file.suffix.lower() in _LINES_OF_JSON:
        requests = list(_objects(file, text))
    else:
        texts = _paragraphs(text) if paragraphs else _LINE_END.split(text)
        requests = [{"text": one} for one in texts if one.strip()]
    if not requests:
        raise WrongUsage(f"{file} has no text in it")
    # The service would choose this format too; here it is needed for the names.
    given = {"format": "wav", **common}
    return [Item(number, {**given, **request}) for number, request in enumerate(requests, start=1)]


def _objects(file: Path, text: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise WrongUsage(f"{file}: line {number} is not JSON: {error}") from None
        if not isinstance(found, dict) or not isinstance(found.get("text"), str):
            raise WrongUsage(f'{file}: line {number} must be an object with a "text"')
        if not isinstance(found.get("format", ""), str) or "/" in found.get("format", ""):
            raise WrongUsage(f"{file}: line {number}: format must be the name of one")
        yield found


def _paragraphs(text: str) -> Iterator[str]:
    lines: list[str] = []
    for line in [*_LINE_END.split(text), ""]:
        if line.strip():
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
