"""GET /batches/{id}/audio and captions: a zip, one joined file, and what is said when in it."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
import srt
import webvtt
from redis import Redis

from app.shared import keys
from tests.app.test_batches import TEXTS, finish, look, post
from tests.app.workshop import Workshop
from tests.tone import likeness, tone

SECONDS = (0.5, 1.0, 0.75)


@pytest.fixture
def batch(api: httpx.Client, workshop: Workshop) -> Mapping[str, Any]:
    """Three jobs that have succeeded: tones of different lengths, the second with another sample rate."""
    made = post(api, [*TEXTS[:2], {**TEXTS[2], "metadata": {"page": 3}}], name="A book")
    for job, seconds, rate in zip(made["jobs"], SECONDS, (24_000, 16_000, 24_000), strict=True):
        workshop.start(job["id"])
        workshop.succeed(job["id"], tone(seconds, rate), duration_seconds=seconds, sample_rate=rate)
    return look(api, made)


def audio(api: httpx.Client, batch: Mapping[str, Any], **query: Any) -> httpx.Response:
    return api.get(f"/batches/{batch['id']}/audio", params=query)


def test_a_zip_has_each_jobs_audio_in_order_and_says_what_it_is(api: httpx.Client, batch: Mapping[str, Any]) -> None:
    """Nothing is packed, the size is known beforehand, and the files are the jobs' own to the byte."""
    answer = audio(api, batch)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="{batch["id"]}.zip"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    head = api.head(f"/batches/{batch['id']}/audio")
    assert (head.headers["content-length"], head.content) == (answer.headers["content-length"], b"")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        ids = [job["id"] for job in batch["jobs"]]
        names = [f"{number:04}-{job_id}.wav" for number, job_id in enumerate(ids, 1)]
        assert archive.namelist() == [*names, "manifest.json"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        for name, job_id in zip(names, ids, strict=True):
            assert archive.read(name) == api.get(f"/jobs/{job_id}/audio").content
        manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["id"], manifest["name"], manifest["status"]) == (batch["id"], "A book", "succeeded")
    assert [job["file"] for job in manifest["jobs"]] == names
    assert [job["duration_seconds"] for job in manifest["jobs"]] == list(SECONDS)
    assert manifest["jobs"][2]["metadata"] == {"page": 3}


def test_a_zip_may_have_another_format(api: httpx.Client, batch: Mapping[str, Any]) -> None:
    """Each is made as the job's own address would make it."""
    with zipfile.ZipFile(io.BytesIO(audio(api, batch, format="flac").content)) as archive:
        first = archive.namelist()[0]
        assert first == f"0001-{batch['jobs'][0]['id']}.flac"
        assert soundfile.info(io.BytesIO(archive.read(first))).format == "FLAC"


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "opus"])
def test_one_file_has_all_speech_in_order_with_gaps(api: httpx.Client, batch: Mapping[str, Any], form: str) -> None:
    """At one sample rate, in every format."""
    answer = audio(api, batch, **{"as": "joined", "format": form, "gap_seconds": 0.5})
    assert answer.status_code == 200, answer.text
    samples, rate = soundfile.read(io.BytesIO(answer.content), always_2d=True)
    assert (rate, samples.shape[1]) == (24_000, 1)
    assert len(samples) / rate == pytest.approx(sum(SECONDS) + 1.0, abs=0.1)
    if form in {"wav", "flac"}:
        assert len(samples) / rate == pytest.approx(sum(SECONDS) + 1.0, abs=0.002)
        start = 0
        for seconds in SECONDS:
            end = start + round(seconds * rate)
            assert likeness(samples[start:end], rate) > 0.98
            assert np.abs(samples[end + 20 : end + rate // 2 - 20]).max(initial=0) < 0.001
            start = end + rate // 2


def test_raw_samples_may_be_joined_too(api: httpx.Client, batch: Mapping[str, Any]) -> None:
    """24 kHz, 16 bits, one channel, as ever."""
    answer = audio(api, batch, **{"as": "joined", "format": "pcm", "gap_seconds": 0})
    assert len(answer.content) == pytest.approx(2 * 24_000 * sum(SECONDS), abs=100)


def test_the_one_file_is_made_once_and_sent_in_parts(api: httpx.Client, batch: Mapping[str, Any], redis: Redis) -> None:
    """Its ETag stands for what it is made of; other gaps are another file, and all of them are noted for the sweep."""
    path, query = f"/batches/{batch['id']}/audio", {"as": "joined", "format": "opus"}
    first = api.get(path, params=query)
    etag = first.headers["etag"]
    assert api.get(path, params=query).content == first.content
    assert api.get(path, params=query, headers={"If-None-Match": etag}).status_code == 304
    part = api.get(path, params=query, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, first.content[100:200])
    assert api.head(path, params=query).headers["content-length"] == str(len(first.content))
    assert api.get(path, params={**query, "gap_seconds": 2}).headers["etag"] != etag
    assert redis.scard(f"{keys.BATCH}{batch['id']}:files") == 2


def test_what_is_not_complete_has_no_audio_unless_a_part_will_do(api: httpx.Client, workshop: Workshop) -> None:
    """The refusals say when to come back, and which jobs are missing."""
    batch = post(api, TEXTS)
    first, second, third = (job["id"] for job in batch["jobs"])
    waiting = audio(api, batch)
    assert (waiting.status_code, waiting.json()["code"]) == (409, "batch_not_ready")
    assert int(waiting.headers["retry-after"]) > 0
    for job_id in (first, third):
        workshop.start(job_id)
        workshop.succeed(job_id, tone(0.5), duration_seconds=0.5)
    workshop.start(second)
    workshop.fail(second)
    for path in ("audio", "captions"):
        missing = api.get(f"/batches/{batch['id']}/{path}")
        assert (missing.status_code, missing.json()["code"]) == (409, "batch_incomplete")
        assert f"1 (audio_rejected, {second})" in missing.json()["detail"]
    with zipfile.ZipFile(io.BytesIO(audio(api, batch, partial="true").content)) as archive:
        assert [name[:4] for name in archive.namelist()] == ["0001", "0003", "mani"]
        assert json.loads(archive.read("manifest.json"))["jobs"][1]["error"] == "audio_rejected"
    joined = audio(api, batch, **{"as": "joined", "partial": "true", "gap_seconds": 1})
    assert soundfile.info(io.BytesIO(joined.content)).duration == pytest.approx(2.0)


def test_expired_audio_is_gone(api: httpx.Client, workshop: Workshop) -> None:
    """Before a byte of the zip is sent; what is left can be had as a part."""
    batch = post(api, TEXTS[:2])
    finish(workshop, batch)
    known = api.get(batch["jobs"][1]["url"]).json()["audio"]
    workshop.forget_audio(batch["jobs"][1]["id"], known)
    for query in ({"as": "zip"}, {"as": "joined"}):
        assert (audio(api, batch, **query).status_code, audio(api, batch, **query).json()["code"]) == (
            410,
            "audio_expired",
        )
    with zipfile.ZipFile(io.BytesIO(audio(api, batch, partial="true").content)) as archive:
        assert [name[:4] for name in archive.namelist()] == ["0001", "mani"]
        assert [job["status"] for job in json.loads(archive.read("manifest.json"))["jobs"]] == ["succeeded", "expired"]
    joined = audio(api, batch, **{"as": "joined", "partial": "true"})
    assert soundfile.info(io.BytesIO(joined.content)).duration == pytest.approx(0.5)
    told = api.get(f"/batches/{batch['id']}/captions", params={"partial": "true", "format": "json"}).json()
    assert told["chunks"][0]["text"] == TEXTS[0]["text"]
    assert len(told["chunks"]) == 1
    workshop.forget_audio(batch["jobs"][0]["id"], api.get(batch["jobs"][0]["url"]).json()["audio"])
    assert audio(api, batch, partial="true").json()["code"] == "audio_expired"


def test_more_than_a_file_can_hold_is_refused(api: httpx.Client, workshop: Workshop) -> None:
    """A wav says its size in 32 bits; a day of speech is for a zip."""
    batch = post(api, TEXTS[:2])
    for job in batch["jobs"]:
        workshop.start(job["id"])
        workshop.succeed(job["id"], tone(0.1), duration_seconds=11.9 * 3600, sample_rate=48_000)
    refused = [audio(api, batch, **{"as": "joined", "gap_seconds": gap, "format": "wav"}) for gap in (0, 60)]
    assert [answer.json()["code"] for answer in refused] == ["joined_too_long"] * 2
    batch = post(api, TEXTS[:1])
    workshop.start(batch["jobs"][0]["id"])
    workshop.succeed(batch["jobs"][0]["id"], tone(0.1), duration_seconds=25 * 3600)
    assert audio(api, batch, **{"as": "joined", "format": "mp3"}).json()["field"] == "as"


def test_captions_of_a_batch_are_those_of_its_joined_audio(api: httpx.Client, batch: Mapping[str, Any]) -> None:
    """Each job's begin where it is heard, after the gaps; players' own parsers read them."""
    path, query = f"/batches/{batch['id']}/captions", {"gap_seconds": 0.5}
    starts = [0, 1.0, 2.5]
    told = api.get(path, params={**query, "format": "json"}).json()
    assert [(chunk["text"], chunk["start"]) for chunk in told["chunks"]] == [
        (f"Number {number}.", start) for number, start in enumerate(starts)
    ]
    assert [chunk["job"] for chunk in told["chunks"]] == [job["id"] for job in batch["jobs"]]
    assert told["timing"] == "measured"
    answer = api.get(path, params={**query, "format": "srt"})
    assert answer.headers["x-kavox-caption-timing"] == "measured"
    assert [(one.start.total_seconds(), one.content) for one in srt.parse(answer.text)] == [
        (start, f"Number {number}.") for number, start in enumerate(starts)
    ]
    shown = webvtt.from_string(api.get(path, params=query).text).captions
    assert [(one.start_in_seconds, one.text) for one in shown] == [
        (int(start), f"Number {number}.") for number, start in enumerate(starts)
    ]
