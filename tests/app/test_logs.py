"""GET /jobs/{id}/logs in every state of a job."""

import httpx
import pytest

from app.shared.audio_store import AudioStore
from app.shared.run_log import LogLine, RunLog, log_name
from tests.app.conftest import Place
from tests.app.workshop import RUN, Workshop

OTHER = "19abcdef0120123456780"


@pytest.fixture
def job_id(api: httpx.Client) -> str:
    return str(api.post("/synthesize", json={"text": "Hello."}).json()["id"])


def keep_log(place: Place, job_id: str, *, shared: bool) -> None:
    lines = [
        LogLine(11.5, "stderr", "WARNING: pip is old", (), common=True),
        LogLine(60.25, "stdout", f"spoke {job_id}", [job_id]),
        LogLine(61.0, "stderr", "ValueError: 'a diary'"),
        LogLine(62.0, "stdout", f"spoke {OTHER}", [OTHER]),
    ]
    run = RunLog(str(RUN["id"]), shared, complete=True, lines=lines)
    AudioStore.open(None, place.data_dir / "audio").put(log_name(run.run), run.to_bytes())


def test_the_log_of_an_ended_job_is_read(api: httpx.Client, workshop: Workshop, place: Place, job_id: str) -> None:
    """A failed job's too: every line has its time and its stream."""
    workshop.start(job_id)
    workshop.fail(job_id)
    keep_log(place, job_id, shared=False)
    job = api.get(f"/jobs/{job_id}").json()
    log = api.get(job["urls"]["logs"]).json()
    assert (log["job"], log["run"], log["complete"]) == (job_id, RUN["id"], True)
    assert log["lines"][0] == {"time": 11.5, "stream": "stderr", "text": "WARNING: pip is old"}
    assert len(log["lines"]) == 4


def test_of_a_run_with_several_callers_only_the_own_lines_are_read(
    api: httpx.Client, workshop: Workshop, place: Place, job_id: str
) -> None:
    """What names another job, or might quote its text, is not there."""
    workshop.start(job_id)
    workshop.fail(job_id)
    keep_log(place, job_id, shared=True)
    log = api.get(f"/jobs/{job_id}/logs").json()
    assert [line["text"] for line in log["lines"]] == ["WARNING: pip is old", f"spoke {job_id}"]


def test_a_log_is_plain_text_where_that_is_asked_for(
    api: httpx.Client, workshop: Workshop, place: Place, job_id: str
) -> None:
    """One line a line, for a terminal."""
    workshop.start(job_id)
    workshop.fail(job_id)
    keep_log(place, job_id, shared=True)
    answer = api.get(f"/jobs/{job_id}/logs", headers={"Accept": "text/plain"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == f"   11.500 stderr: WARNING: pip is old\n   60.250 stdout: spoke {job_id}\n"


def test_a_log_that_is_not_ready_says_when_to_come_back(api: httpx.Client, workshop: Workshop, job_id: str) -> None:
    """While a job waits or runs, its log is a 409 with Retry-After."""
    for step in ("queued", "running"):
        if step == "running":
            workshop.start(job_id)
        answer = api.get(f"/jobs/{job_id}/logs")
        assert (answer.status_code, answer.json()["code"]) == (409, "log_not_ready")
        assert int(answer.headers["retry-after"]) >= 1


def test_a_job_that_never_ran_has_no_log(api: httpx.Client, job_id: str) -> None:
    """A cancelled job was part of no run."""
    api.delete(f"/jobs/{job_id}")
    answer = api.get(f"/jobs/{job_id}/logs")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_run")


def test_a_log_that_has_expired_is_gone(api: httpx.Client, workshop: Workshop, place: Place, job_id: str) -> None:
    """Its time has passed, or there never was any."""
    workshop.start(job_id)
    workshop.fail(job_id)
    AudioStore.open(None, place.data_dir / "audio").delete(log_name(str(RUN["id"])))
    answer = api.get(f"/jobs/{job_id}/logs")
    assert (answer.status_code, answer.json()["code"]) == (410, "log_expired")


def test_another_callers_log_is_not_found(api: httpx.Client) -> None:
    """An unknown job and another's are the same 404."""
    assert api.get(f"/jobs/{OTHER}/logs").json()["code"] == "job_not_found"
