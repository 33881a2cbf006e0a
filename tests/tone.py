"""A wav to listen to where no voice is needed: a tone, and how much of it is left in another file."""

import io
from typing import Any

import numpy as np
import soundfile

HERTZ = 440


def tone(seconds: float = 1.0, rate: int = 24_000, channels: int = 1, subtype: str = "PCM_16") -> bytes:
    """A wav of a tone that fades in and out."""
    wav = io.BytesIO()
    samples = np.repeat(_samples(int(seconds * rate), rate)[:, None], channels, axis=1)
    soundfile.write(wav, samples, rate, subtype=subtype, format="WAV")
    return wav.getvalue()


def likeness(samples: np.ndarray[Any, Any], rate: int) -> float:
    """How well the samples, a column a channel, match such a tone: 1 is itself, noise or silence are near 0."""
    expected = _samples(len(samples), rate)
    found = [abs(float(np.corrcoef(channel, expected)[0, 1])) for channel in samples.T]
    return min(found)


def _samples(count: int, rate: int) -> np.ndarray[Any, Any]:
    moments = np.arange(count) / rate
    return 0.5 * np.sin(np.pi * np.arange(count) / count) * np.sin(2 * np.pi * HERTZ * moments)
