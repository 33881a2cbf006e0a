"""Errors as a log tells them: what they are and where they happened, and no word that may be a caller's."""

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from app.shared.errors import KavoxError, NotebookFailed
from app.shared.tracebacks import told

MARK = "zebra7crossing"


def said(error: BaseException) -> str:
    """What is told of this error, raised with a variable beside it."""
    text = f"{MARK} in a variable"
    try:
        assert text
        raise error
    except type(error) as raised:
        return told((type(raised), raised, raised.__traceback__))


def caused(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        (ValueError(MARK), "ValueError\n"),
        (KeyError(MARK), "KeyError\n"),
        (requests.ConnectionError(f"GET /a.wav?X-Goog-Signature={MARK}"), "requests.exceptions.ConnectionError\n"),
        (NotebookFailed(f"the notebook died: {MARK}"), "app.shared.errors.NotebookFailed: notebook_failed\n"),
        (KavoxError(MARK), "app.shared.errors.KavoxError: internal_error\n"),
        (caused(RuntimeError(MARK), ValueError(MARK)), "RuntimeError\n"),
        (ExceptionGroup(MARK, [ValueError(MARK)]), "ExceptionGroup\n"),
    ],
)
def test_an_errors_own_words_are_left_out_where_they_may_quote(error: BaseException, begins: str) -> None:
    """Its kind and where it happened are there, and whatever it came of."""
    lines = said(error)
    assert lines.startswith(begins)
    assert f"{__file__}:" in lines
    assert "in said" in lines
    assert MARK not in lines
    if error.__cause__ or isinstance(error, ExceptionGroup):
        assert "\nValueError" in lines


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "/var/lib/kavox/audio"),
        AttributeError("'NoneType' object has no attribute 'id'"),
        ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
    ],
)
def test_the_words_of_the_system_and_the_interpreter_are_told(error: BaseException) -> None:
    """They say what is to be mended, and quote nobody."""
    assert str(error) in said(error)


def test_errors_that_came_of_each_other_end() -> None:
    """A ring of causes is told once."""
    one, other = ValueError("one"), TypeError("other")
    one.__cause__, other.__cause__ = other, one
    assert told((ValueError, one, None)).splitlines() == ["ValueError", "TypeError: other"]


@given(st.text(min_size=8))
def test_no_text_of_a_value_error_is_told(text: str) -> None:
    """Whatever it says."""
    assert told((ValueError, ValueError(text), None)) == "ValueError"
