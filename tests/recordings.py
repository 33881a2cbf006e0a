"""Recordings to clone voices from, made here: nobody's voice."""

import io

import numpy as np
import soundfile


def tone(seconds: float, *, sample_rate: int = 16000, gain: float = 0.5, silence: float = 0.0) -> np.ndarray:
    """A tone that swells, with so many seconds of silence before and after it."""
    moments = np.arange(int(seconds * sample_rate)) / sample_rate
    sound = gain * np.sin(2 * np.pi * 220 * moments) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * moments))
    quiet = np.zeros(int(silence * sample_rate))
    joined: np.ndarray = np.concatenate((quiet, sound, quiet)).astype(np.float32)
    return joined


def encoded(samples: np.ndarray, *, sample_rate: int = 16000, form: str = "WAV", subtype: str | None = None) -> bytes:
    """The bytes of a file with these samples."""
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format=form, subtype=subtype)
    return file.getvalue()
