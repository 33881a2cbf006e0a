"""The week's GPU quota: jobs wait for it, go elsewhere or give up, and what they take is put down to their callers."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.mimic import write_mimic
from tests.service import Service, wait_for

pytestmark = pytest.mark.slow

GPU = "mimic-gpu"
RESERVE_HOURS = 2
ALL_HOURS = 30


@pytest.fixture(scope="module")
def spender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """It has a provider that needs a GPU, and leaves its owner two hours a week."""
    notebooks = write_mimic(tmp_path_factory.mktemp("quota") / "notebooks", with_gpu=True)
    service = Service(
        tmp_path_factory.mktemp("spender"),
        {
            "KAVOX_NOTEBOOKS_DIR": notebooks,
            "KAVOX_EMULATOR_RUNS_GPU_PROVIDERS": True,
            "KAVOX_QUOTA_RESERVE_HOURS": RESERVE_HOURS,
            "KAVOX_RETRY_INTERVAL_SECONDS": 0.1,
            "KAVOX_BATCH_WINDOW_SECONDS": 0.2,
        },
    )
    service.start()
    yield service
    service.end_everything()


@contextlib.contextmanager
def used_by_hand(service: Service, hours: float) -> Iterator[None]:
    """The account's owner has used so much of the week."""
    account = f"{service.emulator()}/control/account"
    httpx.post(account, json={"gpu_hours_used": hours}).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(account).raise_for_status()


def next_saturday() -> datetime:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=(5 - today.weekday()) % 7 or 7)


def quota(service: Service) -> dict[str, Any]:
    answer = service.http.get("/quota")
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json()
    return state


def pushes(service: Service) -> int:
    stats = service.kaggle_stats()
    refused: int = stats["pushes_refused"]
    accepted: int = stats["pushes_accepted"]
    return accepted + refused


@contextlib.contextmanager
def scripted(service: Service, *seconds: float) -> Iterator[None]:
    """The next runs hold their GPU for so long, the last of them and all after it alike, and come to nothing."""
    book = f"{service.emulator()}/control/scripts"
    states = [[{"status": "RUNNING", "seconds": length}, {"status": "ERROR"}] for length in seconds]
    scripts: list[dict[str, Any]] = [{"states": one} for one in states]
    scripts[-1]["times"] = None
    httpx.post(book, json=scripts).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(book).raise_for_status()


def test_runs_are_billed_as_kaggle_bills_them(spender: Service) -> None:
    """A job is told what its runs took, also those that came to nothing, and so is everybody who asks."""
    assert quota(spender)["gpu"] is None
    assert "Nothing has been read" in quota(spender)["detail"]
    with scripted(spender, 3, 0):
        done = spender.finished(spender.submit("This costs something.", provider=GPU)["id"])
    assert done["error"]["code"] == "notebook_failed", done
    assert done["gpu_seconds"] == pytest.approx(spender.kaggle_stats()["billed_seconds"], abs=2)
    assert done["gpu_seconds"] >= 2.5
    state = quota(spender)
    assert state["kavox"]["by_caller"] == {"local": pytest.approx(done["gpu_seconds"], abs=2)}
    assert state["gpu"]["allowed_seconds"] == ALL_HOURS * 3600
    assert datetime.fromisoformat(state["gpu"]["refreshes_at"]) == next_saturday()
    assert state["gpu"]["stale"] is False


def test_jobs_wait_for_the_quota_until_there_is_some(spender: Service) -> None:
    """What the owner's reserve leaves is used up: nothing is pushed, the job says until when; with quota it runs."""
    before = pushes(spender)
    with used_by_hand(spender, ALL_HOURS - RESERVE_HOURS):
        job = spender.submit("I wait for quota.", provider=GPU)
        waiting = spender.in_phase(job["id"], "waiting_for_quota")
        assert waiting["status"] == "queued"
        assert datetime.fromisoformat(waiting["waiting"]["retry_at"]) == next_saturday()
        assert f"KAVOX_QUOTA_RESERVE_HOURS keeps {RESERVE_HOURS}" in waiting["waiting"]["detail"]
        assert quota(spender)["gpu"]["available_seconds"] == 0
        free = spender.finished(spender.submit("I need none.", provider="mimic")["id"])
        assert (free["status"], free["run"]["host"], free["gpu_seconds"]) == ("succeeded", "emulator", 0)
        assert pushes(spender) == before + 1
    assert spender.finished(job["id"])["status"] == "succeeded"


def test_a_quota_that_cannot_be_read_stops_nothing_but_a_refused_push_does(spender: Service) -> None:
    """Kaggle's refusal is as good as a reading; a job that could go elsewhere stays as long as neither says no."""
    spender.inject_fault(call="GetAcceleratorQuotaStatistics", kind="http_503_html", times=1000)
    try:
        stays = spender.submit("I go without looking.", provider=GPU, on_unavailable="local:mimic")
        done = spender.finished(stays["id"])
        assert (done["status"], done["run"]["host"], done["warnings"]) == ("succeeded", "emulator", [])
        spender.inject_fault(call="SaveKernel", kind="refuse_gpu_quota", times=1)
        job = spender.submit("Refused for now.", provider=GPU)
        waiting = spender.in_phase(job["id"], "waiting_for_quota")
        assert datetime.fromisoformat(waiting["waiting"]["retry_at"]) == next_saturday()
        assert "Maximum weekly GPU quota" in waiting["waiting"]["detail"]
        assert spender.finished(job["id"])["status"] == "succeeded"
    finally:
        spender.clear_faults()


def test_without_quota_jobs_give_up_or_go_elsewhere_as_their_callers_said(spender: Service) -> None:
    """One fails when its time is over; one is spoken on this machine, with a warning, whenever it comes."""
    elsewhere: dict[str, Any] = {"provider": GPU, "on_unavailable": "local:mimic"}
    with used_by_hand(spender, ALL_HOURS):
        hasty = spender.submit("I have no time.", provider=GPU, max_wait_seconds=2)
        first = spender.submit("Anybody may say this.", **elsewhere)
        spender.in_phase(hasty["id"], "waiting_for_quota")
        done = spender.finished(first["id"])
        assert done["status"] == "succeeded", done["error"]
        assert (done["provider"], done["gpu"], done["run"]["host"]) == ("mimic", False, "local")
        assert done["gpu_seconds"] == 0
        assert done["warnings"] == [
            f"No GPU quota until {next_saturday():%Y-%m-%d %H:%M} UTC: spoken by 'mimic' on this service's own machine "
            f"instead of '{GPU}' on Kaggle."
        ]
        second = spender.submit("And this too, with the lane at rest.", **elsewhere)
        assert spender.finished(second["id"])["run"]["host"] == "local"
        given_up = spender.finished(hasty["id"])
        assert (given_up["status"], given_up["error"]["code"]) == ("failed", "wait_expired")
        assert given_up["gpu_seconds"] == 0


def test_a_killed_worker_leaves_one_bill(spender: Service) -> None:
    """`kill -9` in the middle of a run: whoever goes on with it writes the one bill."""
    kaggle_before = spender.kaggle_stats()["billed_seconds"]
    # Longer than the lease of the dead worker, so that its end is seen; the run after it is over at once.
    with scripted(spender, 12, 0):
        job = spender.submit("My worker dies.", provider=GPU)
        spender.in_phase(job["id"], "kernel_queued", "loading", "synthesizing")
        wait_for("a machine", lambda: spender.kaggle_stats()["billed_seconds"] > kaggle_before + 1)
        spender.kill("workers.main")
        done = spender.finished(job["id"])
    # Once and not twice; on a busy machine the new worker may come late.
    assert 11 <= done["gpu_seconds"] <= spender.kaggle_stats()["billed_seconds"] - kaggle_before + 8
