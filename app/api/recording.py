"""Makes a recording fit to be cloned from: decoded, mono, without silence at its ends, 16-bit; or says why it is not.

Nothing here trusts the file: only formats that are asked for reach the decoder, and only so many samples leave it.
"""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import soundfile

from app.shared.errors import RequestRefused

SHORTEST_SECONDS = 3.0
LONGEST_SECONDS = 60.0
FORMATS = ("WAV", "WAVEX", "MP3", "FLAC", "OGG")

AT_ONCE = 2
"""Recordings that are decoded at the same time: each may take 300 MB for a moment."""

_BEGINNINGS = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")
_LONGEST_READ_SECONDS = 2 * LONGEST_SECONDS
"""With the silence at both ends."""

_SAMPLE_RATES = range(8000, 96001)
_FRAME_SECONDS = 0.02
_SILENCE_BELOW_LOUDEST = 0.01
"""40 dB below the loudest frame is silence, and so is 60 dB below full scale."""

_SILENCE = 0.001
_MARGIN_FRAMES = 5
_FULL_SCALE = 0.998
_CLIPPED_RUN = 3
_CLIPPED_SHARE = 0.001
"""A peak may touch full scale; where runs of samples stay there for longer than this, the wave is cut off."""


@dataclass(frozen=True)
class Recording:
    """A wav of 16 bits and one channel."""

    content: bytes
    seconds: float
    sample_rate: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def prepare(content: bytes) -> Recording:
    """The recording that the file holds. Raises RequestRefused for one that cannot be cloned from."""
    samples, sample_rate = _decode(content)
    if not np.isfinite(samples).all():
        raise _refused("holds samples that are no numbers", code="not_audio")
    if any(_is_clipped(channel) for channel in samples.T):
        raise _refused("is clipped: record it again with less gain", code="reference_clipped")
    trimmed = _trimmed(samples.mean(axis=1), sample_rate)
    seconds = len(trimmed) / sample_rate
    bounds = f"it must last {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} s"
    if seconds < SHORTEST_SECONDS:
        raise _refused(f"lasts {seconds:.1f} s without the silence at its ends; {bounds}", code="reference_too_short")
    if seconds > LONGEST_SECONDS:
        raise _refused(f"lasts {seconds:.1f} s without the silence at its ends; {bounds}", code="reference_too_long")
    wav = io.BytesIO()
    soundfile.write(wav, np.clip(trimmed, -1, 1), sample_rate, format="WAV", subtype="PCM_16")
    return Recording(wav.getvalue(), round(seconds, 3), sample_rate)


def _decode(content: bytes) -> tuple[np.ndarray, int]:
    """The samples, a column a channel."""
    if not content.startswith(_BEGINNINGS):
        raise _refused("is no wav, mp3, flac or ogg file", code="not_audio")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if file.format not in FORMATS:
                raise _refused("is no wav, mp3, flac or ogg file", code="not_audio")
            if file.channels > 2 or file.samplerate not in _SAMPLE_RATES:
                detail = f"has {file.channels} channels at {file.samplerate} Hz; 1 or 2 at 8,000 to 96,000 Hz are taken"
                raise _refused(detail, code="unsupported_audio")
            most = int(_LONGEST_READ_SECONDS * file.samplerate)
            samples: np.ndarray = file.read(most + 1, dtype="float32", always_2d=True)
            if len(samples) > most:
                raise _refused(f"lasts more than {_LONGEST_READ_SECONDS:g} s", code="reference_too_long")
            return samples, int(file.samplerate)
    except soundfile.SoundFileError:
        raise _refused("cannot be decoded", code="not_audio") from None


def _is_clipped(channel: np.ndarray) -> bool:
    """Whether runs of samples stay at full scale."""
    # One byte a sample: numpy's own integers would take more than the samples do.
    clipped = np.zeros(len(channel) + 2, np.int8)
    clipped[1:-1] = np.abs(channel) >= _FULL_SCALE
    edges = np.diff(clipped)
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return bool(lengths[lengths >= _CLIPPED_RUN].sum() > _CLIPPED_SHARE * len(channel))


def _trimmed(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """The samples from a moment before the first sound to a moment after the last."""
    size = int(_FRAME_SECONDS * sample_rate)
    frames = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    loudness = np.sqrt((frames**2).mean(axis=1))
    sounding = np.flatnonzero(loudness > max(_SILENCE, _SILENCE_BELOW_LOUDEST * loudness.max(initial=0.0)))
    if not len(sounding):
        raise _refused("is silent", code="reference_silent")
    start = max(0, sounding[0] - _MARGIN_FRAMES) * size
    return samples[start : (sounding[-1] + 1 + _MARGIN_FRAMES) * size]


def _refused(problem: str, *, code: str) -> RequestRefused:
    return RequestRefused("file", f"the recording {problem}", code=code)
