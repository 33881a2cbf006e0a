"""Nothing stays: kernels, audio, records and waiting jobs have an end."""

from collections.abc import Iterator

import pytest

from tests.mimic import write_mimic
from tests.puppets import Puppets
from tests.service import Service, wait_for

KEPT_SECONDS, WAIT_SECONDS = 3, 6


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("forgetful")
    settings = {
        "KAVOX_NOTEBOOKS_DIR": write_mimic(folder / "notebooks"),
        "KAVOX_RESULT_TTL_HOURS": KEPT_SECONDS / 3600,
        "KAVOX_MAX_WAIT_HOURS": WAIT_SECONDS / 3600,
        "KAVOX_DEPLOYMENT_TIMEOUT_MINUTES": 1.5 / 60,
        "KAVOX_RETRY_INTERVAL_SECONDS": 0.2,
        "KAVOX_BATCH_WINDOW_SECONDS": 0,
        "KAVOX_KEEP_KERNELS": "false",
        "KAVOX_WORKERS": 2,
    }
    service = Service(folder / "data", settings)
    service.start()
    yield service
    service.end_everything()


def test_everything_has_its_end(forgetful: Service) -> None:
    """The kernel is deleted once its audio is there; the audio expires (410), then the record (404); and a job for
    which there is never a machine fails when it has waited for as long as it may."""
    puppets = Puppets(forgetful)
    puppets.script()
    spoken = forgetful.submit("Here today.")
    puppets.finish(puppets.kernel_of(spoken["id"]))
    done = forgetful.finished(spoken["id"])
    assert done["status"] == "succeeded", done["error"]
    assert len(forgetful.audio(spoken["id"])) == done["audio"]["bytes"]
    wait_for("the kernel to be deleted", lambda: not puppets.kernels())

    puppets.script("QUEUED", times=None)
    hopeless = forgetful.submit("No machine is ever free.")

    def answer(path: str) -> tuple[int, str]:
        response = forgetful.http.get(path)
        return response.status_code, response.json().get("code", "") if response.status_code != 200 else ""

    audio, record = f"/jobs/{spoken['id']}/audio", f"/jobs/{spoken['id']}"
    wait_for("the audio to expire", lambda: answer(audio) == (410, "audio_expired"))
    wait_for("the record to expire", lambda: answer(record) == (404, "job_not_found"))
    assert answer(audio) == (404, "job_not_found")
    assert not [*(forgetful.data_dir / "audio").glob(f"{spoken['id']}*")]

    failed = forgetful.finished(hopeless["id"])
    assert failed["error"]["code"] in {"wait_expired", "kernel_not_started"}
    wait_for("its kernels to be deleted", lambda: not puppets.kernels())
    puppets.close()
