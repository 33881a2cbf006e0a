"""One wrong answer of Kaggle's costs a job time and nothing else."""

from typing import Any

import pytest

from tests.service import Service

pytestmark = pytest.mark.slow

WRONG_ONCE: dict[str, dict[str, Any]] = {
    "a result.json that was cut on the way": {"call": "Download", "kind": "short"},
    "a list without outputs": {"call": "ListKernelSessionOutput", "kind": "alter", "fields": {"files": []}},
    "an end that is none": {"call": "GetKernelSessionStatus", "kind": "alter", "fields": {"status": "COMPLETE"}},
    "a cancel that is none": {
        "call": "GetKernelSessionStatus", "kind": "alter", "fields": {"status": "CANCEL_ACKNOWLEDGED"},
    },
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG_ONCE.values(), ids=WRONG_ONCE)
def test_what_kaggle_gets_wrong_once_is_looked_at_again(service: Service, fault: dict[str, Any]) -> None:
    """The job succeeds, and one kernel was pushed for it."""
    before = service.kaggle_stats()["pushes_accepted"]
    service.inject_fault(**fault, times=1)
    done = service.finished(service.submit("Look again before you judge.")["id"])
    assert done["status"] == "succeeded", done["error"]
    assert service.kaggle_stats()["pushes_accepted"] - before == 1


def test_files_that_cannot_be_fetched_do_not_hold_back_the_others(service: Service) -> None:
    """With a third of all downloads failing, every job of a run gets its audio, on one push."""
    before = service.kaggle_stats()["pushes_accepted"]
    service.inject_fault(call="Download", kind="http_503_html", probability=0.33, times=1000)
    try:
        jobs = [service.submit(f"This is number {number}.") for number in range(12)]
        done = [service.finished(job["id"]) for job in jobs]
    finally:
        service.clear_faults()
    assert {job["status"] for job in done} == {"succeeded"}, [job["error"] for job in done]
    assert service.kaggle_stats()["pushes_accepted"] - before <= 2
