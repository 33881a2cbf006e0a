"""What Kaggle says of a session while it is followed: only its end is an end. And nothing is kept for ever."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mimic import write_mimic
from tests.puppets import Puppets
from tests.service import Service, wait_for

pytestmark = pytest.mark.slow

# Long enough to be told something else meanwhile, short enough to wait for.
DEPLOYMENT_SECONDS, RUN_SECONDS, KEPT_SECONDS = 1.5, 2, 3
SETTINGS = {
    "KAVOX_DEPLOYMENT_TIMEOUT_MINUTES": DEPLOYMENT_SECONDS / 60,
    "KAVOX_RUN_TIMEOUT_MINUTES": RUN_SECONDS / 60,
    "KAVOX_RESULT_TTL_HOURS": KEPT_SECONDS / 3600,
    "KAVOX_POLLING_INTERVAL_SECONDS": 0.1,
    "KAVOX_POLLING_MIN_SECONDS": 0.05,
    "KAVOX_RETRY_INTERVAL_SECONDS": 0.2,
    "KAVOX_BATCH_WINDOW_SECONDS": 0,
    "KAVOX_EMULATOR_RUNS_GPU_PROVIDERS": "true",
    "KAVOX_WORKERS": 2,
}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("scripted")
    notebooks = write_mimic(folder / "notebooks", gpu=True)
    service = Service(folder / "data", {"KAVOX_NOTEBOOKS_DIR": notebooks, **SETTINGS})
    service.start()
    yield service
    service.end_everything()


@pytest.fixture
def puppets(scripted: Service) -> Iterator[Puppets]:
    puppets = Puppets(scripted)
    yield puppets
    puppets.clear()
    wait_for("all kernels to be deleted", lambda: not puppets.kernels())
    puppets.close()


@pytest.fixture(scope="module")
def spoken(scripted: Service) -> dict[str, Any]:
    """A job that succeeded before everything else here."""
    puppets = Puppets(scripted)
    puppets.script()
    job = scripted.submit("Here today.")
    puppets.finish(puppets.kernel_of(job["id"]))
    done = scripted.finished(job["id"])
    puppets.close()
    return done


def polls(puppets: Puppets) -> int:
    return puppets.calls("GetKernelSessionStatus")


@pytest.mark.usefixtures("spoken")
def test_a_kernel_that_never_gets_a_machine_is_deleted_and_its_job_goes_again(
    scripted: Service, puppets: Puppets
) -> None:
    """After the deployment time-out the job is back in its lane, and says why; its next run speaks it."""
    puppets.script("QUEUED")
    puppets.script()
    job = scripted.submit("No machine is free.")
    first = puppets.kernel_of(job["id"])
    waiting = scripted.in_phase(job["id"], "waiting")
    second = wait_for("a second kernel", lambda: next(iter({*puppets.running()} - {first}), None))
    assert first not in puppets.kernels()
    assert waiting["status"] == "queued"
    puppets.finish(second)
    assert scripted.finished(job["id"])["status"] == "succeeded"


def test_a_session_that_never_ends_is_ended_and_its_job_tried_once_more(scripted: Service, puppets: Puppets) -> None:
    """RUNNING for ever, though its log says that all is done: the kernel is deleted at the run's deadline, and after a
    second one the job fails with a code."""
    before = puppets.pushes()
    puppets.script(times=2, log=['::kavox {"seq":1,"phase":"synthesizing","item":"","done":1,"of":1}', "done"])
    done = scripted.finished(scripted.submit("The work is done.")["id"])
    assert (done["status"], done["error"]["code"]) == ("failed", "kernel_timed_out")
    assert puppets.pushes() - before == 2


NO_END: dict[str, dict[str, Any]] = {
    "an end of the log": {"call": "GetKernelSessionLogsStream", "kind": "end_stream", "events": 0},
    "an unknown status": {"call": "GetKernelSessionStatus", "kind": "alter", "fields": {"status": "PAUSED"}},
    "a page instead of a status": {"call": "GetKernelSessionStatus", "kind": "html_200"},
    "a denial of everything": {"call": "*", "kind": "http_error", "code": 403},
    "a lost connection": {"call": "GetKernelSessionStatus", "kind": "lost_response"},
}


@pytest.mark.parametrize("fault", NO_END.values(), ids=NO_END)
def test_what_is_no_end_ends_nothing(scripted: Service, puppets: Puppets, fault: dict[str, Any]) -> None:
    """Several times in a row it leaves the run as it is; the job is spoken by the one kernel that was pushed."""
    before = puppets.pushes()
    puppets.script(log=["one line"])
    job = scripted.submit("Still running.")
    kernel = puppets.kernel_of(job["id"])
    scripted.inject_fault(**fault, times=4)
    seen = polls(puppets)
    wait_for("the worker to have looked several times", lambda: polls(puppets) >= seen + 6)
    assert scripted.job(job["id"])["status"] == "running"
    puppets.finish(kernel)
    done = scripted.finished(job["id"])
    assert done["status"] == "succeeded", done["error"]
    assert puppets.pushes() - before == 1


def test_a_new_kernel_that_cannot_be_seen_yet_is_waited_for(scripted: Service, puppets: Puppets) -> None:
    """403 for a while after an accepted push, as Kaggle has it: the push is not made again."""
    before = puppets.pushes()
    puppets.account(visibility_lag_seconds=0.7)
    puppets.script()
    job = scripted.submit("Hidden at first.")
    kernel, seen = puppets.kernel_of(job["id"]), polls(puppets)
    wait_for("the worker to have looked in vain", lambda: polls(puppets) >= seen + 2)
    assert scripted.job(job["id"])["status"] == "running"
    puppets.account(visibility_lag_seconds=0)
    puppets.finish(kernel)
    done = scripted.finished(job["id"])
    assert done["status"] == "succeeded", done["error"]
    assert puppets.pushes() - before == 1


def test_jobs_wait_while_a_person_holds_the_gpu_sessions(scripted: Service, puppets: Puppets) -> None:
    """Sessions that were started by hand count too: the job says what it waits for, and runs when one is free."""
    puppets.account(gpu_sessions=2)
    puppets.script()
    before = puppets.pushes()
    job = scripted.submit("After you.")
    waiting = wait_for("the job to wait", lambda: scripted.job(job["id"])["waiting"])
    assert waiting["code"] == "waiting_for_session"
    assert scripted.job(job["id"])["status"] == "queued"
    puppets.account(gpu_sessions=1)
    puppets.finish(puppets.kernel_of(job["id"]))
    assert scripted.finished(job["id"])["status"] == "succeeded"
    assert puppets.pushes() - before == 1


def test_audio_expires_and_then_its_record(scripted: Service, puppets: Puppets, spoken: dict[str, Any]) -> None:
    """First 410, of one that was spoken just now, and its file is gone; then 404, of one that was spoken long ago."""

    def answer(job: dict[str, Any]) -> tuple[int, str]:
        response = scripted.http.get(f"/jobs/{job['id']}/audio")
        return response.status_code, response.json().get("code", "") if response.status_code != 200 else ""

    puppets.script()
    job = scripted.submit("Gone tomorrow.", format="mp3")
    puppets.finish(puppets.kernel_of(job["id"]))
    assert scripted.finished(job["id"])["status"] == "succeeded"
    assert answer(job) == (200, "")
    assert scripted.http.get(f"/jobs/{job['id']}/audio?format=flac").status_code == 200
    kept = scripted.data_dir / "audio"
    assert {path.suffix for path in kept.glob(f"{job['id']}*")} == {".wav", ".mp3", ".flac"}
    wait_for("the audio to expire", lambda: answer(job) == (410, "audio_expired"))
    wait_for("its files to be removed", lambda: not [*kept.glob(f"{job['id']}*")])
    wait_for("the older record to expire", lambda: answer(spoken) == (404, "job_not_found"))
    assert scripted.http.get(f"/jobs/{spoken['id']}").status_code == 404
