"""Where a job runs: the table at the top of app/api/admission.py, cell by cell."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.api.admission import Admission
from app.api.schemas import SpeechRequest
from app.shared.errors import RequestRefused
from app.shared.provider import load_providers
from app.shared.settings import Settings
from tests.app.conftest import Place
from tests.app.manifests import write_manifests
from tests.app.workshop import Workshop
from tests.notebooks.local_run import NOTEBOOKS

LOCAL_ONLY = "Kaggle GPU deployment is only supported for qwen, chatterbox providers. Provider 'edge' will run locally."
NO_QUOTA = "hibari needs no GPU: it runs without one and uses no GPU quota."


def _admission(place: Place, kaggle_host: str) -> Admission:
    providers = load_providers(place.notebooks_dir)
    return Admission(providers, providers["hibari"], kaggle_host, max_text_chars=5000)


@pytest.mark.parametrize("kaggle_host", ["kaggle", "emulator"])
@pytest.mark.parametrize(
    ("provider", "gpu", "host", "warnings"),
    [
        ("hibari", None, "<kaggle>", []),
        ("hibari", True, "<kaggle>", [NO_QUOTA]),
        ("hibari", False, "local", []),
        ("edge", None, "local", []),
        ("edge", True, "local", [LOCAL_ONLY]),
        ("edge", False, "local", []),
        ("qwen", False, "local", []),
    ],
)
def test_a_job_runs_where_the_table_says(
    place: Place, kaggle_host: str, provider: str, gpu: bool | None, host: str, warnings: list[str]
) -> None:
    """A job that needs no GPU of Kaggle runs where it may, and says so when that is not what was asked for."""
    request = SpeechRequest(text="Hello.", provider=provider, gpu=gpu)
    speech = _admission(place, kaggle_host).admit(request, local_providers={"hibari", "qwen", "edge"})
    assert speech.host == host.replace("<kaggle>", kaggle_host)
    assert speech.warnings == warnings
    assert speech.gpu is False


@pytest.mark.parametrize("gpu", [None, True])
def test_a_gpu_provider_runs_on_kaggle(place: Place, gpu: bool | None) -> None:
    """A provider that needs a GPU gets Kaggle's, asked or not."""
    request = SpeechRequest(text="Hello.", provider="qwen", gpu=gpu)
    speech = _admission(place, "kaggle").admit(request, local_providers=())
    assert (speech.host, speech.gpu, speech.warnings) == ("kaggle", True, [])


@pytest.mark.parametrize("gpu", [None, True])
def test_an_emulated_kaggle_has_no_gpu(place: Place, gpu: bool | None) -> None:
    """Where Kaggle is emulated, a provider that needs its GPU is refused."""
    with pytest.raises(RequestRefused) as refusal:
        _admission(place, "emulator").admit(SpeechRequest(text="Hello.", provider="qwen", gpu=gpu), ())
    assert (refusal.value.field, refusal.value.code) == ("provider", "needs_kaggle")


def test_a_text_that_no_notebook_could_carry_is_refused(place: Place) -> None:
    """Where an installation allows more characters, those that take the most room are counted by the room they take."""
    admission = replace(_admission(place, "kaggle"), max_text_chars=100_000)
    letters, signs = "a" * 60_000, "a" + "😀" * 59_999
    assert admission.admit(SpeechRequest(text=letters, provider="edge"), {"edge"}).text == letters
    with pytest.raises(RequestRefused, match="more room in a notebook") as refusal:
        admission.admit(SpeechRequest(text=signs, provider="edge"), {"edge"})
    assert (refusal.value.field, refusal.value.code) == ("text", "text_too_long")


@pytest.mark.parametrize(("provider", "field"), [("hibari", "gpu"), ("qwen", "gpu"), ("edge", "provider")])
def test_no_worker_no_local_run(place: Place, provider: str, field: str) -> None:
    """Without a living worker that has the packages, a local run is refused, and the packages are named."""
    with pytest.raises(RequestRefused, match=f"{provider}_package") as refusal:
        _admission(place, "kaggle").admit(SpeechRequest(text="Hello.", provider=provider, gpu=False), {"other"})
    assert (refusal.value.field, refusal.value.code) == (field, "local_not_available")


def test_a_refused_local_run_names_all_that_is_missing() -> None:
    """The real manifests: what to import, what to type so that it is there, and no way out that leads nowhere."""
    providers = load_providers(NOTEBOOKS)
    for kaggle_host, ways in (("kaggle", ", or leave out gpu"), ("emulator", "")):
        admission = Admission(providers, providers["hibari"], kaggle_host, max_text_chars=5000)
        with pytest.raises(RequestRefused) as refusal:
            admission.admit(SpeechRequest(text="Hello.", provider="qwen", gpu=False), ())
        assert "start `kavox serve` or `kavox worker` where Python can import qwen_tts, torch, " in refusal.value.detail
        command = "(pip install torch torchaudio && pip install --no-deps qwen-tts==0.1.1 && pip install transformers=="
        assert command in refusal.value.detail
        assert refusal.value.detail.endswith(f" einops==0.8.2){ways}")


def test_an_emulated_kaggle_points_to_a_gpu_of_ones_own() -> None:
    """Whoever has no Kaggle may still have a GPU."""
    providers = load_providers(NOTEBOOKS)
    admission = Admission(providers, providers["hibari"], "emulator", max_text_chars=5000)
    with pytest.raises(RequestRefused, match=r'or say "gpu": false to use a GPU of the worker.s own machine$'):
        admission.admit(SpeechRequest(text="Hello.", provider="qwen"), ())


def test_a_living_worker_makes_local_runs_possible(api: httpx.Client, workshop: Workshop) -> None:
    """The service asks Redis which workers live and what they have."""
    request = {"text": "Hello.", "gpu": False}
    assert api.post("/synthesize", json=request).json()["code"] == "local_not_available"
    workshop.announce("hibari")
    answer = api.post("/synthesize", json=request)
    assert (answer.status_code, answer.json()["gpu"]) == (202, False)


@pytest.mark.parametrize(
    ("kept", "kaggle_api_url", "expected"),
    [
        (["qwen", "hibari", "chatterbox"], None, "qwen"),
        (["qwen", "hibari", "chatterbox"], "http://127.0.0.1:9", "hibari"),
        (["hibari", "chatterbox"], None, "hibari"),
        (["edge", "chatterbox"], None, "chatterbox"),
    ],
)
def test_the_default_provider_speaks_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str], kaggle_api_url: str | None, expected: str
) -> None:
    """By default qwen speaks on Kaggle itself; without it, or without Kaggle, hibari; without that, the first."""
    monkeypatch.setenv("KAGGLE_API_TOKEN", "token")
    for manifest in write_manifests(tmp_path).glob("*.toml"):
        if manifest.stem not in kept:
            manifest.unlink()
    settings = Settings(kaggle_api_url=kaggle_api_url, _env_file=None)
    assert Admission.of(settings, load_providers(tmp_path)).default.name == expected
