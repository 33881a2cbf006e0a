"""Cloned voices: what is kept of a recording, who may use it, and what is refused."""

import hashlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest
import soundfile
from redis import Redis

from app.api.voice_form import LARGEST_FILE
from app.shared.job import from_fields
from tests.app.api_process import serving
from tests.app.conftest import Headers, Place
from tests.recordings import encoded, tone

FIELDS = {"name": "Anne", "provider": "hibari", "consent": "true"}


def post(api: httpx.Client, content: bytes, headers: dict[str, str] | None = None, /, **fields: str) -> httpx.Response:
    """POSTs a recording; a field that is '' is left out."""
    given = {name: value for name, value in (FIELDS | fields).items() if value}
    return api.post("/voices", data=given, files={"file": ("anne.wav", content)}, headers=headers)


def kept(place: Place) -> list[Path]:
    """The recordings that the service keeps."""
    return sorted((place.data_dir / "audio" / "voices").glob("*"))


@pytest.fixture(autouse=True)
def _no_recordings(place: Place) -> Iterator[None]:
    yield
    for path in kept(place):
        path.unlink()


def test_a_recording_is_kept_mono_trimmed_and_16_bit(api: httpx.Client, place: Place) -> None:
    """What is kept is what will be cloned from: its sha256, length and rate stand in the answer."""
    stereo = np.stack([tone(5, silence=2), np.zeros(9 * 16000)], axis=1)
    answer = post(api, encoded(stereo, subtype="FLOAT"), transcript=" Some words. ", language="de-at")
    assert answer.status_code == 201, answer.text
    voice = answer.json()
    (path,) = kept(place)
    with soundfile.SoundFile(path) as file:
        assert (file.format, file.subtype, file.channels, file.samplerate) == ("WAV", "PCM_16", 1, 16000)
        assert file.frames / 16000 == pytest.approx(voice["recording"]["seconds"])
        assert 5 <= file.frames / 16000 < 5.3
    assert hashlib.sha256(path.read_bytes()).hexdigest() == voice["recording"]["sha256"]
    assert voice["recording"]["transcript"] == "Some words."
    assert (voice["title"], voice["provider"], voice["languages"]) == ("Anne", "hibari", ["de-at", "en"])
    assert voice["models"] == ["large"], "the recording is too short for the careful one"
    assert api.get(answer.headers["location"]).json() == voice


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "PCM_24"), ("MP3", None), ("FLAC", None), ("OGG", "VORBIS")])
def test_every_usual_format_is_taken(api: httpx.Client, form: str, subtype: str | None) -> None:
    """A recording may come as wav, mp3, flac or ogg."""
    answer = post(api, encoded(tone(4), form=form, subtype=subtype))
    assert answer.status_code == 201, answer.text
    assert answer.json()["recording"]["seconds"] == pytest.approx(4, abs=0.3)


def _wav_of_nothing_finite() -> bytes:
    return encoded(np.full(16000 * 4, np.nan, np.float32), subtype="FLOAT")


def _raw() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(4), 16000, format="AU")
    return file.getvalue()


REFUSED: list[tuple[bytes, dict[str, str], str, str]] = [
    # recording, fields, culprit, code
    (encoded(tone(2.5)), {}, "file", "reference_too_short"),
    (encoded(tone(2, silence=4)), {}, "file", "reference_too_short"),
    (encoded(tone(61)), {}, "file", "reference_too_long"),
    (encoded(tone(121, sample_rate=8000), sample_rate=8000, form="FLAC"), {}, "file", "reference_too_long"),
    (encoded(np.clip(tone(5, gain=2), -1, 1)), {}, "file", "reference_clipped"),
    (encoded(np.clip(tone(5, gain=2), -1, 1), form="MP3"), {}, "file", "reference_clipped"),
    (encoded(np.zeros(16000 * 5, np.float32)), {}, "file", "reference_silent"),
    (_wav_of_nothing_finite(), {}, "file", "not_audio"),
    (b"%PDF-1.7 no audio at all", {}, "file", "not_audio"),
    (b"RIFF" + b"\0" * 1000, {}, "file", "not_audio"),
    (b"", {}, "file", "not_audio"),
    (_raw(), {}, "file", "not_audio"),
    (encoded(np.stack([tone(4)] * 3, axis=1)), {}, "file", "unsupported_audio"),
    (encoded(tone(4)), {"consent": ""}, "consent", "consent_required"),
    (encoded(tone(4)), {"consent": "yes"}, "consent", "consent_required"),
    (encoded(tone(4)), {"name": ""}, "name", "missing_field"),
    (encoded(tone(4)), {"name": "  "}, "name", "invalid_value"),
    (encoded(tone(4)), {"name": "n" * 65}, "name", "invalid_value"),
    (encoded(tone(4)), {"transcript": "t" * 1001}, "transcript", "invalid_value"),
    (encoded(tone(4)), {"provider": ""}, "provider", "missing_field"),
    (encoded(tone(4)), {"provider": "nobody"}, "provider", "unknown_provider"),
    (encoded(tone(4)), {"provider": "edge"}, "provider", "provider_cannot_clone"),
    (encoded(tone(4)), {"language": "fr"}, "language", "unknown_language"),
    (encoded(tone(4)), {"gender": "female"}, "gender", "unknown_field"),
]


@pytest.mark.parametrize(("content", "fields", "culprit", "code"), REFUSED)
def test_a_refused_recording_names_its_field(
    api: httpx.Client, place: Place, content: bytes, fields: dict[str, str], culprit: str, code: str
) -> None:
    """Whatever is wrong, the problem names the field and a stable code, and nothing is kept."""
    answer = post(api, content, **fields)
    problem = answer.json()
    assert (answer.status_code, problem["field"], problem["code"]) == (422, culprit, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert [voice for voice in api.get("/voices").json()["voices"] if voice["recording"]] == []
    assert kept(place) == []


def test_without_consent_the_notice_is_the_answer(api: httpx.Client) -> None:
    """Who does not consent reads where the recording would go, and what is reported of that."""
    detail = post(api, encoded(tone(4)), consent="").json()["detail"]
    assert "uploaded to Kaggle, as a private dataset" in detail
    assert "As others report, uploads carry a licence to Kaggle and deletion can take months" in detail


@pytest.mark.parametrize("size", [LARGEST_FILE + 1, LARGEST_FILE + 10**6])
def test_a_file_that_is_too_big_is_refused(api: httpx.Client, size: int) -> None:
    """More than 20 MB are refused, just above as well as far above."""
    answer = post(api, b"RIFF" + b"\0" * (size - 4))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def _form_in(charset: str) -> dict[str, Any]:
    """A form whose fields no such charset can be taken for."""
    field = b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\nAnn\xe9\r\n--B--\r\n'
    return {"content": field, "headers": {"Content-Type": f"multipart/form-data; boundary=B; charset={charset}"}}


@pytest.mark.parametrize(
    ("request_parts", "status", "code"),
    [
        ({"json": FIELDS}, 415, "unsupported_media_type"),
        ({"data": FIELDS, "files": {"other": ("a.wav", b"a")}}, 422, "unknown_field"),
        ({"data": FIELDS, "files": {"file": (None, b"a")}}, 422, "wrong_type"),
        ({"data": {**FIELDS, "name": ["Anne", "Bert"]}, "files": {"file": b"a"}}, 422, "invalid_value"),
        ({"files": [("file", b"a"), ("file", b"b")]}, 400, "invalid_form"),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data"}}, 400, "invalid_form"),
        (_form_in("undefined"), 400, "invalid_form"),
    ],
)
def test_a_body_that_is_no_such_form_is_refused(
    api: httpx.Client, request_parts: dict[str, Any], status: int, code: str
) -> None:
    """A form needs its boundary, one file, each field once, and no charset that Python stumbles over."""
    answer = api.post("/voices", **request_parts)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_recording_that_cannot_be_stored_makes_no_voice(api: httpx.Client, place: Place) -> None:
    """The caller is told so, and finds no voice without a recording afterwards."""
    folder = place.data_dir / "audio" / "voices"
    folder.rmdir()
    folder.touch()
    try:
        answer = post(api, encoded(tone(4)))
    finally:
        folder.unlink()
        folder.mkdir()
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_full")
    assert [voice for voice in api.get("/voices").json()["voices"] if voice["recording"]] == []


def test_own_voices_are_listed_before_all_others(api: httpx.Client) -> None:
    """GET /voices shows the caller's recordings, the newest first, under the same filters."""
    ids = [post(api, encoded(tone(4)), name=name).json()["id"] for name in ("first", "second")]
    listed = api.get("/voices").json()["voices"]
    assert [voice["id"] for voice in listed[:2]] == ids[::-1]
    assert all(voice["recording"] is None for voice in listed[2:])
    for parameters, count in (({"provider": "hibari"}, 4), ({"provider": "qwen"}, 2), ({"language": "de"}, 6)):
        assert len(api.get("/voices", params=parameters).json()["voices"]) == count


def test_a_voice_whose_provider_is_gone_can_still_be_deleted(api: httpx.Client, place: Place, tmp_path: Path) -> None:
    """It is listed, with no language that it could speak."""
    voice = post(api, encoded(tone(5))).json()["id"]
    fewer = tmp_path / "notebooks"
    shutil.copytree(place.notebooks_dir, fewer, ignore=shutil.ignore_patterns("hibari.*"))
    with serving(tmp_path, **{**place.settings, "notebooks_dir": fewer}) as other:
        (listed,) = (one for one in other.get("/voices").json()["voices"] if one["recording"])
        assert (listed["id"], listed["languages"], listed["models"]) == (voice, [], [])
        assert other.delete(f"/voices/{voice}").status_code == 204


def test_a_cloned_voice_can_be_spoken_with(api: httpx.Client, redis: Redis) -> None:
    """Its provider, a model that clones and its language are taken by default; the job keeps what a worker needs."""
    voice = post(api, encoded(tone(5)), language="de-at", transcript="Some words.").json()
    answer = api.post("/synthesize", json={"text": "Grüß Gott.", "voice": voice["id"]})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert [job[name] for name in ("voice", "provider", "model", "language")] == [
        *(voice["id"], "hibari", "large", "de-at"),
    ]
    sha256 = voice["recording"]["sha256"]
    stored = cast("dict[str, str]", redis.hgetall(f"kavox:job:{job['id']}"))
    assert from_fields(stored).speech.reference == {
        "voice": voice["id"],
        "file": f"{voice['id']}-{sha256[:16]}.wav",
        "sha256": sha256,
        "transcript": "Some words.",
    }


@pytest.mark.parametrize(
    ("fields", "culprit", "code"),
    [
        ({"provider": "edge"}, "voice", "voice_of_other_provider"),
        ({"model": "small"}, "model", "model_cannot_clone"),
        ({"model": "careful"}, "voice", "reference_too_short"),
        ({"language": "fr"}, "language", "unknown_language"),
        ({"options": {"describe": "old"}}, "voice", "voice_and_option"),
        ({"options": {"whisper": True}}, "options.whisper", "option_needs_voice"),
    ],
)
def test_a_cloned_voice_speaks_only_where_it_can(
    api: httpx.Client, fields: dict[str, Any], culprit: str, code: str
) -> None:
    """The provider must be the voice's, the model must clone, and take a recording of this length."""
    voice = post(api, encoded(tone(5))).json()["id"]
    answer = api.post("/synthesize", json={"text": "a", "voice": voice, **fields})
    problem = answer.json()
    assert (answer.status_code, problem["field"], problem["code"]) == (422, culprit, code)


def test_an_option_may_stand_for_a_voice(api: httpx.Client) -> None:
    """A described voice needs no name: the job has none."""
    request = {"text": "a", "model": "large", "options": {"describe": "an old man"}}
    answer = api.post("/synthesize", json=request)
    assert (answer.status_code, answer.json()["voice"], answer.json()["language"]) == (202, None, "en")


def test_a_deleted_voice_is_gone_at_once(api: httpx.Client, place: Place) -> None:
    """Neither the recording nor the voice can be had any more, and no job can be made with it."""
    path = post(api, encoded(tone(4))).headers["location"]
    assert api.delete(path).status_code == 204
    assert kept(place) == []
    for answer in (api.get(path), api.delete(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "voice_not_found")
    refused = api.post("/synthesize", json={"text": "a", "voice": path.removeprefix("/voices/")})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_voice")


@pytest.mark.usefixtures("guarded_redis")
def test_another_callers_voice_is_not_found(guarded_place: Place, headers: Headers, tmp_path: Path) -> None:
    """Callers do not see, list, delete or speak with each other's voices; a stranger's form is not even read."""
    with serving(tmp_path, **guarded_place.settings) as guarded:
        anne, bert = headers.anne, headers.bert
        path = post(guarded, encoded(tone(4)), anne).headers["location"]
        speech = {"text": "a", "voice": path.removeprefix("/voices/")}
        assert guarded.get(path, headers=anne).status_code == 200
        for answer in (guarded.get(path, headers=bert), guarded.delete(path, headers=bert)):
            assert (answer.status_code, answer.json()["code"]) == (404, "voice_not_found")
        assert guarded.post("/synthesize", json=speech, headers=bert).json()["code"] == "unknown_voice"
        assert all(voice["recording"] is None for voice in guarded.get("/voices", headers=bert).json()["voices"])
        assert post(guarded, encoded(tone(4))).status_code == 401
        assert guarded.post("/synthesize", json=speech, headers=anne).status_code == 202
