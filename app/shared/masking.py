"""Takes a caller's words out of what is shown to others, and leaves their form: "Dear Ann, 42!" is "Oooo Ooo, 00!".

Length, spaces, signs and script stay, so a text is cut at the same places, and what fails because of its form fails
again.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

# A letter for each script whose letters engines would not speak in another one.
_LETTERS = {
    "CYRILLIC": "о",  # noqa: RUF001  # Cyrillic's own
    "GREEK": "ο",  # noqa: RUF001  # Greek's own
    "CJK": "口",
    "HIRAGANA": "お",
    "KATAKANA": "オ",
    "HANGUL": "오",
    "ARABIC": "و",
    "HEBREW": "ו",  # noqa: RUF001  # Hebrew's own
    "DEVANAGARI": "ओ",
}
_GRAM = 8
"""So many characters in a row are a quotation; a shorter line is one as a whole, where it is no part of a word."""
_WIDE_GRAM = 4
"""… of scripts that say more with each."""
_WIDE = re.compile(rf"[^\x00-\u02ff\s]{{{_WIDE_GRAM},}}")


def masked(text: str) -> str:
    """The text with every letter and digit made nameless."""
    return "".join(map(_nameless, text))


@lru_cache(maxsize=4096)
def _nameless(character: str) -> str:
    category = unicodedata.category(character)
    if category.startswith("N"):
        return "0"
    if not category.startswith("L"):
        return character
    script = unicodedata.name(character, "").partition(" ")[0]
    letter = _LETTERS.get(script, "o")
    return letter.upper() if category == "Lu" else letter


class Mask:
    """Finds quotations of some texts in what others have written, a log for instance, and masks them.

    As they are, or as Python and JSON write them in literals.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._grams: dict[int, set[str]] = {_GRAM: set(), _WIDE_GRAM: set()}
        short: set[str] = set()
        # Logs tell of lines, so what is looked for ends with one.
        for line in filter(None, (line.strip() for text in texts for line in text.splitlines())):
            for written in {line, json.dumps(line)[1:-1], repr(line)[1:-1]}:
                if len(written) < _GRAM:
                    short.add(written)
                self._grams[_GRAM].update(_windows(written, _GRAM))
            for wide in _WIDE.findall(line):
                self._grams[_WIDE_GRAM].update(_windows(wide, _WIDE_GRAM))
        self._short = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, short))})(?!\w)") if short else None

    def __call__(self, line: str) -> str:
        """The line without what it quotes."""
        hidden = [False] * len(line)
        for found in self._short.finditer(line) if self._short else ():
            hidden[found.start() : found.end()] = [True] * len(found[0])
        for size, grams in self._grams.items():
            for start, window in enumerate(_windows(line, size)):
                if window in grams:
                    hidden[start : start + size] = [True] * size
        return "".join(_nameless(sign) if hide else sign for sign, hide in zip(line, hidden, strict=True))


def _windows(text: str, size: int) -> Iterable[str]:
    return (text[start : start + size] for start in range(len(text) - size + 1))
