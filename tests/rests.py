"""Where a speaker rests: the silences of a clip, and whether anything clicks in them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

# Beside the clip's loudest sample; what a notebook takes for silence at a chunk's ends.
_SILENCE = 0.003
# At each end of a joint a chunk keeps so much of its own silence, in seconds.
OWN = 0.03


def rests(clip: ArrayLike, rate: int = 24_000, shortest: float = 0.15) -> list[tuple[float, float]]:
    """Start and length in seconds of every silence between two sounds that lasts `shortest` or longer."""
    samples = np.asarray(clip, dtype=np.float64)
    sounding = np.flatnonzero(np.abs(samples) > _SILENCE * np.abs(samples).max())
    ends = np.flatnonzero(np.diff(sounding) >= shortest * rate)
    return [(sounding[end] / rate, (sounding[end + 1] - sounding[end]) / rate) for end in ends]


def steepest(clip: ArrayLike, spans: Iterable[tuple[float, float]], rate: int = 24_000) -> float:
    """The largest step from one sample to the next in these parts of the clip, beside its loudest: a click is high."""
    samples = np.asarray(clip, dtype=np.float64)
    parts = [samples[max(0, int(start * rate)) : int((start + seconds) * rate)] for start, seconds in spans]
    return float(max(np.abs(np.diff(part)).max(initial=0) for part in parts) / np.abs(samples).max())
