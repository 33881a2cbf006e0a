"""How long speech may be: wide enough for everything that can be said, too narrow for an engine gone astray."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared.job import Speech
from app.shared.provider import load_providers
from workers.speech_bounds import expected_seconds

PROVIDERS = load_providers(Path(__file__).parents[2] / "notebooks")
FOX = "The quick brown fox jumps over the lazy dog."


def bounds(text: str, provider: str = "hibari", language: str = "en", **options: object) -> tuple[float, float]:
    speech = Speech(
        text=text, provider=provider, model="", voice=None, language=language, host="local", gpu=False, options=options
    )
    return expected_seconds(speech, PROVIDERS[provider])


# Seconds as hibari 0.2.1 speaks them, the slowest and the fastest that were found.
@pytest.mark.parametrize(
    ("text", "speed", "seconds"),
    [
        ("I", 1.0, 0.62),
        ("W", 1.0, 1.15),
        ("W", 0.5, 2.30),
        ("±", 0.5, 3.00),
        ("±" * 20, 0.5, 39.0),
        ("9" * 35, 1.0, 25.73),
        ("77777 " * 40, 1.0, 129.1),
        ("w " * 150, 1.0, 70.42),
        ("UN EU US WHO " * 30, 1.0, 66.65),
        ("½¾¼" * 20, 1.0, 39.08),
        ("$1,234.56 " * 20, 1.0, 80.6),
        ("WWWWWWWW", 1.0, 3.90),
        ("the " * 100, 1.0, 10.68),
        ("a " * 400, 2.0, 20.5),
        ("a" * 300, 2.0, 1.18),
        ("ab" * 150, 1.0, 2.60),
        ("supercalifragilisticexpialidocious" * 8, 1.0, 2.08),
        ("Hi." + " " * 500 + "Bye.", 2.0, 0.85),
        ("Hi " + "😀" * 200, 2.0, 0.40),
        ("... !!! ??? Hm -- ...", 2.0, 0.28),
        ("Wait " + "." * 300 + " what?", 0.5, 16.9),
        (FOX * 100, 1.0, 290.0),
    ],
)
def test_everything_that_an_engine_really_said_is_within_the_bounds(text: str, speed: float, seconds: float) -> None:
    """Numbers, signs and spelt letters are slow; blanks, emoji and endless words take next to no time."""
    shortest, longest = bounds(text, speed=speed)
    assert shortest < seconds < longest


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_sentence_never_lasts_half_a_minute_nor_a_tenth_of_a_second(provider: str) -> None:
    """The run of 1,222 seconds for one sentence that was seen on Kaggle is far beyond every provider's bounds."""
    language = next(one.code for one in PROVIDERS[provider].languages if one.code.startswith("en"))
    shortest, longest = bounds(FOX, provider, language)
    assert 0.1 < shortest < 1.5
    assert 10 < longest < 40


def test_a_language_that_says_more_in_a_character_has_more_time_for_it() -> None:
    """Chinese has at most a third of the characters that English has for the same speech."""
    text = "春天的时候花都开了" * 10
    assert bounds(text, "qwen", "zh")[0] > 2 * bounds("abcdefghi " * 9, "qwen", "en")[0]
    # 4 to 5 syllables a second are what people speak.
    shortest, longest = bounds(text, "qwen", "zh")
    assert shortest < len(text) / 8 < len(text) / 3 < longest


def test_what_the_notebooks_of_the_gpu_providers_let_pass_is_not_rejected_afterwards() -> None:
    """They allow each chunk 5 seconds and 0.2 a character, 0.6 where it is Chinese, Japanese or Korean."""
    for provider in ("qwen", "chatterbox"):
        for text, seconds in (("a" * 290, 63.0), ("a" * 4500, 15 * 65.0), ("春" * 290, 179.0), ("한" * 900, 555.0)):
            assert bounds(text, provider, "en")[1] > seconds, (provider, text[:3])


@given(st.text(min_size=1, max_size=80), st.floats(0.5, 2.0))
def test_bounds_are_bounds_for_any_text(text: str, speed: float) -> None:
    """The shortest is never above the longest, and neither shrinks when the text grows by a word."""
    shortest, longest = bounds(text, speed=speed)
    assert 0 < shortest < longest
    more = bounds(f"{text} and", speed=speed)
    assert more[0] >= shortest
    assert more[1] > longest
