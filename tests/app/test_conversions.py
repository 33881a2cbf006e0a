"""Making a format, where something is in the way: time, room, or another process that was faster."""

import asyncio
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.api.conversions import Conversions
from app.api.problems import ConversionPending
from app.shared.audio_formats import FORMATS, kept_name
from app.shared.audio_store import AudioStore
from app.shared.conversion import convert, keep, provenance, tag
from app.shared.errors import Gone, StorageFull
from app.shared.identifiers import new_id
from app.shared.job import Job, Speech
from app.shared.result_cache import Entry
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


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"), [(24_000, 1, "PCM_16"), (44_100, 2, "PCM_24"), (8_000, 1, "FLOAT")]
)
def test_a_wav_is_tagged_behind_its_samples(tmp_path: Path, job: Job, rate: int, channels: int, subtype: str) -> None:
    """They stay as they were, and to tag the same file again, as after a crash, gives the same bytes."""
    wav, before = tmp_path / "a.wav", tone(1, rate, channels, subtype)
    tagged = set()
    for _ in range(2):
        wav.write_bytes(before)
        tag(wav, provenance(job))
        tagged.add(wav.read_bytes())
    assert len(tagged) == 1
    with soundfile.SoundFile(wav) as file:
        assert "provider=hibari; model=small; voice=heart; language=en; host=emulator" in file.comment
        samples = file.read(dtype="int32")
    wav.write_bytes(before)
    assert np.array_equal(samples, soundfile.read(wav, dtype="int32")[0])


def _with_a_chunk_before_its_samples(wav: bytes) -> bytes:
    """As ffmpeg writes them."""
    return wav[:36] + b"LIST\x0c\0\0\0INFOISFT\0\0\0\0" + wav[36:]


@pytest.mark.parametrize("before", [tone(1, subtype="MS_ADPCM"), _with_a_chunk_before_its_samples(tone(1))])
def test_a_wav_that_cannot_be_tagged_is_left_as_it_is(tmp_path: Path, job: Job, before: bytes) -> None:
    """Its speech is good all the same."""
    wav = tmp_path / "a.wav"
    wav.write_bytes(before)
    tag(wav, provenance(job))
    assert wav.read_bytes() == before


def test_no_room_for_the_tags_is_a_reason_to_come_back(tmp_path: Path, job: Job) -> None:
    """libsndfile is silent about it, and half a tag would be taken for a broken file."""
    wav = tmp_path / "a.wav"
    wav.write_bytes(tone(20))
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wav.stat().st_size, unlimited[1]))
    try:
        with pytest.raises(StorageFull):
            tag(wav, provenance(job))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)


def test_what_the_cache_keeps_is_tagged_with_the_job_that_was_spoken(job: Job) -> None:
    """Its files are named after that one, with a prefix that is nobody's business."""
    kept = Entry(owner=job.id, caller="local", audio=AUDIO, run=None, gpu_seconds=0)
    assert provenance(replace(job, id=kept.file_id)) == provenance(job)
