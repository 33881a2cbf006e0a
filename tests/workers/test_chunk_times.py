"""When chunks are heard, as result.json tells it: believed when it can be, and never worth a job's audio."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app.shared.audio_formats import FORMATS, converted
from app.shared.job import Speech
from app.shared.provider import load_providers
from tests.notebooks.local_run import NOTEBOOKS
from workers.outputs import Audio, ResultItem, checked

RATE, SECONDS = 24_000, 50.0
HIBARI = load_providers(NOTEBOOKS)["hibari"]
TEXT = "This is a sentence of middling length, and there are more. " * 14
GOOD = [{"start": 0.0, "end": 20.0}, {"start": 20.5, "end": 35.1239}, {"start": 35.5, "end": SECONDS}]


def published(folder: Path, chunks: Any, text: str = TEXT) -> Audio:
    """The audio of an item that says this of its chunks."""
    path = folder / "one.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(int(SECONDS * RATE)) * 0.06), RATE, subtype="PCM_16")
    item = ResultItem(
        id="one",
        status="succeeded",
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        sample_rate=RATE,
        duration_seconds=SECONDS,
        chunks=chunks,
    )
    speech = Speech(text, "hibari", "hibari", "heart", "en", "emulator", gpu=False, estimated_seconds=SECONDS)
    return checked(item, folder, speech, HIBARI)


def test_times_that_fit_are_kept_in_one_row(tmp_path: Path) -> None:
    """To the millisecond, with what a job keeps of its audio, whatever format is made of it."""
    assert len(HIBARI.chunks(TEXT, "en")) == len(GOOD)
    view = published(tmp_path, GOOD).view()
    assert view["times"] == [0, 20, 20.5, 35.124, 35.5, 50]
    assert converted(view, FORMATS["mp3"], RATE, 1, "0" * 64)["times"] == view["times"]


@pytest.mark.parametrize(
    "chunks",
    [
        None,
        GOOD[:2],
        [GOOD[1], GOOD[0], GOOD[2]],
        [*GOOD[:2], {"start": 36.0, "end": 50.5}],
        [{"start": -1.0, "end": 20.0}, *GOOD[1:]],
        [{"start": 0.0, "end": float("nan")}, *GOOD[1:]],
        [{"start": 5.0, "end": 4.0}, *GOOD[1:]],
        [{"start": "soon"}] * 3,
        "0-50",
    ],
)
def test_times_that_cannot_be_are_left_out_and_the_audio_stays(tmp_path: Path, chunks: Any) -> None:
    """Old notebooks tell none, and those of others may tell anything."""
    audio = published(tmp_path, chunks)
    assert audio.duration_seconds == SECONDS
    assert "times" not in audio.view()


def test_one_chunk_needs_no_times(tmp_path: Path) -> None:
    """It lasts as long as the audio, and most jobs are such."""
    text = TEXT[:350]
    assert len(HIBARI.chunks(text, "en")) == 1
    assert "times" not in published(tmp_path, [{"start": 0.0, "end": SECONDS}], text).view()
