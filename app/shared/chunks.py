"""Cuts a text into pieces that an engine speaks well: at sentences, else at clauses, else at words.

Nothing is lost or changed but white space at the cuts: the pieces in order are the text.
"""

import re
from collections.abc import Iterable, Iterator

import sentencex

# Where a sentence that is too long may be cut, the better places first: after a clause, in any script, at white space.
_CLAUSE_ENDS = ",;:\uff0c\uff1b\uff1a\u3001\u060c\u061b\u2013\u2014"
_PLACES = (re.compile(rf"(?<=[{_CLAUSE_ENDS}])\s*"), re.compile(r"\s+"))


def split(text: str, language: str, longest: int) -> list[str]:
    """The text in pieces of at most `longest` characters; one piece, as it is, when it is short enough.

    `language` is an ISO 639 code; for one that sentencex does not know, it takes the rules of a near one.
    """
    if len(text) <= longest:
        return [text]
    pieces = (piece for sentence in sentencex.segment(language, text) for piece in _shortened(sentence, longest))
    return [piece.strip() for piece in _joined(pieces, longest) if piece.strip()]


def _shortened(sentence: str, longest: int) -> Iterator[str]:
    """The sentence in pieces that are short enough, cut at the best places there are."""
    if len(sentence.strip()) <= longest:
        yield sentence
        return
    for place in _PLACES:
        parts = _cut(sentence, place)
        if len(parts) > 1:
            for part in _joined(parts, longest):
                yield from _shortened(part, longest)
            return
    # One word without a break, or a script without spaces.
    yield from (sentence[at : at + longest] for at in range(0, len(sentence), longest))


def _cut(sentence: str, place: re.Pattern[str]) -> list[str]:
    ends = [match.end() for match in place.finditer(sentence) if 0 < match.end() < len(sentence)]
    return [sentence[start:end] for start, end in zip([0, *ends], [*ends, len(sentence)], strict=True)]


def _joined(parts: Iterable[str], longest: int) -> Iterator[str]:
    """Neighbours put together for as long as they fit; a part that is too long stays alone."""
    joined = ""
    for part in parts:
        if joined and len((joined + part).strip()) > longest:
            yield joined
            joined = ""
        joined += part
    if joined:
        yield joined
