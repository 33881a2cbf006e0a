"""Recordings on their way to a host: uploaded once, looked at again, and removed with their voice."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.errors import HostUnreachable
from app.shared.job import Job
from app.shared.kaggle_credentials import KaggleCredentials
from app.shared.provider import load_providers
from app.shared.redis_client import connect_async
from app.shared.run_parameters import run_parameters
from app.shared.scratch import Scratch
from app.shared.settings import Settings
from app.shared.voice import ClonedVoice, dataset_slug, new_voice_id, recording_name
from app.shared.voice_store import VoiceStore
from tests.mimic import write_mimic
from tests.workers.emulator.driver import KEY, OWNER, Emulator
from tests.workers.jobs import do_all, make_job
from workers.datasets import DatasetState
from workers.janitor import Janitor
from workers.kaggle_client import KaggleClient
from workers.kaggle_datasets import KaggleDatasets
from workers.references import Recordings, References
from workers.run_store import RunStore
from workers.voice_records import VoiceRecords

CONTENT = b"RIFF of a voice"
HOST = "emulator"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("emulator")).start()
    yield started
    started.stop()


class Desk:
    """What the API and the workers do with voices, on one server, one store and one Kaggle."""

    def __init__(self, url: str, redis: Redis, emulator: Emulator, folder: Path) -> None:
        self.url, self.redis, self.emulator = url, redis, emulator
        self.audio = AudioStore.open(None, folder / "audio")
        self.scratch = Scratch(folder / "scratch")
        credentials = KaggleCredentials(username=OWNER, key=KEY)
        client = KaggleClient(credentials=credentials, owner=None, timeout_seconds=10, url=emulator.url)
        self.datasets = KaggleDatasets(client)
        self.records = VoiceRecords(redis)
        self.recordings = Recordings(self.records, self.audio, {HOST: self.datasets}, self.scratch)

    def voice(self) -> ClonedVoice:
        """A voice as the API keeps it."""
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        voice = ClonedVoice(new_voice_id(), "local", "Anne", "mimic", None, None, 3.5, 16000, sha256, 0.0)
        self.audio.put(recording_name(voice.file), CONTENT)
        self._store(lambda store: store.add(voice))
        return voice

    def remove(self, voice: ClonedVoice) -> None:
        """What DELETE /voices/{id} writes down."""
        self._store(lambda store: store.remove(voice))

    def gather(self, *voices: ClonedVoice, host: str = HOST, pause: Callable[[], None] = lambda: None) -> References:
        """The references of one job of each voice."""
        with self.recordings.gathered(host, [job_of(voice) for voice in voices], pause) as found:
            assert all(path.read_bytes() == CONTENT for path in found.files.values())
        assert not any(path.exists() for path in found.files.values())
        return found

    def sweep(self) -> None:
        """One pass of a worker's janitor."""
        janitor = Janitor(
            redis=self.redis,
            runs=RunStore(self.redis, "worker"),
            audio=self.audio,
            voices=self.records,
            hosts={},
            datasets={HOST: self.datasets},
            settings=Settings(_env_file=None),
        )
        do_all(janitor.steps())

    def state(self, voice: ClonedVoice) -> DatasetState:
        return self.datasets.state(dataset_slug(voice.id))

    def created(self) -> int:
        """How many datasets were asked for."""
        count: int = self.emulator.stats()["calls"].get("CreateDataset", 0)
        return count

    def _store(self, act: Callable[[VoiceStore], Coroutine[Any, Any, None]]) -> None:
        async def run() -> None:
            async with connect_async(self.url) as redis:
                await act(VoiceStore(redis))

        asyncio.run(run())


@pytest.fixture
def desk(redis_url: str, redis: Redis, emulator: Emulator, tmp_path: Path) -> Iterator[Desk]:
    yield Desk(redis_url, redis, emulator, tmp_path)
    httpx.delete(f"{emulator.url}/control/faults").raise_for_status()


def job_of(voice: ClonedVoice) -> Job:
    job = make_job()
    return replace(job, speech=replace(job.speech, voice=voice.id, reference=voice.reference()))


def codes(found: References) -> list[str]:
    return [error.code for _, error in found.refused]


def test_a_recording_is_uploaded_once(desk: Desk) -> None:
    """The second run finds the dataset; jobs of one voice share it, and jobs without one need none."""
    voice, before = desk.voice(), desk.created()
    for _ in range(2):
        with desk.recordings.gathered(HOST, [job_of(voice), make_job(), job_of(voice)], lambda: None) as found:
            assert (found.datasets, found.files, found.refused) == ([f"{OWNER}/{dataset_slug(voice.id)}"], {}, [])
    assert desk.created() - before == 1


def test_a_notebook_is_told_how_to_find_a_recording(tmp_path: Path) -> None:
    """By name and content, with the words that are heard in it; and nothing of whose voice it is."""
    provider = load_providers(write_mimic(tmp_path / "notebooks"))["mimic"]
    reference = {"voice": "voice-1", "file": "voice-1-ab.wav", "sha256": "ab", "transcript": "Some words."}
    plain = make_job()
    cloned = replace(plain, speech=replace(plain.speech, voice="voice-1", reference=reference))
    items = run_parameters("run", [plain, cloned], provider, model="hibari", host="kaggle")["items"]
    assert items[0]["reference"] is None
    assert items[1]["reference"] == {"file": "voice-1-ab.wav", "sha256": "ab", "transcript": "Some words."}
    assert cloned.source_bytes > plain.source_bytes


def test_the_local_host_gets_files(desk: Desk) -> None:
    """They are there for as long as the push lasts, and no dataset is made."""
    voices, before = [desk.voice(), desk.voice()], desk.created()
    found = desk.gather(*voices, host="local")
    assert (list(found.files), found.datasets) == ([voice.file for voice in voices], [])
    assert desk.created() == before


def test_a_dataset_that_was_deleted_by_hand_is_made_anew(desk: Desk) -> None:
    """What is remembered of an upload is looked at again before it is relied on."""
    voice = desk.voice()
    desk.gather(voice)
    desk.datasets.delete(dataset_slug(voice.id))
    assert desk.gather(voice).refused == []
    assert desk.state(voice) is DatasetState.READY


@pytest.mark.parametrize("changed", [{"version": 2}, {"private": False}, {"files": {"other.wav": 15}}])
def test_a_dataset_that_is_not_what_was_uploaded_is_not_used(desk: Desk, changed: dict[str, Any]) -> None:
    """Another version, other files, or one that others can read: the voice's jobs fail, the others do not."""
    voice, other = desk.voice(), desk.voice()
    if "version" in changed:
        desk.gather(voice)
    real = desk.datasets

    class Meddled(KaggleDatasets):
        def find(self, slug: str) -> Any:
            found = real.find(slug)
            return replace(found, **changed) if found and slug == dataset_slug(voice.id) else found

    desk.recordings = Recordings(desk.records, desk.audio, {HOST: Meddled(real._client)}, desk.scratch)
    found = desk.gather(voice, other)
    assert found.datasets == [f"{OWNER}/{dataset_slug(other.id)}"]
    assert codes(found) == ["dataset_public" if "private" in changed else "voice_unusable"]
    if "private" in changed:
        assert desk.state(voice) is DatasetState.ABSENT


def test_a_recording_that_kaggle_cannot_take_in_is_refused_once(desk: Desk) -> None:
    """A dataset that ends as FAILED is removed, so that the next run tries afresh."""
    voice = desk.voice()
    desk.emulator.fault(call="CreateDataset", kind="fail_processing")
    assert codes(desk.gather(voice)) == ["voice_unusable"]
    assert desk.state(voice) is DatasetState.ABSENT
    assert desk.gather(voice).refused == []


@pytest.mark.parametrize("host", [HOST, "local"])
def test_a_removed_voice_has_no_recording(desk: Desk, host: str) -> None:
    """Its jobs are told so, and told otherwise where the recording was changed or lost on disk."""
    voice, lost, changed = desk.voice(), desk.voice(), desk.voice()
    desk.remove(voice)
    desk.sweep()
    desk.audio.delete(recording_name(lost.file))
    desk.audio.put(recording_name(changed.file), b"another one")
    assert codes(desk.gather(voice, lost, changed, host=host)) == ["voice_deleted", "voice_unusable", "voice_unusable"]


def test_the_sweep_deletes_what_a_removed_voice_leaves(desk: Desk, tmp_path: Path) -> None:
    """Recording and dataset go, also when Kaggle does not answer at first; then the voice is forgotten."""
    voice = desk.voice()
    desk.gather(voice)
    desk.remove(voice)
    desk.emulator.fault(call="DeleteDataset", kind="http_503_html")
    desk.sweep()
    assert not list((tmp_path / "audio" / "voices").iterdir())
    assert (desk.state(voice), desk.redis.hlen(keys.REMOVED_VOICES)) == (DatasetState.READY, 1)
    desk.sweep()
    assert (desk.state(voice), desk.redis.hlen(keys.REMOVED_VOICES)) == (DatasetState.ABSENT, 0)


def test_a_voice_that_is_removed_during_its_upload_leaves_nothing(desk: Desk) -> None:
    """Even where the sweep has looked before the dataset was there."""
    voice = desk.voice()

    class Racing(KaggleDatasets):
        def create(self, slug: str, file: Path) -> None:
            desk.remove(voice)
            desk.sweep()
            super().create(slug, file)

    desk.recordings = Recordings(desk.records, desk.audio, {HOST: Racing(desk.datasets._client)}, desk.scratch)
    assert codes(desk.gather(voice)) == ["voice_deleted"]
    assert desk.state(voice) is DatasetState.READY
    desk.sweep()
    assert (desk.state(voice), desk.redis.hlen(keys.REMOVED_VOICES)) == (DatasetState.ABSENT, 0)


def test_a_crash_during_an_upload_leaves_nothing_either(desk: Desk) -> None:
    """The host is written down first: whatever became of the upload, removing the voice removes it."""
    voice = desk.voice()
    desk.emulator.fault(call="CreateDataset", kind="lost_response")
    with pytest.raises(HostUnreachable):
        desk.gather(voice)
    assert desk.state(voice) is DatasetState.READY
    desk.remove(voice)
    desk.sweep()
    assert desk.state(voice) is DatasetState.ABSENT


def test_a_worker_that_dies_after_an_upload_for_a_removed_voice_leaves_nothing(desk: Desk) -> None:
    """Voice and dataset were swept before the upload arrived; whoever takes the run over has the sweep look again."""
    voice = desk.voice()

    class Dying(KaggleDatasets):
        def create(self, slug: str, file: Path) -> None:
            desk.remove(voice)
            desk.sweep()
            super().create(slug, file)
            raise HostUnreachable("the worker died")

    desk.recordings = Recordings(desk.records, desk.audio, {HOST: Dying(desk.datasets._client)}, desk.scratch)
    with pytest.raises(HostUnreachable):
        desk.gather(voice)
    assert codes(desk.gather(voice)) == ["voice_deleted"]
    desk.sweep()
    assert (desk.state(voice), desk.redis.hlen(keys.REMOVED_VOICES)) == (DatasetState.ABSENT, 0)


def test_a_dataset_that_is_never_ready_fails_its_own_jobs_only(desk: Desk) -> None:
    """Kaggle is given its time; then the jobs of other voices no longer wait for this one."""
    voice, other = desk.voice(), desk.voice()

    class Stuck(KaggleDatasets):
        def state(self, slug: str) -> DatasetState:
            found = super().state(slug)
            stuck = slug == dataset_slug(voice.id) and found is DatasetState.READY
            return DatasetState.PROCESSING if stuck else found

    stuck = Stuck(desk.datasets._client)
    desk.recordings = Recordings(desk.records, desk.audio, {HOST: stuck}, desk.scratch, ready_seconds=0.1)
    found = desk.gather(voice, other)
    assert (codes(found), found.datasets) == (["voice_not_ready"], [f"{OWNER}/{dataset_slug(other.id)}"])


def test_a_sweep_asks_a_silent_kaggle_once(desk: Desk) -> None:
    """However many voices were removed: a pass must not last as long as all their time-outs together."""
    for voice in [desk.voice() for _ in range(4)]:
        desk.gather(voice)
        desk.remove(voice)
    before = desk.emulator.stats()["calls"].get("DeleteDataset", 0)
    desk.emulator.fault(call="DeleteDataset", kind="http_503_html", times=1)
    desk.sweep()
    assert desk.emulator.stats()["calls"]["DeleteDataset"] - before == 1
    assert desk.redis.hlen(keys.REMOVED_VOICES) == 4
    desk.sweep()
    assert desk.redis.hlen(keys.REMOVED_VOICES) == 0
