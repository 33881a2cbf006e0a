"""A cancel stops what can be stopped, and never looks done before it is."""

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from tests.service import Service, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Its kernels run for so long that one can cancel in the middle."""
    service = Service(tmp_path_factory.mktemp("slow"), {"KAVOX_EMULATOR_BOOT_SECONDS": 6})
    service.start()
    yield service
    service.end_everything()


@contextlib.contextmanager
def undeletable(service: Service) -> Iterator[None]:
    service.inject_fault(call="DeleteKernel", kind="http_503_html", times=1000)
    try:
        yield
    finally:
        service.clear_faults()


def cancel(service: Service, job: dict[str, str]) -> httpx.Response:
    return service.http.delete(f"/jobs/{job['id']}")


def kernels(service: Service) -> list[dict[str, str]]:
    found: list[dict[str, str]] = service.kaggle_stats()["kernels"]
    return found


def test_a_run_that_nobody_wants_any_more_is_stopped(slow: Service) -> None:
    """Its kernel is deleted, which ends its session; only then is the job cancelled."""
    job = slow.submit("Never mind this one.")
    slow.in_phase(job["id"], "kernel_queued", "loading")
    answer = cancel(slow, job)
    assert (answer.status_code, answer.json()["status"]) == (202, "canceling")
    done = slow.finished(job["id"])
    assert (done["status"], done["audio"], done["error"]) == ("canceled", None, None)
    assert kernels(slow) == []
    assert slow.http.get(f"/jobs/{job['id']}/audio").json()["code"] == "job_canceled"


def test_the_others_of_a_shared_run_go_on(slow: Service) -> None:
    """One of two is cancelled: it ends at once, the other is spoken, and the run is not stopped."""
    unwanted, wanted = slow.submit("Not this one."), slow.submit("But this one.")
    slow.in_phase(wanted["id"], "kernel_queued", "loading")
    cancel(slow, unwanted)
    assert slow.finished(unwanted["id"])["status"] == "canceled"
    assert slow.job(wanted["id"])["status"] == "running"
    done = slow.finished(wanted["id"])
    assert done["status"] == "succeeded", done["error"]
    assert slow.http.get(f"/jobs/{unwanted['id']}/audio").status_code == 409


def test_a_cancel_that_cannot_be_done_yet_says_so(slow: Service) -> None:
    """As long as Kaggle does not delete the kernel the job is being cancelled, and names the kernel."""
    job = slow.submit("Hard to stop.")
    slow.in_phase(job["id"], "kernel_queued", "loading")
    with undeletable(slow):
        cancel(slow, job)
        stuck = wait_for(
            "the cancel to be stuck", lambda: slow.job(job["id"]) if slow.job(job["id"])["waiting"] else None
        )
        assert (stuck["status"], stuck["waiting"]["code"]) == ("canceling", "cancel_unconfirmed")
        assert stuck["run"]["kernel"] in stuck["waiting"]["detail"]
    assert slow.finished(job["id"])["status"] == "canceled"
    assert kernels(slow) == []


def test_a_cancel_outlives_the_worker_that_should_heed_it(slow: Service) -> None:
    """`kill -9` of the worker right after the cancel: another one stops the run."""
    job = slow.submit("Nobody is left to hear this.")
    slow.in_phase(job["id"], "kernel_queued", "loading")
    cancel(slow, job)
    slow.kill("workers.main")
    assert slow.finished(job["id"])["status"] == "canceled"
    assert kernels(slow) == []
