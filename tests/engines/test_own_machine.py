"""qwen and chatterbox on a machine of one's own, as its owner meets them: `kavox serve` from an environment with their
packages, a folder of models, `"gpu": false`, and no Kaggle at all. The models are tiny and random, the rest is real."""

import io
import shutil
import subprocess
import wave
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.engines.stage import HERE, PYTHON
from tests.recordings import encoded, tone
from tests.service import Service, wait_for

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

SHRUNKEN = "import tiny_chatterbox\ntiny_chatterbox.shrink_on_import()\n"


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a folder of models; it has no credentials and no way to the hub."""
    folder = tmp_path_factory.mktemp("owner")
    for generator in ("tiny_qwen", "tiny_chatterbox"):
        subprocess.run([PYTHON, HERE / f"{generator}.py", folder / "models"], check=True, timeout=120)
    shutil.rmtree(folder / "models" / "Qwen3-TTS-12Hz-1.7B-VoiceDesign")
    shutil.rmtree(folder / "models" / "chatterbox-turbo")
    (folder / "sitecustomize.py").write_text(SHRUNKEN, encoding="utf-8")
    settings = {
        "KAVOX_LOCAL_INPUT_DIR": folder / "models",
        "KAVOX_WORKERS": 2,
        "PYTHONPATH": f"{folder}:{HERE}",
        "OMP_NUM_THREADS": 1,
        "HF_HUB_OFFLINE": 1,
    }
    service = Service(folder / "data", settings, program=PYTHON.with_name("kavox"))
    service.start()
    yield service
    service.end_everything()


def heard(service: Service, **fields: object) -> dict[str, Any]:
    """A job that is spoken on this machine, audibly, and of which nothing is left but its audio."""
    job = service.finished(service.submit("Good morning.", gpu=False, **fields)["id"], seconds=300)
    assert job["status"] == "succeeded", job["error"]
    assert (job["run"]["host"], job["gpu"], job["warnings"]) == ("local", False, [])
    with wave.open(io.BytesIO(service.audio(job["id"]))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
        assert max(memoryview(file.readframes(file.getnframes())).cast("h")) > 300
    wait_for("the run's folder to be deleted", lambda: not list((service.data_dir / "local").iterdir()))
    return job


def untouched(service: Service) -> bool:
    """Whether nothing was ever sent to the emulator that stands in for Kaggle."""
    stats = service.kaggle_stats()
    return stats["pushes_accepted"] == 0 and not {"SaveKernel", "CreateDataset"} & set(stats["calls"])


def cloned(service: Service, provider: str) -> str:
    """The id of a voice made of a recording."""
    given = {"name": "Anne", "provider": provider, "consent": "true"}
    answer = service.http.post("/voices", data=given, files={"file": ("anne.wav", encoded(tone(4.0)))})
    assert answer.status_code == 201, answer.text
    voice_id: str = answer.json()["id"]
    return voice_id


def test_qwen_speaks_without_any_kaggle(owner: Service) -> None:
    """A text in, speech out, and the emulator has never heard of it."""
    heard(owner, provider="qwen")
    assert untouched(owner)


@pytest.mark.parametrize("provider", ["chatterbox", "qwen"])
def test_a_cloned_voice_never_leaves_the_machine(owner: Service, provider: str) -> None:
    """The notebook finds the recording among its inputs, and no dataset is made of it."""
    heard(owner, voice=cloned(owner, provider))
    assert untouched(owner)


@pytest.mark.parametrize(
    ("fields", "repository"),
    [
        (
            {"provider": "qwen", "model": "1.7b", "options": {"description": "An old man."}},
            "Qwen/Qwen3-TTS-12Hz-1.7B-VoiceDesign",
        ),
        ({"provider": "chatterbox", "model": "turbo"}, "ResembleAI/chatterbox-turbo"),
    ],
)
def test_a_model_that_cannot_be_had_fails_its_job_with_what_to_do(
    owner: Service, fields: dict[str, Any], repository: str
) -> None:
    """Neither among the inputs, nor in the cache, nor on the hub: the job names the model and both ways to it."""
    job = owner.finished(owner.submit("Good morning.", gpu=False, **fields)["id"], seconds=300)
    assert (job["status"], job["error"]["code"]) == ("failed", "synthesis_failed")
    name = repository.partition("/")[2]
    assert f"{repository} is neither among the inputs nor in the Hugging Face cache" in job["error"]["detail"]
    assert job["error"]["detail"].endswith(
        "give this machine the internet once, or put the model's files into a folder "
        f"{name} below KAVOX_LOCAL_INPUT_DIR"
    )


def test_without_gpu_false_the_service_says_that_it_may_be_used(owner: Service) -> None:
    """Its Kaggle is emulated and has no GPU, the machine of the worker may have one."""
    refused: httpx.Response = owner.http.post("/synthesize", json={"text": "Good morning.", "provider": "qwen"})
    assert (refused.status_code, refused.json()["code"]) == (422, "needs_kaggle")
    assert 'say "gpu": false' in refused.json()["detail"]


def test_a_worker_that_is_killed_leaves_the_run_to_the_next(owner: Service) -> None:
    """The notebook goes on, and the worker that the supervisor starts anew publishes what it has spoken."""
    job = owner.submit("Good morning.", provider="qwen", gpu=False)
    owner.in_phase(job["id"], "loading", "synthesizing", seconds=120)
    owner.kill("workers.main")
    done = owner.finished(job["id"], seconds=300)
    assert done["status"] == "succeeded", done["error"]
    wait_for("the run's folder to be deleted", lambda: not list((owner.data_dir / "local").iterdir()))
