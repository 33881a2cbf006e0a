"""A kernel's log as lines that a person can read: no colours, no copies, nothing secret.

Kaggle prints what a subprocess writes twice, and tracebacks too, begins every log with a warning of the debugger's, and
cuts lines into records as it likes. Credentials should never get into a log, but a notebook's libraries print what they
please, and what is kept here is read by others.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from workers.kernel import LogRecord

REDACTED = "[redacted]"

# How many lines a copied block may have: a traceback through a few libraries.
_LONGEST_COPY = 200
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# What is left of the control characters after that; tabs are text.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_DEBUGGER = re.compile(
    r"\d+\.\d+s - (?:Debugger warning: |make the debugger miss |to python to disable frozen|Note: Debugging will)"
)
_SECRETS = (
    # Tokens that are known by their beginning: Kaggle, Hugging Face, OpenAI, ElevenLabs, GitHub, AWS, Kavox, any JWT.
    re.compile(r"\b(?:KGAT_|hf_|sk[-_]|gh[opsu]_|github_pat_)[A-Za-z0-9_-]{8,}|\bAKIA[A-Z0-9]{12,}"),
    re.compile(r"\bkavox_[0-9a-z]{12}_[0-9A-Za-z]{49}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"),
    # A legacy key of Kaggle's is 32 hexadecimal digits and nothing else. A job's id has fewer, a sha256 more.
    re.compile(r"(?<![0-9A-Fa-f])[0-9a-f]{32}(?![0-9A-Fa-f])"),
    re.compile(r"(?i)(?<=\bbearer )\s*[^\s\"',;]{6,}|(?<=\bbasic )\s*[A-Za-z0-9+/=]{8,}"),
    # user:password@ in an address, and the signatures of Google's and Amazon's signed ones.
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=signature=)[^\s&\"']{6,}"),
    re.compile(
        r"(?i)(?:(?<=token)|(?<=secret)|(?<=password)|(?<=passwd)|(?<=api_key)|(?<=api-key)|(?<=apikey)|(?<=_key))"
        r"[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{6,}"
    ),
)


def readable(records: Iterable[LogRecord]) -> list[LogRecord]:
    """The log's lines in their order, one record each, without line ends; empty lines are left out."""
    lines = [LogRecord(line.stream, line.time, _plain(line.text)) for line in _whole_lines(records)]
    spoken = [line for line in lines if line.text.strip() and not _DEBUGGER.match(line.text.lstrip())]
    return _without_copies(spoken)


def redacted(text: str) -> str:
    """The text without anything that looks like a credential."""
    for secret in _SECRETS:
        text = secret.sub(lambda found: _keep_assignment(found[0]), text)
    return text


def _keep_assignment(found: str) -> str:
    """`KEY=value` and `"token": "value"` keep what is before the value, so that the line stays readable."""
    before = re.match(r"[\"']?\s*[:=]\s*[\"']?", found)
    return (before[0] if before else "") + REDACTED


def _whole_lines(records: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """One record for each line of its stream, with the time of its end: by then all of it was written."""
    begun: dict[str, LogRecord] = {}
    for record in records:
        before = begun.pop(record.stream, None)
        *lines, rest = ((before.text if before else "") + record.text).split("\n")
        for line in lines:
            yield LogRecord(record.stream, record.time, line)
        if rest:
            begun[record.stream] = LogRecord(record.stream, record.time, rest)
    yield from begun.values()


def _plain(text: str) -> str:
    """One line as a terminal would show it at the end; half a surrogate pair cannot be sent to anybody."""
    shown = next((part for part in reversed(_ANSI.sub("", text).split("\r")) if part.strip()), "")
    return redacted(_CONTROLS.sub("", shown).encode("utf-8", "replace").decode().rstrip())


def _without_copies(lines: Sequence[LogRecord]) -> list[LogRecord]:
    """Without every line or block of lines that only repeats what stands directly before it.

    A block counts for one copy: a notebook that says the same four times is not doubled, or doubled once.
    """
    kept: list[LogRecord] = []
    places: dict[str, list[int]] = {}
    fresh, at = 0, 0
    while at < len(lines):
        if length := _copied(lines, at, kept, places.get(lines[at].text, []), fresh):
            at, fresh = at + length, len(kept)
            continue
        places.setdefault(lines[at].text, []).append(len(kept))
        kept.append(lines[at])
        at += 1
    return kept


def _copied(lines: Sequence[LogRecord], at: int, kept: Sequence[LogRecord], places: Sequence[int], fresh: int) -> int:
    """How many lines from `at` on repeat the end of `kept`, from one of these places; 0 for none."""
    for place in reversed(places[-_LONGEST_COPY:]):
        length = len(kept) - place
        if place < fresh or length > _LONGEST_COPY:
            break
        copy = lines[at : at + length]
        if len(copy) == length and all(one.text == other.text for one, other in zip(copy, kept[place:], strict=True)):
            return length
    return 0
