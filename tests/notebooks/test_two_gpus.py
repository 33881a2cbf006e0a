"""The notebooks of qwen and chatterbox on two GPUs that fail. There is none here, so packages of this file's stand in
for torch and the engines: what is tried is the notebooks' own code around them, forks and pipes and all."""

from pathlib import Path

import pytest

from tests.notebooks.local_run import LocalRun, an_item

TORCH = """
import os
from types import SimpleNamespace

float32, bfloat16, lost = "float32", "bfloat16", []


class OutOfMemoryError(RuntimeError):
    pass


def synchronize():
    if lost:
        raise RuntimeError("CUDA error: device-side assert triggered")


cuda = SimpleNamespace(
    device_count=lambda: 2,
    get_device_capability=lambda number=0: (7, 5),
    synchronize=synchronize,
    empty_cache=synchronize,
)
manual_seed = set_num_threads = lambda number: None
get_num_threads = lambda: 2


def note(what):
    with open(os.environ["KAVOX_TEST_NOTES"], "a") as notes:
        notes.write(f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {what}\\n")


def load(what):
    note(f"loads {what}")
    if os.environ["KAVOX_TEST_BROKEN"] == os.environ["CUDA_VISIBLE_DEVICES"]:
        raise RuntimeError("CUDA error: an illegal memory access")


def say(text):
    import numpy

    if "deadly" in text:
        lost.append(text)
        raise RuntimeError("CUDA error: device-side assert triggered")
    return numpy.sin(numpy.arange(24000 * (30 if "rambling" in text else 1)) / 9).astype(numpy.float32)
"""
QWEN = """
from types import SimpleNamespace

import torch


class Qwen3TTSModel:
    @classmethod
    def from_pretrained(cls, folder, **settings):
        torch.load(" ".join(settings.values()))
        engine = cls()
        codec = SimpleNamespace(decode=None, model=SimpleNamespace(float=lambda: None))
        engine.model = SimpleNamespace(tts_model_type="custom_voice", speech_tokenizer=codec)
        return engine

    def generate_custom_voice(self, text, **settings):
        torch.note(f"speaks {len(text)}")
        if len(text) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [torch.say(one) for one in text], 24000
"""
CHATTERBOX = """
from types import SimpleNamespace

import torch


class ChatterboxTTS:
    conds = SimpleNamespace()

    @classmethod
    def from_local(cls, folder, device):
        torch.load(device)
        return cls()

    def generate(self, text, **settings):
        torch.note("speaks 1")
        samples = torch.say(text)
        return SimpleNamespace(squeeze=lambda axis: SimpleNamespace(numpy=lambda: samples))
"""
HUB = """
import torch


def snapshot_download(repository, allow_patterns=None):
    torch.note(f"fetches {repository}")
    return "."
"""
PACKAGES = {
    "torch": TORCH,
    "qwen_tts": QWEN,
    "chatterbox/tts": CHATTERBOX,
    "huggingface_hub": HUB,
    "perth": "PerthImplicitWatermarker = object",
}
GPU_LOST = "the process that spoke it ended twice (RuntimeError: CUDA error: device-side assert triggered)"

engine = pytest.mark.parametrize(
    ("provider", "model", "voice", "language"),
    [("qwen", "0.6b", "ryan", "English"), ("chatterbox", "english", "default", "en")],
    ids=["qwen", "chatterbox"],
)


class Machine:
    """Two GPUs, by the notes of who did what on which."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._notes, self._monkeypatch = folder, folder / "notes", monkeypatch
        for name, source in PACKAGES.items():
            path = folder / "packages" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        for name in ("qwen_tts-0.1.1", "chatterbox_tts-0.1.7"):
            info = folder / "packages" / f"{name}.dist-info"
            info.mkdir()
            package, version = name.split("-")
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        monkeypatch.setenv("PYTHONPATH", str(folder / "packages"))
        monkeypatch.setenv("KAVOX_TEST_NOTES", str(self._notes))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def run(self, provider: str, model: str, voice: str, language: str, *texts: str, broken: str = "") -> LocalRun:
        self._monkeypatch.setenv("KAVOX_TEST_BROKEN", broken)
        items = [an_item(f"item-{n}", text, voice=voice, language=language) for n, text in enumerate(texts)]
        names = ("KAVOX_TEST_NOTES", "KAVOX_TEST_BROKEN")
        return LocalRun(self._folder, provider, model, items, environment=names, device="cuda")

    def notes(self, what: str) -> list[str]:
        """What was noted of this, with the GPU before it."""
        return [line for line in self._notes.read_text().splitlines() if line.split()[1] == what]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@engine
def test_both_gpus_speak_and_an_assertion_on_one_fails_its_item_alone(
    machine: Machine, provider: str, model: str, voice: str, language: str
) -> None:
    """The weights are fetched once; the process that the assertion has ended is replaced, and blamed on its clip."""
    texts = ["Good morning."] * 12 + ["A deadly word."]
    heard = machine.run(provider, model, voice, language, *texts)
    assert heard.failures() == {"item-12": GPU_LOST}
    assert len(machine.notes("fetches")) == 1
    assert {line[0] for line in machine.notes("speaks")} == {"0", "1"}
    if provider == "qwen":
        assert all(set(line.split()[2:]) == {"cuda:0", "float32", "sdpa"} for line in machine.notes("loads"))
        assert {line.split()[2] for line in machine.notes("speaks")} >= {"1", "2", "3"}, "a full memory halves"


@engine
@pytest.mark.parametrize("broken", ["0", "1"])
def test_a_gpu_that_takes_no_model_leaves_the_work_to_the_other(
    machine: Machine, provider: str, model: str, voice: str, language: str, broken: str
) -> None:
    """It is tried twice, and no item pays for it."""
    heard = machine.run(provider, model, voice, language, *["Good morning."] * 12, broken=broken)
    assert heard.result is not None, heard.status
    assert heard.failures() == {}
    assert [line[0] for line in machine.notes("loads")].count(broken) <= 2


def test_a_short_clip_that_rambles_on_beside_a_long_one_fails(machine: Machine) -> None:
    """Its own text says how long it may take, not the longest of its batch."""
    long = "A sentence that takes its time. " * 8
    heard = machine.run("qwen", "0.6b", "ryan", "English", long, "A rambling one.", "One more rambling one.")
    assert set(heard.failures()) == {"item-1", "item-2"}
    assert all(why.startswith("the speech did not come to an end within ") for why in heard.failures().values())
