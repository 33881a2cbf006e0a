"""Range and If-None-Match, held against the plainest reading of RFC 9110."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.byte_ranges import is_known, is_meant, requested_part
from app.api.problems import RangeNotSatisfiable

CONTENT = bytes(range(100))
ETAG = '"abc"'
_number = st.integers(0, 150)


def part_of(wanted: str | None, if_range: str | None = None) -> bytes:
    """What the caller would get of CONTENT."""
    part = requested_part(wanted, if_range, ETAG, len(CONTENT))
    return CONTENT if part is None else CONTENT[part.start : part.stop]


@given(first=_number, last=_number)
def test_a_range_is_the_bytes_from_first_to_last(first: int, last: int) -> None:
    """Both ends count; one that runs backwards is ignored, one that starts behind the end is refused."""
    if last < first:
        assert part_of(f"bytes={first}-{last}") == CONTENT
    elif first >= len(CONTENT):
        with pytest.raises(RangeNotSatisfiable):
            part_of(f"bytes={first}-{last}")
    else:
        assert part_of(f"bytes={first}-{last}") == CONTENT[first : last + 1]


@given(first=st.integers(0, 99))
def test_an_open_range_goes_to_the_end(first: int) -> None:
    """Nothing behind the dash means all the rest."""
    assert part_of(f"bytes={first}-") == CONTENT[first:]


@given(count=st.integers(1, 150))
def test_a_suffix_is_the_last_bytes(count: int) -> None:
    """Nothing before the dash counts from the end; more than there is, is all."""
    assert part_of(f"bytes=-{count}") == CONTENT[-count:]


def test_the_last_no_bytes_are_refused() -> None:
    """A part without a byte cannot be sent."""
    with pytest.raises(RangeNotSatisfiable):
        part_of("bytes=-0")


@given(st.text(max_size=30) | st.from_regex(r"(?i)bytes=[-0-9, ]*") | st.just("bytes=" + "9" * 6000 + "-"))
def test_whatever_a_range_says_the_answer_is_a_part_or_a_refusal(wanted: str) -> None:
    """Nothing that can be sent is a mistake of ours."""
    try:
        part = part_of(wanted)
    except RangeNotSatisfiable:
        return
    assert part
    assert part in CONTENT


@pytest.mark.parametrize("wanted", [None, "", "bytes=", "bytes=-", "bytes=0-1,5-9", "lines=0-1", "bytes=a-b", "0-1"])
def test_what_is_no_single_range_gets_the_whole(wanted: str | None) -> None:
    """Several ranges, other units and mistakes are ignored, as the RFC allows."""
    assert part_of(wanted) == CONTENT


@pytest.mark.parametrize("version", ['"other"', f"W/{ETAG}", "Mon, 23 Nov 2026 10:00:00 GMT"])
def test_a_part_of_another_version_is_not_continued(version: str) -> None:
    """If-Range with anything but this very version gets the whole."""
    assert part_of("bytes=5-9", version) == CONTENT
    assert part_of("bytes=5-9", ETAG) == CONTENT[5:10]


@pytest.mark.parametrize(
    "known", [["*"], [ETAG], [f"W/{ETAG}"], [f'"x", {ETAG}'], [f'"a,b",W/{ETAG} , "y"'], ['"x"', ETAG]]
)
def test_a_version_that_is_named_is_known(known: list[str]) -> None:
    """Lists, several lines, weak tags and the asterisk count."""
    assert is_known(known, ETAG)


@pytest.mark.parametrize("known", [[], [""], ["abc"], ['"abcd"'], ['"ABC"'], ['"x,abc"'], ['"']])
def test_a_version_that_is_not_named_is_not_known(known: list[str]) -> None:
    """Only the very tag counts."""
    assert not is_known(known, ETAG)


@pytest.mark.parametrize(
    ("match", "meant"),
    [
        ([], True),
        (["*"], True),
        ([ETAG], True),
        (['"x"', f'"y", {ETAG}'], True),
        ([f"W/{ETAG}"], False),
        (["x"], False),
    ],
)
def test_a_request_is_about_the_version_that_it_names(match: list[str], meant: bool) -> None:
    """If-Match compares byte by byte, so a weak tag never matches."""
    assert is_meant(match, ETAG) is meant
