"""How texts are cut for engines that lose their way in long ones."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.shared.chunks import split


def squeezed(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
    st.sampled_from(["en", "de", "zh", "ja", "ar", "hi", "ru"]),
    st.integers(min_value=1, max_value=60),
)
def test_nothing_of_a_text_is_lost_and_no_piece_is_too_long(text: str, language: str, longest: int) -> None:
    """But for white space, the pieces in order are the text."""
    pieces = split(text, language, longest)
    assert squeezed("".join(pieces)) == squeezed(text)
    assert all(len(piece) <= longest for piece in pieces)


def test_a_text_is_cut_at_its_sentences() -> None:
    """Short sentences share a piece; a title's full stop is no end."""
    text = "Dr. Smith came home. He was tired. The night was long, and nobody had slept."
    assert split(text, "en", 45) == [
        "Dr. Smith came home. He was tired.",
        "The night was long, and nobody had slept.",
    ]


def test_a_long_sentence_is_cut_at_its_clauses_and_then_at_its_words() -> None:
    """The cut is where a speaker would breathe, if there is such a place."""
    assert split("One two three, four five six, seven eight nine.", "en", 20) == [
        "One two three,",
        "four five six,",
        "seven eight nine.",
    ]
    assert split("one two three four five six", "en", 10) == ["one two", "three four", "five six"]


def test_a_short_text_stays_as_it_is() -> None:
    """What fits is handed over untouched, its white space included."""
    assert split(" Hello.\n\nBye. ", "en", 100) == [" Hello.\n\nBye. "]
