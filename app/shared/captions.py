"""Captions: what is said when, as SubRip (.srt), WebVTT (.vtt) or plain data. Pure.

A run tells when each chunk of a text is heard. Within a chunk, which is a few sentences, lines have their share of its
time by their length. Where a run has told nothing, the whole text is shared out so, and the captions say it.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import regex

from app.shared.chunks import cut
from app.shared.job import Job
from app.shared.provider import Provider

_LINE = 42
"""Characters that a reader takes in at a glance; half as many where each is twice as wide."""

_CHARACTER = regex.compile(r"\X")


@dataclass(frozen=True)
class Cue:
    """A text, and from when to when it is heard, in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Captions:
    """The chunks of what was spoken and the lines that are shown; `measured` says whether a run has told the times."""

    chunks: Sequence[Cue]
    cues: Sequence[Cue]
    measured: bool

    def later(self, seconds: float) -> "Captions":
        """The same, heard so much later."""
        chunks, cues = (
            [replace(cue, start=cue.start + seconds, end=cue.end + seconds) for cue in some]
            for some in (self.chunks, self.cues)
        )
        return replace(self, chunks=chunks, cues=cues)


def captions_of(job: Job, provider: Provider | None) -> Captions:
    """Those of a job that has succeeded; None for a provider that is no longer there."""
    audio, speech = job.audio or {}, job.speech
    texts = [one.text for one in provider.chunks(speech.text, speech.language)] if provider else [speech.text]
    times, seconds = audio.get("times", ()), audio["duration_seconds"]
    # One chunk is the whole of it.
    measured = provider is not None and (len(texts) == 1 or len(times) == 2 * len(texts))
    if measured and times:
        spans = zip(times[::2], times[1::2], strict=True)
        chunks = [Cue(start, end, text) for (start, end), text in zip(spans, texts, strict=True)]
    else:
        chunks = list(_shared_out(texts, 0.0, seconds))
    heard = [chunk for chunk in chunks if chunk.end > chunk.start]
    return Captions(chunks, [cue for chunk in heard for cue in _readable(chunk, speech.language)], measured)


def _readable(chunk: Cue, language: str) -> Iterator[Cue]:
    """The chunk in pieces of one or two lines."""
    text = " ".join(chunk.text.split())
    line = _LINE // 2 if _is_wide(text) else _LINE
    pieces = [piece.text for piece in cut(text, language, 2 * line - 2)]
    for cue in _shared_out(pieces, chunk.start, chunk.end):
        yield replace(cue, text=_in_lines(cue.text, line))


def _shared_out(texts: Sequence[str], start: float, end: float) -> Iterator[Cue]:
    """Each text with its share of the time by its length."""
    whole, done = sum(map(len, texts)) or 1, 0
    for text in texts:
        begun, done = done, done + len(text)
        first, last = (start + (end - start) * part / whole for part in (begun, done))
        yield Cue(first, last, text)


def _in_lines(text: str, line: int) -> str:
    """The text in two lines that are as alike as can be, if one is too long for it."""
    if len(text) <= line:
        return text
    middle = len(text) / 2
    spaces = [place for place, sign in enumerate(text) if sign == " "]
    if spaces:
        place = min(spaces, key=lambda one: abs(one - middle))
        return f"{text[:place]}\n{text[place + 1 :]}"
    characters = _CHARACTER.findall(text)
    half = (len(characters) + 1) // 2
    return f"{''.join(characters[:half])}\n{''.join(characters[half:])}"


def _is_wide(text: str) -> bool:
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return 2 * wide > len(text)


def srt(cues: Iterable[Cue]) -> Iterator[str]:
    """The cues as a SubRip file, cue by cue. An arrow would be taken for a line of times."""
    for number, cue in enumerate(cues, 1):
        text = cue.text.replace("-->", "->")
        yield f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{text}\n\n"


def vtt(cues: Iterable[Cue], *, measured: bool) -> Iterator[str]:
    """The cues as a WebVTT file, cue by cue."""
    yield "WEBVTT\n\n" + ("" if measured else "NOTE The times are estimated.\n\n")
    for cue in cues:
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{text}\n\n"


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
