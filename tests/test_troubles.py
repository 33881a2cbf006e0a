"""What Kaggle, the disk and the notebooks do wrong, and what becomes of the jobs."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest

from app.ports import LOOPBACK, free_port
from tests.conftest import StartService
from tests.service import Service, wait_for
from tests.workers.emulator.driver import Emulator

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


# Doubles of hibari, each with something that its notebook does wrong at its end.
TROUBLES: Mapping[str, str] = {
    "falling": "import os\nos.remove('result.json')\nraise RuntimeError('the engine fell over')",
    "outdated": "",
    "littering": """
import pathlib
for i in range(600):
    pathlib.Path(f'extra-{i:03}.wav').write_bytes(b'RIFF')
""",
    "tampering": """
import pathlib
first = sorted(pathlib.Path('.').glob('*.wav'))[0]
first.write_bytes(first.read_bytes()[:-2])
""",
    "silent": """
silent = min(ENTRIES, key=lambda entry: entry["id"])
frames = round(silent["duration_seconds"] * SAMPLE_RATE)
content = wav(np.zeros(frames, np.float32))
write_whole(OUTPUT / silent["file"], content)
silent["sha256"] = hashlib.sha256(content).hexdigest()
write_whole(OUTPUT / "result.json", json.dumps(RESULT).encode())
""",
}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose providers include the doubles."""
    folder = tmp_path_factory.mktemp("troubled")
    notebooks = folder / "notebooks"
    shutil.copytree(NOTEBOOKS, notebooks)
    manifest = (notebooks / "hibari.toml").read_text()
    for name, code in TROUBLES.items():
        (notebooks / f"{name}.toml").write_text(manifest.replace('name = "hibari"', f'name = "{name}"', 1))
        notebook = nbformat.read(notebooks / "hibari.ipynb", as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(code, id="added"))
        nbformat.write(notebook, notebooks / f"{name}.ipynb")
    source = (notebooks / "outdated.ipynb").read_text()
    assert "import hibari" in source
    (notebooks / "outdated.ipynb").write_text(source.replace("import hibari", "import hibari_of_last_year"))
    service = Service(folder / "data", {"KAVOX_NOTEBOOKS_DIR": notebooks})
    service.start()
    yield service
    service.end_everything()


def two_of(service: Service, provider: str) -> list[dict[str, Any]]:
    """Two jobs that were sent as one batch, so that a run carries both, ended, in the order of their ids."""
    items = [{"text": text, "provider": provider} for text in ("The first of two.", "The second of two.")]
    jobs = service.http.post("/batches", json={"items": items}).raise_for_status().json()["jobs"]
    return [service.finished(str(job["id"])) for job in sorted(jobs, key=lambda job: str(job["id"]))]


def running_kernel(service: Service) -> str | None:
    running = [kernel["slug"] for kernel in service.kaggle_stats()["kernels"] if kernel["status"] == "RUNNING"]
    return running[0] if running else None


def status_polls(service: Service) -> int:
    polls: int = service.kaggle_stats()["calls"].get("GetKernelSessionStatus", 0)
    return polls


def delete_kernel(service: Service, slug: str) -> None:
    """As a person does it on Kaggle's site."""
    httpx.post(
        f"{service.emulator()}/v1/kernels.KernelsApiService/DeleteKernel",
        json={"userName": "emulator", "kernelSlug": slug},
        auth=("emulator", "emulator"),
    ).raise_for_status()


def test_a_push_whose_answer_is_lost_is_not_made_again(service: Service) -> None:
    """The worker looks for the kernel, finds it, and goes on."""
    before = service.kaggle_stats()["pushes_accepted"]
    service.inject_fault(call="SaveKernel", kind="lost_response", times=1)
    done = service.finished(service.submit("The answer to this push is lost.")["id"])
    assert done["status"] == "succeeded", done["error"]
    assert service.kaggle_stats()["pushes_accepted"] - before == 1


def test_a_push_that_never_arrived_is_made_again(service: Service) -> None:
    """Once it is certain that no kernel is there, the worker pushes again."""
    before = service.kaggle_stats()["pushes_accepted"]
    service.inject_fault(call="SaveKernel", kind="http_503_html", times=1)
    done = service.finished(service.submit("The first push of this one came to nothing.")["id"])
    assert done["status"] == "succeeded", done["error"]
    assert service.kaggle_stats()["pushes_accepted"] - before == 1


def test_a_job_waits_while_all_sessions_are_taken(service: Service) -> None:
    """A refused push is waiting, not failure, and the job says what it waits for."""
    service.inject_fault(call="SaveKernel", kind="refuse_gpu_sessions", times=2)
    job = service.submit("There is no session for me yet.")
    waiting = service.in_phase(job["id"], "waiting_for_session")
    assert waiting["status"] == "queued"
    assert waiting["waiting"]["code"] == "waiting_for_session"
    assert "Maximum batch GPU session count" in waiting["waiting"]["detail"]
    assert service.finished(job["id"])["status"] == "succeeded"


def test_an_unreliable_kaggle_costs_time_and_nothing_else(service: Service) -> None:
    """With a fifth of all calls answered by an HTML error page the job succeeds, on one accepted push."""
    before = service.kaggle_stats()["pushes_accepted"]
    service.inject_fault(call="GetKernelSessionStatus", kind="http_503_html", probability=0.3)
    service.inject_fault(call="ListKernelSessionOutput", kind="http_503_html", times=1)
    service.inject_fault(call="GetKernelSessionLogsStream", kind="http_503_html", probability=0.5)
    try:
        done = service.finished(service.submit("Kaggle has a bad day.")["id"])
    finally:
        service.clear_faults()
    assert done["status"] == "succeeded", done["error"]
    assert service.kaggle_stats()["pushes_accepted"] - before == 1


def test_a_notebook_that_fails_fails_its_job_with_the_cause(troubled: Service) -> None:
    """Without a result.json there is no success, and the error holds what the log says."""
    done = troubled.finished(troubled.submit("This will not be spoken.", provider="falling")["id"])
    assert done["status"] == "failed"
    assert done["error"]["code"] == "notebook_failed"
    assert "the engine fell over" in done["error"]["detail"]
    assert troubled.http.get(f"/jobs/{done['id']}/audio").status_code == 409


def test_a_changed_image_is_told_as_one(troubled: Service) -> None:
    """A package that cannot be imported any more fails the job, which names it and says what to do."""
    done = troubled.finished(troubled.submit("This will not be spoken.", provider="outdated")["id"])
    assert done["error"]["code"] == "image_changed"
    assert "No module named 'hibari_of_last_year'" in done["error"]["detail"]
    assert "Update Kavox" in done["error"]["detail"]
    log = troubled.http.get(done["urls"]["logs"]).json()
    assert (log["job"], log["run"], log["complete"]) == (done["id"], done["run"]["id"], True)
    assert any("hibari_of_last_year" in line["text"] for line in log["lines"])
    assert not any("Debugger warning" in line["text"] for line in log["lines"])


def test_only_what_the_result_names_is_fetched(troubled: Service) -> None:
    """Of 600 more output files, listed over two pages and wavs among them, not one is downloaded."""
    before = troubled.kaggle_stats()["downloads"]
    jobs = two_of(troubled, "littering")
    assert [job["status"] for job in jobs] == ["succeeded", "succeeded"], jobs
    after = troubled.kaggle_stats()["downloads"]
    fetched = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    assert fetched == {"result.json": 1, **{f"{job['id']}.wav": 1 for job in jobs}}


def test_a_tampered_wav_is_rejected_and_its_neighbour_published(troubled: Service) -> None:
    """Audio that is not what result.json says never reaches a job; one bad item fails alone."""
    bad, good = two_of(troubled, "tampering")
    assert bad["status"] == "failed"
    assert bad["error"]["code"] == "audio_rejected"
    assert good["status"] == "succeeded", good["error"]


def test_a_silent_wav_is_rejected_and_its_neighbour_published(troubled: Service) -> None:
    """A wav may agree with result.json in every number and hold no speech all the same."""
    bad, good = two_of(troubled, "silent")
    assert bad["error"]["code"] == "audio_rejected"
    assert "the clip is silent" in bad["error"]["detail"]
    assert good["audio"]["checks"]["passed"] is True
    assert good["audio"]["checks"]["peak"] > 0.05
    log = troubled.http.get(good["urls"]["logs"], headers={"Accept": "text/plain"})
    assert good["id"] in log.text
    assert log.headers["content-type"].startswith("text/plain")


def test_a_run_waits_for_a_full_disk_to_be_cleared(troubled: Service) -> None:
    """Audio that cannot be stored is stored later: the job waits, says why, and then succeeds."""
    before = troubled.kaggle_stats()["pushes_accepted"]
    audio = troubled.data_dir / "audio"
    elsewhere = audio.rename(audio.with_name("elsewhere"))
    audio.write_text("in the way")
    job = troubled.submit("There is no room for this yet.")
    waiting = wait_for("the job to wait", lambda: troubled.job(job["id"])["waiting"])
    assert waiting["code"] == "storage_full"
    audio.unlink()
    elsewhere.rename(audio)
    done = troubled.finished(job["id"])
    assert done["status"] == "succeeded", done["error"]
    assert troubled.kaggle_stats()["pushes_accepted"] - before == 1


def test_jobs_wait_for_a_kaggle_that_cannot_be_reached(start_service: StartService) -> None:
    """Nobody listens at first: the job waits, says why, and is spoken once Kaggle is back."""
    port = free_port(LOOPBACK)
    service = start_service(KAVOX_KAGGLE_API_URL=f"http://{LOOPBACK}:{port}")
    job = service.submit("Is anybody there?")
    waiting = wait_for("the job to wait", lambda: service.job(job["id"])["waiting"])
    assert waiting["code"] == "kaggle_unreachable"
    assert "Look after this machine's network" in waiting["detail"]
    emulator = Emulator(service.data_dir / "kaggle", {"username": "emulator", "key": "emulator"}, port).start()
    try:
        done = service.finished(job["id"])
        assert done["status"] == "succeeded", done["error"]
        assert service.kaggle_stats()["pushes_accepted"] == 1
    finally:
        emulator.stop()


def test_jobs_wait_for_credentials_that_kaggle_accepts(start_service: StartService, tmp_path: Path) -> None:
    """A wrong key loses no job: it waits and says what to mend."""
    emulator = Emulator(tmp_path / "kaggle", {"username": "somebody", "key": "else"}).start()
    try:
        service = start_service(KAVOX_KAGGLE_API_URL=emulator.url)
        job = service.submit("Who are you?")
        waiting = wait_for("the job to wait", lambda: service.job(job["id"])["waiting"])
        assert waiting["code"] == "credentials_rejected"
        assert service.job(job["id"])["status"] == "queued"
    finally:
        emulator.stop()


def test_a_kernel_that_cannot_be_deleted_yet_is_deleted_later(service: Service) -> None:
    """The job is not kept waiting for the clean-up, and the kernel does not stay."""
    service.inject_fault(call="DeleteKernel", kind="http_503_html", times=1)
    done = service.finished(service.submit("Somebody else will clean up.")["id"])
    assert done["status"] == "succeeded", done["error"]
    slug = done["run"]["kernel"].partition("/")[2]
    wait_for("the sweep", lambda: slug not in {kernel["slug"] for kernel in service.kaggle_stats()["kernels"]})


@pytest.mark.timeout(180)
def test_a_job_whose_kernel_is_deleted_by_hand_is_run_once_more(start_service: StartService) -> None:
    """The first time somebody deletes the running kernel another run is made, the second time the job fails."""
    service = start_service(KAVOX_EMULATOR_BOOT_SECONDS=600)
    job = service.submit("Who deletes my kernel?")
    for _ in range(2):
        slug = wait_for("a running kernel", lambda: running_kernel(service), seconds=90)
        polls = status_polls(service)
        wait_for("the worker to have seen it run", lambda: status_polls(service) > polls + 1)  # noqa: B023  # called at once
        delete_kernel(service, slug)
    done = service.finished(job["id"])
    assert done["error"]["code"] == "kernel_not_found"
    assert service.kaggle_stats()["pushes_accepted"] == 2


@pytest.mark.timeout(180)
def test_a_kernel_that_finds_no_machine_is_deleted_and_its_jobs_wait_on(start_service: StartService) -> None:
    """After the deployment time-out the jobs are back in their lane, for another run."""
    service = start_service(KAVOX_EMULATOR_QUEUE_SECONDS=600, KAVOX_DEPLOYMENT_TIMEOUT_MINUTES=0.02)
    job = service.submit("No machine is free.")
    wait_for("a second run", lambda: service.kaggle_stats()["pushes_accepted"] >= 2)
    assert service.job(job["id"])["status"] in {"queued", "running"}
    assert service.kaggle_stats()["calls"]["DeleteKernel"] >= 1
