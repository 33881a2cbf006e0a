"""Making a format, where something is in the way: time, room, or another process that was faster."""

import asyncio
from pathlib import Path

import pytest

from app.api.conversions import Conversions
from app.api.problems import ConversionPending
from app.shared.audio_formats import FORMATS, kept_name
from app.shared.audio_store import AudioStore
from app.shared.conversion import convert, keep
from app.shared.errors import Gone, StorageFull
from app.shared.identifiers import new_id
from app.shared.job import Job, Speech
from app.shared.scratch import Scratch
from tests.tone import tone

AUDIO = {"format": "wav", "sha256": "ab" * 32}
OPUS = FORMATS["opus"]


@pytest.fixture
def job() -> Job:
    speech = Speech("Hello.", "hibari", "small", "heart", "en", "emulator", False)
    return Job(id=new_id(), caller="local", created_at=0, speech=speech, audio=AUDIO)


@pytest.fixture
def store(tmp_path: Path, job: Job) -> AudioStore:
    """A store with the job's wav."""
    store = AudioStore.open(None, tmp_path / "audio")
    store.put(kept_name(job.id, AUDIO, FORMATS["wav"]), tone(10))
    return store


def test_whoever_is_sent_away_finds_it_when_they_come_back(store: AudioStore, tmp_path: Path, job: Job) -> None:
    """A conversion that takes too long for its caller goes on without them."""

    async def ask() -> int:
        conversions = Conversions(store, Scratch(tmp_path / "scratch"))
        with pytest.raises(ConversionPending):
            await conversions.ready(job, OPUS, patience_seconds=0.001)
        return await conversions.ready(job, OPUS)

    assert asyncio.run(ask()) == len(store.fetch(kept_name(job.id, AUDIO, OPUS)))
    assert not list((tmp_path / "scratch").iterdir())


def test_what_expires_while_it_is_converted_leaves_nothing(store: AudioStore, tmp_path: Path, job: Job) -> None:
    """The wav goes first; what is made of it afterwards is removed again."""
    wav, opus = (kept_name(job.id, AUDIO, FORMATS[name]) for name in ("wav", "opus"))

    class Expiring(AudioStore):
        """The wav expires as soon as it has been read."""

        def download(self, name: str, target: Path) -> None:
            super().download(name, target)
            self.delete(name)

    expiring = Expiring(store._store)
    with pytest.raises(Gone):
        asyncio.run(Conversions(expiring, Scratch(tmp_path / "scratch")).ready(job, OPUS))
    assert not store.has(wav)
    assert not store.has(opus)


def test_the_faster_process_has_made_it(store: AudioStore, tmp_path: Path, job: Job) -> None:
    """What is kept first stays, to the byte, and the slower one goes on with that."""
    source, name = tmp_path / "source.wav", kept_name(job.id, AUDIO, OPUS)
    source.write_bytes(tone(1))
    targets = [tmp_path / "one", tmp_path / "two"]
    for target in targets:
        keep(store, name, source, target, OPUS, {})
    assert targets[0].read_bytes() == targets[1].read_bytes() == store.fetch(name)


@pytest.mark.parametrize("name", ["mp3", "opus", "pcm"])
def test_a_full_disk_is_a_reason_to_come_back(tmp_path: Path, name: str) -> None:
    """It is not taken for a wav that cannot be encoded, which would end the job."""
    source = tmp_path / "source.wav"
    source.write_bytes(tone(1))
    with pytest.raises(StorageFull):
        convert(source, Path("/dev/full"), FORMATS[name], {})
