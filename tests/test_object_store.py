"""Audio in a bucket instead of a folder: the same service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.shared.audio_store import AudioStore
from app.shared.errors import Gone
from tests.bucket import Bucket, bucket
from tests.conftest import StartService
from tests.mimic import write_mimic

CONTENT = bytes(range(256)) * 40_000
"""More than is sent at one stroke."""


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    with bucket() as found:
        yield found


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AudioStore:
    if request.param == "folder":
        return AudioStore.open(None, tmp_path / "audio")
    found: Bucket = request.getfixturevalue("s3")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return AudioStore.open(found.url, tmp_path)


async def sent(store: AudioStore, name: str, part: range | None = None) -> bytes:
    return b"".join([bytes(piece) async for piece in await store.stream(name, part)])


def test_what_is_put_can_be_had_again(store: AudioStore, tmp_path: Path) -> None:
    """Whole, in parts, in pieces and as a file; a second file of that name replaces it only where that is wanted."""
    source, target = tmp_path / "source.wav", tmp_path / "target.wav"
    source.write_bytes(CONTENT)
    store.put("a.wav", b"another")
    store.put("a.wav", source)
    assert store.put_new("new.wav", source)
    source.write_bytes(b"too late")
    assert not store.put_new("a.wav", source)
    assert store.fetch("a.wav") == b"".join(store.pieces("new.wav")) == CONTENT
    store.download("a.wav", target)
    assert target.read_bytes() == CONTENT
    assert asyncio.run(store.size("a.wav")) == len(CONTENT)
    assert asyncio.run(sent(store, "a.wav")) == CONTENT
    for part in (range(1), range(1000, 9000), range(3, len(CONTENT))):
        assert asyncio.run(sent(store, "a.wav", part)) == CONTENT[part.start : part.stop]


def test_a_copy_is_a_file_of_its_own_and_replaces_none(store: AudioStore) -> None:
    """Whether a thread makes it or the API; what it was made of may go."""
    store.put("spoken.wav", b"speech")
    store.put("there.wav", b"was there before")
    store.copy("spoken.wav", "copy.wav")
    asyncio.run(store.copy_async("spoken.wav", "second.wav"))
    store.copy("spoken.wav", "there.wav")
    asyncio.run(store.copy_async("spoken.wav", "there.wav"))
    store.delete("spoken.wav")
    assert [store.fetch(name) for name in ("copy.wav", "second.wav")] == [b"speech"] * 2
    assert store.fetch("there.wav") == b"was there before"
    with pytest.raises(Gone):
        store.copy("spoken.wav", "x")
    with pytest.raises(Gone):
        asyncio.run(store.copy_async("spoken.wav", "x"))
    assert not store.has("x")


def test_what_is_deleted_is_gone_whatever_was_not_there(store: AudioStore) -> None:
    """In one request, with others that are not there."""
    for name in ("one.wav", "two.wav", "kept.wav"):
        store.put(name, b"speech")
    store.delete("never.wav", "one.wav", "nor.wav", "two.wav")
    store.delete("one.wav")
    store.delete()
    assert [store.has(name) for name in ("one.wav", "two.wav", "kept.wav")] == [False, False, True]
    with pytest.raises(Gone):
        store.fetch("one.wav")
    with pytest.raises(Gone):
        asyncio.run(sent(store, "one.wav"))


@pytest.mark.slow
def test_speech_is_shared_and_kept_in_a_bucket(s3: Bucket, start_service: StartService, tmp_path: Path) -> None:
    """Equal requests share one synthesis, and the next one is answered at once; nothing lies in the folder."""
    service = start_service(
        KAVOX_NOTEBOOKS_DIR=write_mimic(tmp_path / "notebooks"),
        KAVOX_AUDIO_URL=s3.url,
        KAVOX_CACHE_MAX_MEGABYTES=100,
        KAVOX_BATCH_WINDOW_SECONDS=1,
        KAVOX_EMULATOR_TIME_SCALE=10,
        **s3.environment,
    )
    asked = {"text": "Into the bucket.", "provider": "mimic"}
    jobs = [service.submit(**asked, format=wanted) for wanted in ("wav", "mp3", "wav")]
    ended = [service.finished(job["id"], seconds=30) for job in jobs]
    assert [(job["status"], job["cached"]) for job in ended] == [
        ("succeeded", False), ("succeeded", True), ("succeeded", True),
    ]  # fmt: skip
    again = service.http.post("/synthesize", json={**asked, "format": "flac"})
    assert (again.status_code, again.json()["cached"]) == (200, True)
    for job in (*ended, again.json()):
        assert len(service.audio(job["id"])) == job["audio"]["bytes"]
    wav = ended[0]["urls"]["audio"]
    part = service.http.get(wav, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")
    names = s3.names()
    assert [any(name.startswith(f"of/kavox/{job['id']}-") for name in names) for job in ended] == [True] * 3
    assert not list(service.data_dir.glob("audio/*"))
