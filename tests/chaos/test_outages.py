"""Redis goes away for long, again and again; callers hear it at once, and nothing is lost or pushed twice."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.embedded import EmbeddedServer
from tests.mimic import write_mimic
from tests.puppets import Puppets
from tests.service import Service, wait_for

pytestmark = pytest.mark.chaos

# Longer than any client rides out, so that everybody has to give up and begin anew.
OUTAGE_SECONDS = 30
ANSWER_SECONDS = 9


class External:
    """A Redis that nobody starts again but the test."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedServer(folder)
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()
        wait_for("Redis", self._server.answers)

    def kill(self) -> None:
        self._server.signal(signal.SIGKILL)
        wait_for("the end of Redis", lambda: self._server.exit_code() is not None)


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[External]:
    server = External(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    with contextlib.suppress(AssertionError):
        server.kill()


@pytest.fixture(scope="module")
def dependent(external: External, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on that Redis."""
    folder = tmp_path_factory.mktemp("dependent")
    notebooks = write_mimic(folder / "notebooks")
    settings = {
        "KAVOX_NOTEBOOKS_DIR": notebooks,
        "KAVOX_REDIS_URL": external.url,
        "KAVOX_WORKERS": 2,
        "KAVOX_MAX_CPU_RUNS": 2,
        "KAVOX_BATCH_WINDOW_SECONDS": 0,
    }
    service = Service(folder / "data", settings)
    service.start()
    yield service
    service.end_everything()


def answer(service: Service) -> tuple[int, str, float]:
    """Status, code and seconds of a submission."""
    began = time.monotonic()
    response = service.http.post("/synthesize", json={"text": "Not now."})
    return response.status_code, response.json().get("code", ""), time.monotonic() - began


@pytest.mark.timeout(180)
def test_nothing_is_lost_while_redis_is_away_for_long(dependent: Service, external: External) -> None:
    """In the middle of one run, while another publishes and a job waits: callers get a clear 503 within seconds, and
    once Redis is back everything goes on by itself, on the kernels that were pushed before."""
    puppets = Puppets(dependent)
    puppets.script(times=None)
    running = dependent.submit("In the middle.")
    kernel = puppets.kernel_of(running["id"])
    publishing = [dependent.submit(f"On its way back, {number}.") for number in range(8)]
    second = puppets.kernel_of(publishing[0]["id"])
    waiting = dependent.submit("Waiting.")
    assert waiting["status"] == "queued"
    # As slow as a storage may be, so that Redis goes away between two files.
    dependent.inject_fault(call="Download", kind="delay", seconds=0.3, times=8)
    puppets.finish(second)
    wait_for("a first file", puppets.downloads)
    external.kill()
    away = time.monotonic()
    assert httpx.get(f"{dependent.url}/healthz").status_code == 200
    status, code, seconds = answer(dependent)
    assert (status, code) == (503, "store_unavailable")
    assert seconds < ANSWER_SECONDS
    assert dependent.http.get(f"/jobs/{running['id']}").json()["code"] == "store_unavailable"
    assert dependent.http.get("/readyz").json()["redis"]["reachable"] is False
    time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - away)))
    external.start()
    wait_for("the API to be ready", lambda: dependent.http.get("/readyz").status_code == 200, 30)
    later = dependent.submit("After the storm.")
    jobs = (running, *publishing, waiting, later)
    with puppets.finishing_all():
        for job in jobs:
            done = dependent.finished(job["id"])
            assert done["status"] == "succeeded", done["error"]
            assert len(dependent.audio(job["id"])) == done["audio"]["bytes"]
    runs = {dependent.job(job["id"])["run"]["kernel"] for job in jobs}
    assert {f"emulator/{kernel}", f"emulator/{second}"} <= runs
    assert puppets.pushes() == len(runs)
    wait_for("all kernels to be deleted", lambda: not puppets.kernels())
    puppets.close()


@pytest.mark.timeout(180)
def test_redis_may_be_killed_again_and_again(dependent: Service, external: External) -> None:
    """`kill -9` six times while jobs come and go: what was accepted is spoken, on one push a run."""
    puppets = Puppets(dependent)
    puppets.script(times=None)
    before, accepted = puppets.pushes(), []
    with puppets.finishing_all():
        for number in range(6):
            accepted += [dependent.submit(f"Number {number}, {part}.")["id"] for part in range(5)]
            external.kill()
            external.start()
        done = [dependent.finished(job_id) for job_id in accepted]
    assert {job["status"] for job in done} == {"succeeded"}
    assert puppets.pushes() - before == len({job["run"]["kernel"] for job in done})
    puppets.close()
