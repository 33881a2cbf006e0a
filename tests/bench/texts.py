"""What is spoken: always the same texts, and the same moments at which they come."""

import itertools
import math
import random
from collections.abc import Sequence

PACE = 15
"""Characters that the bench's provider speaks in a second."""
TEXTS = 200
HEAD = 20
"""How many of them the original is given; they have the same lengths as every other twenty."""
SHORTEST, LONGEST, COMMONEST = 3.0, 15.0, 6.0
"""Seconds of a text; a triangle with its peak there has a mean of 8."""
STREAM_PER_HOUR = 600
STREAM_TEXTS = 600
_WORDS = "the quick brown fox jumps over a lazy dog while rain falls on old roofs and nobody minds"


def texts(count: int = TEXTS) -> list[str]:
    """So many different texts; each `HEAD` of them have lengths from all of the triangle."""
    dice = random.Random(4)  # noqa: S311  # no secret
    lengths: list[float] = []
    while len(lengths) < count:
        block = [_quantile(place / (HEAD - 1)) for place in range(HEAD)]
        dice.shuffle(block)
        lengths += block
    return [_text(number, seconds) for number, seconds in enumerate(lengths[:count])]


def seconds(text: str) -> float:
    """How long its speech is."""
    return len(text) / PACE


def arrivals(count: int, per_hour: float = STREAM_PER_HOUR) -> Sequence[float]:
    """When each text of a Poisson stream comes, the first at 0; seconds."""
    dice = random.Random(12)  # noqa: S311  # no secret
    return [0.0, *itertools.accumulate(dice.expovariate(per_hour / 3600) for _ in range(count - 1))]


def _quantile(share: float) -> float:
    """The length that this share of all texts does not reach."""
    width, rising = LONGEST - SHORTEST, COMMONEST - SHORTEST
    if share < rising / width:
        return SHORTEST + math.sqrt(share * width * rising)
    return LONGEST - math.sqrt((1 - share) * width * (LONGEST - COMMONEST))


def _text(number: int, seconds: float) -> str:
    """A text of this length, with its number, that ends in a letter."""
    characters = round(seconds * PACE)
    text = " ".join(itertools.islice(itertools.cycle([f"Text {number}", *_WORDS.split()]), characters))[:characters]
    return text[:-1] + "s"
