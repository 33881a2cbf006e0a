"""Kaggle's two log formats, however they are cut."""

import json

from hypothesis import given
from hypothesis import strategies as st

from workers.kernel import LogRecord
from workers.kernel_log import parse_array, parse_events, progress_in


def event(record: LogRecord) -> bytes:
    entry = {"stream_name": record.stream, "time": record.time, "data": record.text}
    return b"data: " + json.dumps(entry, ensure_ascii=False).encode() + b"\n\n"


# Half a surrogate pair cannot be sent as UTF-8 in the first place.
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(texts, max_size=5), st.integers(min_value=1, max_value=7))
def test_a_stream_is_read_the_same_however_its_bytes_are_cut(lines: list[str], size: int) -> None:
    """Characters of several bytes, and those that other parsers take for line ends, survive every cut."""
    records = [LogRecord("stdout", float(number), line) for number, line in enumerate(lines)]
    sent = b"".join(map(event, records)) + b"data: END_OF_LOG\n\n" + event(LogRecord("stdout", 9.0, "too late"))
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert list(parse_events(pieces)) == records


@given(st.text())
def test_a_log_that_is_none_has_no_records(text: str) -> None:
    """Whatever Kaggle sends in place of a log is no error."""
    assert all(isinstance(record, LogRecord) for record in parse_array(text))


def test_progress_is_found_among_other_output() -> None:
    """Only whole progress lines count; what looks like one and is not is passed over."""
    text = 'hello\n::kavox {"seq": 3, "phase": "synthesizing", "done": 1, "of": 4}\n::kavox {"seq": \n::kavox []\n'
    (progress,) = progress_in(LogRecord("stdout", 1.0, text))
    assert (progress.seq, progress.phase, progress.fraction) == (3, "synthesizing", 0.25)
