"""Cuts a text into pieces that an engine speaks well: at sentences, else at clauses, else at words.

Nothing is lost or changed but white space at the cuts: the pieces in order are the text. Each says how long a reader
would rest after it, so that a cut inside a sentence does not sound like its end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import regex
import sentencex

# How long a reader rests, in seconds.
PARAGRAPH = 0.9
SENTENCE = 0.5
CLAUSE = 0.2
WORD = 0.0

_PARAGRAPHS = regex.compile(r"\n\s*\n\s*|\u2029\s*")

# What sentencex takes for a sentence and is none: it ends with an abbreviation or a number, or is nothing else.
_TITLES = "dr|mr|mrs|ms|st|prof|mme|mlle|mgr|sr|sra|hr|fr|dhr|mevr|mw|dott|sig|np|ул|проф|डॉ|श्री|प्रो"
_ABBREVIATION = rf"(?<![\p{{L}}\p{{M}}\p{{N}}])(?:\p{{L}}\p{{M}}*|(?i:{_TITLES}))[.\uff0e]"
_UNFINISHED = regex.compile(rf"(?:{_ABBREVIATION}|(?<!\p{{N}})\d{{1,2}}[.\uff0e]|^\s*\S{{1,5}}[.\uff0e])\s*$")
# A quotation whose speaker is named next, in languages that put no space there.
_QUOTATION = regex.compile(r"[\p{Pe}\p{Pf}\"']$")
_WORD = regex.compile(r"\p{L}")
# What belongs to the sentence before: white space, and what closes something that it has opened.
_REST = regex.compile(r"\s*[\p{Pe}\p{Pf}\u2026]|\s*$")

# The marks that end a sentence and a clause in any script. A space follows them, or they stand inside a number, a time
# or an address; but not in Chinese and Japanese, whose own marks end something wherever they stand, nor after a dash.
_CLOSERS = r"[\p{Pe}\p{Pf}\"']{0,3}"
_ENDS = r".!?\u2026\u061f\u06d4\u0964\u0965\u1362\u17d4\u104b"
_WIDE_ENDS = r"\u3002\uff01\uff1f\uff61"
_CLAUSE_ENDS = r",;:\u2013\u060c\u061b\u1361\u1363\u1364\u104a"
_WIDE_CLAUSE_ENDS = r"\uff0c\uff1b\uff1a\u3001\uff64\u2014"

# Where a sentence that is too long may be cut, the better places first.
_PLACES = (
    (regex.compile(rf"(?<=[{_ENDS}]{_CLOSERS})(?<!{_ABBREVIATION})\s+|(?<=[{_WIDE_ENDS}]{_CLOSERS})\s*"), SENTENCE),
    (regex.compile(rf"(?<=[{_CLAUSE_ENDS}]{_CLOSERS})\s+|(?<=[{_WIDE_CLAUSE_ENDS}]{_CLOSERS})\s*"), CLAUSE),
    (regex.compile(r"\n\s*"), CLAUSE),
    (regex.compile(r"\s+"), WORD),
)
# Scripts that put a space between phrases only.
_SPACE_ENDS_PHRASE = {"th", "lo", "km", "my"}
_CHARACTER = regex.compile(r"\X")


@dataclass(frozen=True)
class Chunk:
    """A piece of a text, and how many seconds of silence naturally follow it where another one does."""

    text: str
    pause: float


def split(text: str, language: str, longest: int) -> list[str]:
    """The texts of `cut`."""
    return [chunk.text for chunk in cut(text, language, longest)]


def cut(text: str, language: str, longest: int) -> list[Chunk]:
    """The text in chunks of at most `longest` characters; one chunk, as it is, when it is short enough.

    `language` is an ISO 639 code, maybe with a region; for one that sentencex does not know, it takes the rules of a
    near one.
    """
    if len(text) <= longest:
        return [Chunk(text, PARAGRAPH)]
    language = language.partition("-")[0]
    parts = (part for whole in _sentences(text, language) for part in _shortened(whole, language, longest))
    chunks = [replace(chunk, text=chunk.text.strip()) for chunk in _joined(parts, longest)]
    return [chunk for chunk in chunks if chunk.text]


def _sentences(text: str, language: str) -> Iterator[Chunk]:
    for paragraph in _parts(Chunk(text, PARAGRAPH), _PARAGRAPHS, PARAGRAPH):
        sentences: list[str] = []
        before = ""
        for segment in sentencex.segment(language, paragraph.text):
            if sentences and _belong_together(before, segment):
                sentences[-1] += segment
            else:
                sentences.append(segment)
            before = segment
        yield from (Chunk(sentence, SENTENCE) for sentence in sentences[:-1])
        yield from (Chunk(sentence, paragraph.pause) for sentence in sentences[-1:])


def _belong_together(before: str, segment: str) -> bool:
    """Whether two of sentencex' sentences are one."""
    quotation = _QUOTATION.search(before) and _WORD.match(segment)
    return bool(quotation or _UNFINISHED.search(before) or _REST.match(segment))


def _shortened(part: Chunk, language: str, longest: int) -> Iterator[Chunk]:
    """The part in pieces that are short enough, cut at the best places there are."""
    if len(part.text.strip()) <= longest:
        yield part
        return
    for place, pause in _PLACES:
        pieces = _parts(part, place, CLAUSE if language in _SPACE_ENDS_PHRASE and pause == WORD else pause)
        if len(pieces) > 1:
            for piece in _joined(pieces, longest):
                yield from _shortened(piece, language, longest)
            return
    yield from _hacked(part, longest)


def _hacked(part: Chunk, longest: int) -> Iterator[Chunk]:
    """A word without a break, or a script without spaces: at least no character is torn from its accents."""
    characters = [Chunk(character, WORD) for character in _CHARACTER.findall(part.text)]
    characters[-1] = replace(characters[-1], pause=part.pause)
    for piece in _joined(characters, longest):
        starts = range(0, len(piece.text), longest)
        for start in starts:
            yield Chunk(piece.text[start : start + longest], piece.pause if start == starts[-1] else WORD)


def _parts(whole: Chunk, place: "regex.Pattern[str]", pause: float) -> list[Chunk]:
    """The whole, cut behind every such place; the last part rests like the whole."""
    text = whole.text
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    ends = [match.end() for match in place.finditer(text) if first < match.end() < last]
    parts = [Chunk(text[start:end], pause) for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [*parts[:-1], replace(parts[-1], pause=whole.pause)]


def _joined(parts: Iterable[Chunk], longest: int) -> Iterator[Chunk]:
    """Neighbours put together for as long as they fit; a part that is too long stays alone.

    A paragraph's end is the best place of all, so it ends a chunk that is at least half full.
    """
    joined = Chunk("", WORD)
    for part in parts:
        together = joined.text + part.text
        full = len(together.strip()) > longest
        rests = joined.pause == PARAGRAPH and len(joined.text.strip()) >= longest / 2
        if joined.text.strip() and (full or rests):
            yield joined
            together = part.text
        joined = Chunk(together, part.pause)
    if joined.text:
        yield joined
