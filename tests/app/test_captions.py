"""Captions of a job: times from the run, lines that can be read, files that players can."""

import itertools

import httpx
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from app.shared.captions import Cue, captions_of
from app.shared.captions import srt as srt_of
from app.shared.captions import vtt as vtt_of
from app.shared.job import Job, Speech
from app.shared.provider import load_providers
from tests.app.workshop import Workshop
from tests.notebooks.local_run import NOTEBOOKS
from tests.tone import tone

HIBARI = load_providers(NOTEBOOKS)["hibari"]
LONG = " ".join(f"This is sentence number {number}, and it is not a short one." for number in range(40))


def finished(text: str, seconds: float, times: list[float], language: str = "en") -> Job:
    speech = Speech(text, "hibari", "hibari", "heart", language, "emulator", gpu=False)
    return Job("1" * 21, "anne", 0.0, speech, audio={"duration_seconds": seconds, "times": times})


def test_chunks_have_the_times_that_the_run_has_told() -> None:
    """And their lines share them, none of them longer than two lines of what can be read at a glance."""
    texts = [chunk.text for chunk in HIBARI.chunks(LONG, "en")]
    assert len(texts) > 3
    times = [time for place in range(len(texts)) for time in (place * 10.0, place * 10.0 + 9)]
    captions = captions_of(finished(LONG, len(texts) * 10.0, times), HIBARI)
    assert captions.measured
    assert [(chunk.start, chunk.text) for chunk in captions.chunks] == [
        (10.0 * n, text) for n, text in enumerate(texts)
    ]
    assert " ".join(cue.text for cue in captions.cues).split() == LONG.split()
    for cue in captions.cues:
        assert cue.start % 10 < 9
        assert cue.end - 9 <= cue.start // 10 * 10 + 1e-6
        assert all(len(line) <= 46 for line in cue.text.split("\n"))
        assert len(cue.text.split("\n")) <= 2


@pytest.mark.parametrize("times", [[], [0.0, 5.0]])
def test_without_times_that_fit_they_are_estimated_and_say_so(times: list[float]) -> None:
    """From the first word to the last, by length: old audio has none, and the manifest may have changed since."""
    captions = captions_of(finished(LONG, 100.0, times), HIBARI)
    assert not captions.measured
    assert (captions.cues[0].start, captions.cues[-1].end) == pytest.approx((0, 100))
    assert all(before.end <= after.start + 1e-6 for before, after in itertools.pairwise(captions.cues))
    assert next(iter(vtt_of([], measured=False))).endswith("NOTE The times are estimated.\n\n")


def test_a_text_in_one_chunk_is_measured_by_its_audio() -> None:
    """Nothing needs to be stored for it."""
    captions = captions_of(finished("Hello.", 2.0, []), HIBARI)
    assert (captions.measured, list(captions.cues)) == (True, [Cue(0, 2.0, "Hello.")])


def test_a_chunk_that_is_not_heard_is_not_shown() -> None:
    """It has nothing to speak in it, and a time without length."""
    texts = [chunk.text for chunk in HIBARI.chunks(LONG, "en")]
    times = [0.0, 1.0, 1.0, 1.0, *(time for place in range(2, len(texts)) for time in (place * 1.0, place + 1.0))]
    captions = captions_of(finished(LONG, 100.0, times), HIBARI)
    shown = " ".join(" ".join(cue.text.split()) for cue in captions.cues)
    assert texts[0] in shown
    assert texts[1] not in shown


def test_wide_scripts_get_shorter_lines() -> None:
    """A reader takes in half as many of them; no space is needed to break a line."""
    captions = captions_of(finished("今日はとても良い天気ですね。" * 6, 30.0, [], "ja"), HIBARI)
    assert len(captions.cues) > 2
    assert all(len(line) <= 21 for cue in captions.cues for line in cue.text.split("\n"))


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), min_size=1, max_size=4)
)
def test_whatever_the_text_players_read_every_line_of_it(texts: list[str]) -> None:
    """Arrows, tags, ampersands, blank lines and digits alone end no cue and begin none."""
    whole = " ".join(texts)
    cues = captions_of(finished(whole, 60.0, []), HIBARI).cues
    shown = webvtt.from_string("".join(vtt_of(cues, measured=True)).replace("\0", "\ufffd"))
    assert len(shown.captions) == len(cues)
    read = list(srt.parse("".join(srt_of(cues))))
    assert len(read) == len(cues)
    for one, cue in zip(read, cues, strict=True):
        assert one.start.total_seconds() == pytest.approx(cue.start, abs=0.001)
        assert one.content.split() == cue.text.replace("-->", "->").split()


def test_a_job_has_captions_once_it_has_audio(api: httpx.Client, workshop: Workshop) -> None:
    """Whatever format was asked for; what ended otherwise says so as its audio does."""
    job = api.post("/synthesize", json={"text": "Fish & chips <now> --> later."}).json()
    path = job["urls"]["captions"]
    assert api.get(path).json()["code"] == "audio_not_ready"
    workshop.start(job["id"])
    workshop.succeed(job["id"], tone(1.5))
    answer = api.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/vtt; charset=utf-8")
    assert answer.text == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nFish &amp; chips &lt;now&gt; --&gt; later.\n\n"
    told = api.get(path, params={"format": "json"}).json()
    assert told["chunks"] == [{"start": 0, "end": 1.5, "text": "Fish & chips <now> --> later.", "job": job["id"]}]
    assert api.get(path, params={"format": "ass"}).json()["code"] == "invalid_value"
    assert "times" not in api.get(f"/jobs/{job['id']}").json()["audio"]
