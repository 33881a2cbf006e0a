"""Cloned voices on the whole road: from the form to the notebook that finds the recording, and off Kaggle again."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import soundfile

from tests.mimic import write_mimic
from tests.recordings import encoded, tone
from tests.service import Service, wait_for


@pytest.fixture(scope="module")
def mimic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose voices say what they were cloned from; new datasets are not ready at once."""
    folder = tmp_path_factory.mktemp("cloning")
    settings = {
        "KAVOX_NOTEBOOKS_DIR": write_mimic(folder / "notebooks"),
        "KAVOX_BATCH_WINDOW_SECONDS": 0.2,
        "KAVOX_RETRY_INTERVAL_SECONDS": 0.3,
        "KAVOX_EMULATOR_DATASET_SECONDS": 0.3,
    }
    service = Service(folder / "data", settings)
    service.start()
    yield service
    service.end_everything()


def clone(service: Service, **fields: str) -> dict[str, Any]:
    """A voice made of a recording."""
    given = {"name": "Anne", "provider": "mimic", "consent": "true", **fields}
    recording = encoded(tone(3.5, silence=0.5))
    answer = service.http.post("/voices", data=given, files={"file": ("anne.wav", recording)})
    assert answer.status_code == 201, answer.text
    voice: dict[str, Any] = answer.json()
    return voice


def kaggle(service: Service, method: str, voice: dict[str, Any]) -> httpx.Response:
    """A call about the voice's dataset, as its owner makes it."""
    return httpx.post(
        f"{service.emulator()}/v1/datasets.DatasetApiService/{method}",
        json={"ownerSlug": "emulator", "datasetSlug": f"kavox-{voice['id']}"},
        auth=("emulator", "emulator"),
    )


def calls(service: Service, method: str) -> int:
    count: int = service.kaggle_stats()["calls"].get(method, 0)
    return count


def heard(service: Service, voice: dict[str, Any], **fields: object) -> dict[str, Any]:
    """A job that succeeds, and whose audio is the voice's recording, but for the tags that were added to it."""
    done = service.finished(service.submit("Say it again.", voice=voice["id"], **fields)["id"])
    assert done["status"] == "succeeded", done["error"]
    samples, rate = soundfile.read(io.BytesIO(service.audio(done["id"])), dtype="int16")
    untagged = io.BytesIO()
    soundfile.write(untagged, samples, rate, format="WAV", subtype="PCM_16")
    assert hashlib.sha256(untagged.getvalue()).hexdigest() == voice["recording"]["sha256"]
    return done


def test_a_recording_reaches_the_notebook_by_a_private_dataset(mimic: Service) -> None:
    """It is uploaded at its first use and is byte for byte what was checked; DELETE takes it off Kaggle."""
    voice = clone(mimic, transcript="Some words.")
    assert kaggle(mimic, "GetDataset", voice).status_code == 403, "nothing is uploaded before it is spoken with"
    assert heard(mimic, voice)["run"]["host"] == "emulator"
    shown = kaggle(mimic, "GetDataset", voice).json()
    assert (shown["isPrivate"], shown["currentVersionNumber"]) == (True, 1)

    assert mimic.http.delete(f"/voices/{voice['id']}").status_code == 204

    wait_for("the dataset to be deleted", lambda: kaggle(mimic, "GetDataset", voice).status_code == 404)
    assert not list((mimic.data_dir / "audio" / "voices").iterdir())


def test_a_recording_reaches_a_notebook_on_this_machine(mimic: Service) -> None:
    """The local host copies it, and Kaggle sees nothing of it."""
    voice = clone(mimic)
    assert heard(mimic, voice, gpu=False)["run"]["host"] == "local"
    assert kaggle(mimic, "GetDataset", voice).status_code == 403


def test_an_upload_whose_answer_is_lost_is_not_made_again(mimic: Service) -> None:
    """A lost answer costs no more than time: the dataset is found, and no second one is made."""
    mimic.inject_fault(call="CreateDataset", kind="lost_response", times=1)
    voice, before = clone(mimic), calls(mimic, "CreateDataset")
    heard(mimic, voice)
    assert calls(mimic, "CreateDataset") - before == 1


def test_a_deleted_voice_fails_the_jobs_that_still_wait_for_it(mimic: Service) -> None:
    """They are told why; the other jobs of their lane are spoken."""
    voice = clone(mimic)
    mimic.inject_fault(call="SaveKernel", kind="refuse_gpu_sessions", probability=1.0)
    theirs = mimic.submit("Say it.", voice=voice["id"])
    mimic.in_phase(theirs["id"], "waiting_for_session")
    other = mimic.submit("Beep.")
    mimic.http.delete(f"/voices/{voice['id']}").raise_for_status()
    mimic.clear_faults()
    failed = mimic.finished(theirs["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "voice_deleted")
    done = mimic.finished(other["id"])
    assert done["status"] == "succeeded", done["error"]
