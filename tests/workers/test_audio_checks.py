"""A wav is looked at before it is published: length, silence, loudness, and whether it holds numbers at all."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.shared.errors import AudioRejected
from workers.audio_checks import check, measure

RATE = 24000
ANY_LENGTH = (0.0, 1e9)
Samples = NDArray[np.float32]


def tone(seconds: float, level: float = 0.3) -> Samples:
    return np.asarray(level * np.sin(np.arange(int(seconds * RATE)) * 0.06), np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)


def wav(folder: Path, *parts: Samples, subtype: str = "PCM_16") -> Path:
    path = folder / "clip.wav"
    soundfile.write(path, np.concatenate(parts), RATE, subtype=subtype)
    return path


def rejection(path: Path, expected: tuple[float, float] = ANY_LENGTH) -> str:
    with pytest.raises(AudioRejected) as caught:
        check(path, 40, expected)
    assert caught.value.code == "audio_rejected"
    return caught.value.detail


def test_a_clip_like_speech_passes_and_says_what_was_measured(tmp_path: Path) -> None:
    """The checks are a flat object of numbers with their units in their names."""
    path = wav(tmp_path, tone(1), silence(0.5), tone(0.5))
    assert check(path, 40, (0.5, 9.0)) == {
        "passed": True,
        "seconds_per_character": 0.05,
        "peak": 0.3,
        "silent_share": 0.25,
        "longest_silence_seconds": 0.5,
        "clipped_share": 0.0,
    }


@pytest.mark.parametrize(("expected", "seconds"), [((0.5, 1.5), "2.0 s"), ((2.5, 9.0), "2.0 s")])
def test_a_clip_of_an_impossible_length_is_rejected(
    tmp_path: Path, expected: tuple[float, float], seconds: str
) -> None:
    """The detail says how long it is, how long it should be, and what to do."""
    detail = rejection(wav(tmp_path, tone(2)), expected)
    assert f"lasts {seconds}" in detail
    assert f"{expected[0]} to {expected[1]} s were expected" in detail
    assert "another seed" in detail


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ([silence(2)], "silent: its peak is 0.0000"),
        ([tone(2, 0.0005)], "is silent"),
        ([tone(1), silence(11), tone(30)], "silent for 11.0 s on end"),
        ([tone(0.3), silence(5)], "of the clip are silent"),
        ([tone(1), np.full(RATE, 1.0, np.float32)], "are clipped"),
    ],
)
def test_what_cannot_be_speech_is_rejected(tmp_path: Path, parts: list[Samples], word: str) -> None:
    """Silence, pauses that nobody makes, and noise beyond full scale."""
    assert word in rejection(wav(tmp_path, *parts))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_rejected(tmp_path: Path, bad: float) -> None:
    """A wav of floats can hold what an overflow has left."""
    broken = tone(1)
    broken[5000] = bad
    assert "no numbers" in rejection(wav(tmp_path, broken, subtype="FLOAT"))


@pytest.mark.parametrize(
    "parts",
    [
        [tone(0.2), silence(0.5)],
        [tone(0.3), silence(2.5)],
        [tone(1), silence(9), tone(2)],
        [tone(1, 0.02), silence(0.3)],
        [np.clip(tone(2, 1.0005), -1, 1)],
    ],
)
def test_what_speech_may_well_be_passes(tmp_path: Path, parts: list[Samples]) -> None:
    """One syllable, a long pause, a quiet voice, and one that touches full scale here and there."""
    if parts[0].max() == 1.0:
        parts = [*parts, tone(30)]
    assert check(wav(tmp_path, *parts), 40, ANY_LENGTH)["passed"]


def test_a_clip_that_ends_before_its_header_says_is_rejected(tmp_path: Path) -> None:
    """However it came to be cut, what is missing is not taken for the end."""
    path = tmp_path / "clip.flac"
    soundfile.write(path, tone(2), RATE)
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(AudioRejected):
        measure(path)


def test_a_clip_of_twenty_minutes_is_read_in_little_memory(tmp_path: Path) -> None:
    """It is read block by block: twenty minutes as floats alone would be 115 MB."""
    path = tmp_path / "clip.wav"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for _ in range(20):
            file.write(np.concatenate([tone(50), silence(10)]))
    tracemalloc.start()
    found = measure(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.duration_seconds == 1200
    assert found.longest_silence_seconds == pytest.approx(10, abs=0.05)
    assert most < 20_000_000


@settings(max_examples=50)
@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=3000), st.sampled_from([1, 2]))
def test_measures_of_any_samples_are_sound(
    tmp_path_factory: pytest.TempPathFactory, told: list[float], ears: int
) -> None:
    """Whatever the samples, shares are shares, and no silence is longer than the clip."""
    path = tmp_path_factory.getbasetemp() / "any.wav"
    samples = np.asarray(told, np.float32)
    soundfile.write(path, np.stack([samples] * ears, axis=1), RATE, subtype="FLOAT")
    found = measure(path)
    assert found.duration_seconds == len(told) / RATE
    assert found.peak == pytest.approx(np.abs(samples).max())
    assert 0 <= found.silent_share <= 1
    assert 0 <= found.clipped_share <= 1
    assert 0 <= found.longest_silence_seconds <= found.duration_seconds
