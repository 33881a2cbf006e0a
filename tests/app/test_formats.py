"""GET /jobs/{id}/audio?format=…: the same audio in five formats, each made once."""

import io
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
import soundfile

from app.shared.audio_formats import kept_names
from tests.app.conftest import Place
from tests.app.workshop import Workshop
from tests.tone import likeness, tone

MEDIA_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "pcm": "audio/pcm; rate=24000; channels=1",
}
MADE = ["flac", "mp3", "opus", "pcm"]
SOURCES = [(24_000, 1, "PCM_16"), (44_100, 2, "PCM_16"), (22_050, 1, "FLOAT"), (96_000, 2, "PCM_24")]


def spoken(api: httpx.Client, workshop: Workshop, wav: bytes) -> str:
    """A job that has succeeded with this wav; its id."""
    job_id = str(api.post("/synthesize", json={"text": "Hello."}).json()["id"])
    workshop.start(job_id)
    workshop.succeed(job_id, wav)
    return job_id


def decoded(name: str, content: bytes) -> tuple[np.ndarray, int]:
    """The samples, a column a channel, and their rate."""
    if name == "pcm":
        return np.frombuffer(content, "<i2")[:, None] / 2**15, 24_000
    samples, rate = soundfile.read(io.BytesIO(content), always_2d=True)
    return samples, rate


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_every_format_has_the_same_sound(
    api: httpx.Client, workshop: Workshop, name: str, source: tuple[int, int, str]
) -> None:
    """Whatever the engine's wav is, each format arrives whole, says what it is, and sounds and lasts like the wav."""
    rate, channels, subtype = source
    job_id = spoken(api, workshop, tone(1.3, rate, channels, subtype))
    answer = api.get(f"/jobs/{job_id}/audio", params={"format": name})
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPES[name])
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-disposition"] == f'inline; filename="{job_id}.{name}"'
    samples, found_rate = decoded(name, answer.content)
    assert abs(len(samples) / found_rate - 1.3) < 0.05
    assert likeness(samples, found_rate) > 0.98


def test_flac_loses_nothing(api: httpx.Client, workshop: Workshop) -> None:
    """The samples are those of the wav, bit by bit."""
    wav = tone(1)
    job_id = spoken(api, workshop, wav)
    flac = api.get(f"/jobs/{job_id}/audio?format=flac").content
    before, after = (soundfile.read(io.BytesIO(content), dtype="int16")[0] for content in (wav, flac))
    assert np.array_equal(before, after)


@pytest.mark.parametrize("name", ["flac", "mp3", "opus"])
def test_a_file_tells_where_it_came_from(api: httpx.Client, workshop: Workshop, name: str) -> None:
    """The tags name provider, model, voice and host, so that nobody takes emulated or synthetic speech for another."""
    job_id = spoken(api, workshop, tone(0.2))
    content = api.get(f"/jobs/{job_id}/audio", params={"format": name}).content
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        told = file.comment
        assert file.title == f"Kavox {job_id}"
    assert told.startswith("synthetic speech; ")
    for part in ("provider=hibari", "model=small", "voice=heart", "host=emulator", f"job={job_id}"):
        assert part in told


def test_the_wav_is_delivered_as_it_was_published(api: httpx.Client, workshop: Workshop) -> None:
    """Its tags were written before (`test_conversions.py`, `test_journey.py`): it is what the job's sha256 is of."""
    wav = tone(0.2)
    job_id = spoken(api, workshop, wav)
    assert api.get(f"/jobs/{job_id}/audio?format=wav").content == wav


def test_requests_at_the_same_time_share_one_conversion(api: httpx.Client, workshop: Workshop, place: Place) -> None:
    """Every one gets the same bytes, though an encoder writes others each time, and so does whoever comes later."""
    job_id = spoken(api, workshop, tone(8))
    path = f"{api.base_url}/jobs/{job_id}/audio?format=opus"
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: httpx.get(path, timeout=30), range(8)))
    answers.append(httpx.get(path))
    assert [answer.status_code for answer in answers] == [200] * 9
    assert len({answer.content for answer in answers}) == 1
    kept = sorted(path.name for path in (place.data_dir / "audio").glob(f"{job_id}*"))
    assert [name.rpartition(".")[2] for name in kept] == ["opus", "wav"]


def test_the_job_goes_on_to_name_the_wav(api: httpx.Client, workshop: Workshop) -> None:
    """What was asked for besides changes nothing in the job."""
    job_id = spoken(api, workshop, tone(0.2))
    before = api.get(f"/jobs/{job_id}").json()["audio"]
    api.get(f"/jobs/{job_id}/audio?format=mp3")
    assert api.get(f"/jobs/{job_id}").json()["audio"] == before


def test_no_format_outlives_the_wav(api: httpx.Client, workshop: Workshop, place: Place) -> None:
    """When the wav has expired, nothing is made of it any more: every format is a 410."""
    job_id = str(api.post("/synthesize", json={"text": "Hello."}).json()["id"])
    workshop.start(job_id)
    audio = workshop.succeed(job_id, tone(0.2))
    assert api.get(f"/jobs/{job_id}/audio?format=mp3").status_code == 200
    for name in kept_names(job_id, audio):
        (place.data_dir / "audio" / name).unlink(missing_ok=True)
    for name in MEDIA_TYPES:
        answer = api.get(f"/jobs/{job_id}/audio", params={"format": name})
        assert (answer.status_code, answer.json()["code"]) == (410, "audio_expired")


@pytest.mark.parametrize("name", MADE)
def test_a_wav_that_cannot_be_encoded_says_so(api: httpx.Client, workshop: Workshop, name: str) -> None:
    """The wav is still there for whoever asks for it."""
    job_id = spoken(api, workshop, b"RIFF" + bytes(100))
    answer = api.get(f"/jobs/{job_id}/audio", params={"format": name})
    assert (answer.status_code, answer.json()["code"]) == (500, "conversion_failed")
    assert api.get(f"/jobs/{job_id}/audio").status_code == 200


@pytest.mark.parametrize("name", ["aac", "", "WAV", "../wav", "wav/../../x"])
def test_another_format_is_refused(api: httpx.Client, workshop: Workshop, name: str) -> None:
    """The answer names the field; an unknown name also hears which ones there are."""
    job_id = spoken(api, workshop, tone(0.2))
    answer = api.get(f"/jobs/{job_id}/audio", params={"format": name})
    assert (answer.status_code, answer.json()["field"]) == (422, "format")
    assert answer.json().get("valid", list(MEDIA_TYPES)) == list(MEDIA_TYPES)
