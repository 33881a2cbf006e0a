"""A log for people's eyes: whole lines, no colours, no copies, no secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.logs import DEBUGGER
from workers.kernel import LogRecord
from workers.log_lines import readable, redacted


def texts(*written: str) -> list[str]:
    return [line.text for line in readable(LogRecord("stdout", 1.0, text) for text in written)]


def test_the_debuggers_warning_colours_and_bars_are_left_out() -> None:
    """What a terminal would not show in the end, and what every log begins with, is not kept."""
    assert texts(DEBUGGER, "\x1b[0;31mred\x1b[0m\n", "\n", " 10%|#   |\r 90%|### |\r100%|####|\n") == [
        "red",
        "100%|####|",
    ]


def test_lines_that_were_cut_are_put_together_within_their_stream() -> None:
    """Records end where Kaggle likes; each stream has its own lines, with the time at which they ended."""
    records = [
        LogRecord("stdout", 1.0, "the first "),
        LogRecord("stderr", 2.0, "in between\n"),
        LogRecord("stdout", 3.0, "line\nand the la"),
        LogRecord("stdout", 4.0, "st"),
    ]
    assert readable(records) == [
        LogRecord("stderr", 2.0, "in between"),
        LogRecord("stdout", 3.0, "the first line"),
        LogRecord("stdout", 4.0, "and the last"),
    ]


def test_what_kaggle_prints_twice_is_told_once() -> None:
    """Lines that are doubled one by one, and tracebacks that are doubled whole."""
    traceback = ["Traceback (most recent call last):\n", "  File a\n", "    f()\n", "  File b\n", "    f()\n", "E: x\n"]
    assert texts("one\n", "one\n", "two\n", "two\n", *traceback, *traceback, "end\n") == [
        *("one", "two"),
        *(line.rstrip() for line in traceback),
        "end",
    ]


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_doubling_a_log_line_by_line_does_not_lengthen_it(lines: list[str]) -> None:
    """However the lines repeat each other, their copies go."""
    doubled = texts(*(f"{line}\n" for line in lines for _ in range(2)))
    assert len(doubled) <= len(lines)
    assert set(doubled) == set(lines)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("logged in with KGAT_0123456789abcdef0123456789abcdef", "logged in with [redacted]"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [redacted]"),
        ("Authorization: Basic YWxpY2U6czNjcmV0IQ==", "Authorization: Basic [redacted]"),
        ('{"username":"alice","key":"0123456789abcdef0123456789abcdef"}', '{"username":"alice","key":"[redacted]"}'),
        ("export KAGGLE_KEY=0a1b2c3d4e", "export KAGGLE_KEY=[redacted]"),
        ("KAGGLE_USER_SECRETS_TOKEN: opaque-value-1", "KAGGLE_USER_SECRETS_TOKEN: [redacted]"),
        ('"password": "hunter2hunter2"', '"password": "[redacted]"'),
        ("GET https://alice:s3cret@example.org/simple/", "GET https://[redacted]@example.org/simple/"),
        ("using hf_abcdefghijklmnop", "using [redacted]"),
        (f"as kavox_{'0a' * 6}_{'0Aa' * 16}0", "as [redacted]"),
        ("https://storage.example/a.wav?X-Goog-Signature=abcdef0123&x=1", "https://storage.example/a.wav?X-Goog-Signature=[redacted]&x=1"),
    ],
)  # fmt: skip
def test_what_looks_like_a_credential_is_blotted_out(line: str, left: str) -> None:
    """The rest of the line stays."""
    assert redacted(line) == left
    assert texts(line[:9], f"{line[9:]}\n") == [left]


@pytest.mark.parametrize(
    "line",
    [
        "job 1a209c6348c1e7dba56b2 is spoken",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "max_new_tokens=512, temperature: 0.9",
        "ModuleNotFoundError: No module named 'tokenizers'",
        "KeyError: 'speaker_7'",
    ],
)
def test_what_is_no_credential_stays(line: str) -> None:
    """Ids, sums and ordinary messages are not touched."""
    assert redacted(line) == line


@given(st.lists(st.text(max_size=40), max_size=12))
def test_any_log_can_be_sent_as_utf8_lines(written: list[str]) -> None:
    """Whatever a notebook printed, a line is one line, without control characters, and can be encoded."""
    for line in texts(*written):
        assert line.encode().strip()
        assert len(line.splitlines()) == 1
