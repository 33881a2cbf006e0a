"""What a notebook is told of a job's text."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.shared.chunks import PARAGRAPH, SENTENCE
from app.shared.provider import load_providers
from app.shared.run_parameters import run_parameters
from tests.workers.jobs import make_job

HIBARI = load_providers(Path(__file__).parents[2] / "notebooks")["hibari"]


@pytest.mark.parametrize("speed", [None, 1.0, 2.0])
def test_a_long_text_comes_in_chunks_with_the_rests_between_them(speed: float | None) -> None:
    """One rest fewer than chunks, in seconds; who speaks twice as fast rests half as long."""
    paragraph = "A sentence of some words, as they all are. " * 16
    job = make_job(f"{paragraph}\n\n{paragraph}")
    job = replace(job, speech=replace(job.speech, options={"speed": speed} if speed else {}))
    [item] = run_parameters("run", [job], HIBARI, model="hibari", host="kaggle")["items"]
    assert " ".join(item["chunks"]).split() == job.speech.text.split()
    assert [len(chunk) <= HIBARI.limits.max_chunk_characters for chunk in item["chunks"]] == [True] * 4
    assert item["pauses"] == [one / (speed or 1) for one in (SENTENCE, PARAGRAPH, SENTENCE)]


def test_a_short_text_has_one_chunk_and_no_rest() -> None:
    """It is handed over as it is."""
    job = make_job("Hello.\n\nGoodbye.")
    [item] = run_parameters("run", [job], HIBARI, model="hibari", host="kaggle")["items"]
    assert (item["chunks"], item["pauses"]) == (["Hello.\n\nGoodbye."], [])
