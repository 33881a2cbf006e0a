"""The adapter for Kaggle's datasets against the emulator: what it sends, and what it makes of the answers."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.shared.errors import CredentialsRejected, HostUnreachable, ReferenceRefused
from app.shared.identifiers import new_id
from app.shared.kaggle_credentials import KaggleCredentials
from tests.workers.emulator.driver import KEY, OWNER, Emulator
from workers.datasets import Dataset, DatasetState
from workers.kaggle_client import KaggleClient
from workers.kaggle_datasets import KaggleDatasets


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("emulator")).start()
    yield started
    started.stop()


@pytest.fixture
def datasets(emulator: Emulator) -> Iterator[KaggleDatasets]:
    yield datasets_at(emulator, KEY)
    httpx.delete(f"{emulator.url}/control/faults").raise_for_status()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    path.write_bytes(b"RIFF of a voice")
    return path


def datasets_at(emulator: Emulator, key: str) -> KaggleDatasets:
    credentials = KaggleCredentials(username=OWNER, key=key)
    return KaggleDatasets(KaggleClient(credentials=credentials, owner=None, timeout_seconds=10, url=emulator.url))


def new_slug() -> str:
    return f"kavox-voice-{new_id()}"


def test_a_file_becomes_a_private_dataset_and_is_deleted(datasets: KaggleDatasets, file: Path) -> None:
    """From the upload to the end: private, under its own name, with exactly this file; both ends may be repeated."""
    slug = new_slug()
    assert (datasets.state(slug), datasets.find(slug)) == (DatasetState.ABSENT, None)
    for _ in range(2):
        datasets.create(slug, file)
        assert datasets.state(slug) is DatasetState.READY
        assert datasets.find(slug) == Dataset(private=True, version=1, files={"voice.wav": 15})
    assert datasets.ref(slug) == f"{OWNER}/{slug}"
    for _ in range(2):
        datasets.delete(slug)
        assert datasets.state(slug) is DatasetState.ABSENT
    datasets.delete(new_slug())


def test_what_kaggle_will_never_take_is_refused_for_good(
    emulator: Emulator, datasets: KaggleDatasets, file: Path
) -> None:
    """A name against Kaggle's rules is refused, and a version that cannot be processed has failed."""
    with pytest.raises(ReferenceRefused, match="between 6 and 50"):
        datasets.create("s" * 51, file)
    emulator.fault(call="CreateDataset", kind="fail_processing")
    slug = new_slug()
    datasets.create(slug, file)
    assert (datasets.state(slug), datasets.find(slug)) == (DatasetState.FAILED, None)


def test_a_wrong_key_is_told_apart(emulator: Emulator, file: Path) -> None:
    """An account that Kaggle does not know is nobody's failure but its own."""
    stranger = datasets_at(emulator, "wrong")
    for call in (lambda: stranger.create(new_slug(), file), lambda: stranger.state("kavox-voice-1")):
        with pytest.raises(CredentialsRejected):
            call()


@pytest.mark.parametrize("call", ["GetDatasetStatus", "DeleteDataset"])
def test_an_unreadable_answer_says_nothing(emulator: Emulator, datasets: KaggleDatasets, call: str) -> None:
    """An error page is neither "it is gone" nor "it is there"."""
    emulator.fault(call=call, kind="http_503_html")
    with pytest.raises(HostUnreachable):
        datasets.state("kavox-voice-1") if call == "GetDatasetStatus" else datasets.delete("kavox-voice-1")
