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
"""So many characters in a row are a quotation, wherever they stand."""
_WIDE_GRAM = 4
"""… of scripts that say more with each."""
_WIDE = re.compile(rf"[^\x00-\u02ff\s]{{{_WIDE_GRAM},}}")
_WORD = re.compile(r"\w+")
HARMLESS = frozenset(
    """a an and are as at be by call can for from has have in is it last line most no none not of on or recent that the
    this to was with error file module traceback true false value""".split()  # noqa: SIM905  # easier to read
)
"""Words that say nothing of a text and much of a traceback."""


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
    """Finds what others have written of some texts, in a log for instance, and masks it: quotations, and every word.

    As they are, in any case, or as Python and JSON write them in literals.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._grams: dict[int, set[str]] = {_GRAM: set(), _WIDE_GRAM: set()}
        self._words: set[str] = set()
        # Logs tell of lines, so what is looked for ends with one.
        for line in filter(None, (line.strip() for text in texts for line in text.splitlines())):
            for written in {line, json.dumps(line)[1:-1], repr(line)[1:-1]}:
                self._grams[_GRAM].update(_windows(_lower(written), _GRAM))
                self._words.update(_lower(word) for word in _WORD.findall(written))
            for wide in _WIDE.findall(line):
                self._grams[_WIDE_GRAM].update(_windows(_lower(wide), _WIDE_GRAM))
        self._words -= HARMLESS

    def __call__(self, line: str) -> str:
        """The line without what it says of the texts."""
        lower, hidden = _lower(line), [False] * len(line)
        for found in _WORD.finditer(line):
            if lower[found.start() : found.end()] in self._words:
                hidden[found.start() : found.end()] = [True] * len(found[0])
        for size, grams in self._grams.items():
            for start, window in enumerate(_windows(lower, size)):
                if window in grams:
                    hidden[start : start + size] = [True] * size
        return "".join(_nameless(sign) if hide else sign for sign, hide in zip(line, hidden, strict=True))


def _lower(text: str) -> str:
    """In small letters, each in its place: a few of them become two otherwise."""
    return "".join(small if len(small := sign.lower()) == 1 else sign for sign in text)


def _windows(text: str, size: int) -> Iterable[str]:
    return (text[start : start + size] for start in range(len(text) - size + 1))
