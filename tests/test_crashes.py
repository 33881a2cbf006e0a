"""Nothing is lost and nothing is pushed twice, whatever is killed in the middle of a run."""

from collections.abc import Iterator

import pytest

from tests.conftest import StartService
from tests.service import Service

# Long enough to kill something while the kernel's session lasts.
SLOW_BOOT = {"KAVOX_EMULATOR_BOOT_SECONDS": 2}


@pytest.fixture(scope="module")
def slow_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("slow"), SLOW_BOOT)
    service.start()
    yield service
    service.end_everything()


@pytest.mark.parametrize("victim", ["workers.main", "app.main:create_app", "valkey-server", "workers.emulator"])
def test_a_run_survives_the_death_of_any_process(slow_service: Service, victim: str) -> None:
    """`kill -9` in the middle of a run: the job ends right, and one push was accepted."""
    before = slow_service.kaggle_stats()["pushes_accepted"]
    job = slow_service.submit("Nothing can stop this sentence.")
    slow_service.in_phase(job["id"], "kernel_queued", "loading", "synthesizing")
    slow_service.kill(victim)
    done = slow_service.finished(job["id"])
    assert done["status"] == "succeeded", done["error"]
    assert len(slow_service.audio(job["id"])) == done["audio"]["bytes"]
    assert slow_service.kaggle_stats()["pushes_accepted"] - before == 1


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_hands_its_run_over_at_once(start_service: StartService) -> None:
    """SIGTERM lets go of the run without waiting for the lease to run out."""
    service = start_service(KAVOX_WORKERS=2, **SLOW_BOOT)
    job = service.submit("Another worker goes on.")
    service.in_phase(job["id"], "kernel_queued", "loading", "synthesizing")
    workers = service.processes("workers.main")
    for worker in workers:
        worker.terminate()
    assert service.finished(job["id"])["status"] == "succeeded"
    assert service.kaggle_stats()["pushes_accepted"] == 1
    assert not any(worker.is_running() for worker in workers)


def test_jobs_and_audio_outlive_a_kill_of_everything(start_service: StartService) -> None:
    """After `kill -9` of every process of the service a new start has the audio and finishes the open jobs."""
    service = start_service(**SLOW_BOOT)
    finished = service.submit("This one was finished before.")
    service.finished(finished["id"])
    wav = service.audio(finished["id"])
    running = service.submit("This one was on its way.")
    service.in_phase(running["id"], "kernel_queued", "loading", "synthesizing")
    waiting = service.submit("This one was still waiting.")
    # The notebook runs on, as it would on Kaggle.
    service.kill("serve", "workers.main", "app.main:create_app", "valkey-server", "workers.emulator")
    service.start()
    assert service.audio(finished["id"]) == wav
    for job in (running, waiting):
        done = service.finished(job["id"])
        assert done["status"] == "succeeded", done["error"]
    assert service.kaggle_stats()["pushes_accepted"] == 3
