"""Whether a wav can be the speech of its text: its length, its silences, its loudness. Nothing is heard here.

    too long, too short   the engine did not come to an end, or stopped in the middle
    silent                nothing in it, or next to nothing, or a pause that nobody makes
    clipped               so loud that it is cut off, which sounds like noise
    not finite            the engine overflowed

A clip may last more than an hour, so it is read a block at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.shared.errors import AudioRejected

# A level is taken of each frame: long enough for the lowest voice, short enough for the shortest pause.
_FRAME_SECONDS = 0.02
_BLOCK_FRAMES = 500
# The loudest sample of a clip in which nothing is to be heard: 60 dB below full scale.
_QUIETEST_PEAK = 0.001
# A frame is silent 40 dB below the clip's own peak: quiet voices have quiet pauses.
_SILENT_PART = 0.01
# Real speech is up to 0.69 silent (one letter, said fast) and pauses for up to 1.8 s (hibari at half speed).
_MOST_SILENT_SHARE = 0.9
_FEW_SILENT_SECONDS = 3.0
_LONGEST_SILENCE_SECONDS = 10.0
# The loudest speech touches full scale here and there; with every hundredth sample cut off it rattles.
_FULL_SCALE = 0.999
_MOST_CLIPPED_SHARE = 0.01

_ADVICE = "the engine went astray: send the job again, with another seed where the provider takes one"

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """What a wav is, in seconds and in parts of one."""

    duration_seconds: float
    peak: float
    silent_share: float
    longest_silence_seconds: float
    clipped_share: float
    finite: bool


def check(path: Path, characters: int, expected: tuple[float, float]) -> dict[str, Any]:
    """What a job shows of these checks. Raises AudioRejected when the wav cannot be its text's speech.

    `expected` is the shortest and the longest that it may be, in seconds.
    """
    measured = measure(path)
    if problem := _problem(measured, characters, expected):
        raise AudioRejected(f"{problem}; {_ADVICE}")
    return {
        "passed": True,
        "seconds_per_character": round(measured.duration_seconds / max(1, characters), 4),
        "peak": round(measured.peak, 4),
        "silent_share": round(measured.silent_share, 4),
        "longest_silence_seconds": round(measured.longest_silence_seconds, 2),
        "clipped_share": round(measured.clipped_share, 6),
    }


def measure(path: Path) -> Measured:
    """Reads the whole wav once. Raises AudioRejected for one that cannot be read to its end."""
    levels: list[NDArray[np.float64]] = []
    count = clipped = 0
    peak, finite = 0.0, True
    try:
        with soundfile.SoundFile(path) as file:
            rate, announced = file.samplerate, file.frames
            size = max(1, int(rate * _FRAME_SECONDS))
            for block in _blocks(file, size * _BLOCK_FRAMES):
                finite = finite and bool(np.isfinite(block).all())
                loud = np.abs(np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=1.0))
                count += len(loud)
                clipped += int((loud >= _FULL_SCALE).sum())
                peak = max(peak, float(loud.max()))
                levels.append(_levels(loud, size))
    except soundfile.LibsndfileError as error:
        raise AudioRejected(f"the wav cannot be read: {error}") from None
    if count != announced or not count:
        raise AudioRejected(f"the wav has {count} of the {announced} samples that its header names")
    silent = np.concatenate(levels) < peak * _SILENT_PART
    return Measured(
        duration_seconds=count / rate,
        peak=peak,
        silent_share=float(silent.mean()),
        longest_silence_seconds=min(_longest_run(silent) * size, count) / rate,
        clipped_share=clipped / count,
        finite=finite,
    )


def _problem(found: Measured, characters: int, expected: tuple[float, float]) -> str | None:
    """What was measured and what was expected, for the first thing that cannot be."""
    shortest, longest = expected
    if not found.finite:
        return "the wav has samples that are no numbers, speech has none"
    if not shortest <= found.duration_seconds <= longest:
        bounds = f"{shortest:.1f} to {longest:.1f} s were expected"
        return f"the clip lasts {found.duration_seconds:.1f} s, for a text of {characters} characters {bounds}"
    if found.peak < _QUIETEST_PEAK:
        return f"the clip is silent: its peak is {found.peak:.4f}, speech has {_QUIETEST_PEAK:g} of full scale or more"
    if found.longest_silence_seconds > _LONGEST_SILENCE_SECONDS:
        longest_pause = f"at most {_LONGEST_SILENCE_SECONDS:g} s were expected"
        return f"the clip is silent for {found.longest_silence_seconds:.1f} s on end, {longest_pause}"
    silence = found.silent_share * found.duration_seconds
    if found.silent_share > _MOST_SILENT_SHARE and silence > _FEW_SILENT_SECONDS:
        return f"{found.silent_share:.0%} of the clip are silent, at most {_MOST_SILENT_SHARE:.0%} were expected"
    if found.clipped_share > _MOST_CLIPPED_SHARE:
        return f"{found.clipped_share:.1%} of the samples are clipped, at most {_MOST_CLIPPED_SHARE:.1%} were expected"
    return None


def _blocks(file: soundfile.SoundFile, size: int) -> Iterator[Samples]:
    """The samples of the loudest channel, block by block."""
    while len(block := file.read(size, dtype="float32", always_2d=True)):
        loudest = np.abs(block).argmax(axis=1) if block.shape[1] > 1 else 0
        yield block[np.arange(len(block)), loudest]


def _levels(loud: Samples, size: int) -> NDArray[np.float64]:
    """The level of each frame; the last one of a clip may be shorter."""
    squares = np.square(loud, dtype=np.float64)
    starts = np.arange(0, len(loud), size)
    lengths = np.minimum(size, len(loud) - starts)
    return np.asarray(np.sqrt(np.add.reduceat(squares, starts) / lengths), dtype=np.float64)


def _longest_run(silent: NDArray[np.bool_]) -> int:
    """The most frames on end that are silent."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))
