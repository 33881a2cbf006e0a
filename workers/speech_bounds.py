"""How long the speech of a text may be: the manifest's bounds, for what is really read out.

The manifest bounds the seconds of a plain letter. Some characters take longer than that, and others no time at all:

    upper bound   digits and signs are read as words ("±": plus or minus), capitals and foreign letters may be spelt
    lower bound   only words count, no longer than words are: engines skip what is none, and read "aaaa…" as one sound
"""

import re
import unicodedata

from app.shared.job import Speech
from app.shared.provider import Provider

# In letters. Measured on hibari, whose plain letter takes 0.064 s: "±" takes 0.99 s at most, digits 0.71, "W" 0.45.
_SIGN = 5.0
_SPELT = 2.0
# A syllable of Chinese, Japanese or Korean, also in a text whose language has another pace.
_WIDE = 3.0
_LONGEST_WORD = 20
# Any clip of speech is longer than this: half of the shortest syllable that was measured, at double speed.
_SHORTEST_CLIP = 0.1


def expected_seconds(speech: Speech, provider: Provider) -> tuple[float, float]:
    """The shortest and the longest that the speech may be, in seconds."""
    limits = provider.limits
    language = next(one for one in provider.languages if one.code == speech.language)
    # A language that says more in a character takes longer for it.
    pace = limits.characters_per_second / (language.characters_per_second or limits.characters_per_second)
    speed = float(speech.options.get("speed") or 1.0) if "speed" in provider.options else 1.0
    speakable = re.compile(language.speakable)
    shortest = limits.shortest_seconds_per_character * pace * _least(speech.text, speakable) / speed
    longest = limits.longest_seconds_per_character * sum(_most(sign, pace, speakable) for sign in speech.text)
    return max(_SHORTEST_CLIP, shortest), (longest + limits.longest_fixed_seconds) / speed


def _most(sign: str, pace: float, speakable: re.Pattern[str]) -> float:
    """A character at its longest, in letters of the pace that the manifest gives."""
    if _is_wide(sign):
        return max(pace, _WIDE)
    if sign.isalpha():
        return pace if "a" <= sign <= "z" else pace * _SPELT
    return pace * _SIGN if sign.isdigit() or speakable.match(sign) else pace


def _least(text: str, speakable: re.Pattern[str]) -> int:
    """The letters that cannot have been skipped."""
    spoken = "".join(sign if sign.isalpha() and speakable.match(sign) else " " for sign in text)
    wide = sum(_is_wide(sign) for sign in spoken)
    words = re.sub(r"(.)\1+", r"\1", "".join(" " if _is_wide(sign) else sign for sign in spoken)).split()
    return wide + sum(min(len(word), _LONGEST_WORD) for word in words)


def _is_wide(sign: str) -> bool:
    return sign.isalpha() and unicodedata.east_asian_width(sign) in {"W", "F"}
