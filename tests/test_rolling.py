"""Processes are stopped and started in turn, as an upgrade does it, while runs are under way and clients ask."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from tests.mimic import write_mimic
from tests.puppets import Puppets
from tests.service import Service, wait_for

pytestmark = pytest.mark.slow

CLIENTS, REQUESTS = 4, 25


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("rolling")
    settings = {
        "KAVOX_NOTEBOOKS_DIR": write_mimic(folder / "notebooks"),
        "KAVOX_WORKERS": 2,
        "KAVOX_BATCH_WINDOW_SECONDS": 0,
    }
    service = Service(folder / "data", settings)
    service.start()
    yield service
    service.end_everything()


def ends(service: Service) -> Counter[str]:
    """How often each job has ended, as the log has it."""
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    return Counter(line["job"] for line in lines if line["event"] == "job ended")


def roll(service: Service, word: str) -> None:
    """SIGTERM to each of these processes in turn, the next one when the one before has its successor."""
    for process in service.processes(word):
        process.terminate()
        psutil.wait_procs([process], timeout=15)
        assert not process.is_running()
        wait_for("its successor", lambda: service.http.get("/readyz").json()["workers"]["count"] == 2)


def test_workers_and_the_whole_service_are_restarted_and_no_run_is_lost(rolling: Service) -> None:
    """Runs under way are let go at once and carried on; each is pushed once, and each job ends once, with its audio."""
    puppets = Puppets(rolling)
    puppets.script(times=None)
    jobs = []
    for number in (1, 2):
        jobs.append(rolling.submit(f"Sentence {number} is on its way.")["id"])
        wait_for("its run to be under way", lambda: len(puppets.running()) == len(jobs))  # at once
    jobs += [rolling.submit(f"Sentence {number} waits.")["id"] for number in (3, 4)]
    roll(rolling, "workers.main")
    assert rolling.stop() == 0
    puppets.close()
    rolling.start()
    puppets = Puppets(rolling)
    with puppets.finishing_all():
        done = [rolling.finished(job) for job in jobs]
    assert {job["status"] for job in done} == {"succeeded"}
    assert puppets.pushes() == len({job["run"]["id"] for job in done}) >= 3
    assert ends(rolling) == dict.fromkeys(jobs, 1)
    assert all(rolling.audio(job) for job in jobs)
    puppets.clear()
    puppets.close()


def test_the_api_is_restarted_under_load(rolling: Service) -> None:
    """What it has begun to answer it answers whole, and a request that is repeated under its key has one effect; who
    follows a job is told to come back, and gets its end."""
    puppets = Puppets(rolling)
    puppets.script(times=None)
    followed = rolling.submit("This one is followed.")["id"]
    with ThreadPoolExecutor(CLIENTS + 2) as pool:
        events = pool.submit(follow, rolling, followed)
        waited = pool.submit(httpx.get, f"{rolling.url}/jobs/{followed}", headers={"Prefer": "wait=60"}, timeout=70)
        asked = threading.Semaphore(0)
        sent = [pool.submit(keep_sending, rolling, client, asked) for client in range(CLIENTS)]
        for _ in range(CLIENTS * 3):
            assert asked.acquire(timeout=30)
        (api,) = rolling.processes("app.main:create_app")
        api.terminate()
        answers = [answer for future in sent for answer in future.result(timeout=60)]
        # It was let go, unfinished, before the process ended.
        assert waited.result(timeout=30).json()["status"] in {"queued", "running"}
        with puppets.finishing_all():
            assert [event.event for event in events.result(timeout=60)][-1] == "end"
            found = [rolling.finished(job) for job in {answer["id"] for answer in answers}]
    assert not api.is_running()
    assert len(found) == len(answers) == CLIENTS * REQUESTS
    assert {job["status"] for job in found} == {"succeeded"}
    assert set(ends(rolling).values()) == {1}
    puppets.clear()
    puppets.close()


def keep_sending(service: Service, client: int, asked: threading.Semaphore) -> list[dict[str, str]]:
    """The answers to requests that are repeated under their keys as long as nothing answers them."""
    answers = []
    with httpx.Client(base_url=service.url, timeout=30) as http:
        for number in range(REQUESTS):
            key = {"Idempotency-Key": f"{client}-{number}"}
            while True:
                try:
                    answer = http.post("/synthesize", json={"text": f"Request {number} of {client}."}, headers=key)
                except httpx.TransportError:
                    time.sleep(0.05)
                    continue
                break
            assert answer.status_code == 202, answer.text
            answers.append(answer.json())
            asked.release()
    return answers


def follow(service: Service, job_id: str) -> list[ServerSentEvent]:
    """All events of a job, as an EventSource gets them: when a stream ends it comes back after the time that it was
    told, with the id of the last event."""
    events: list[ServerSentEvent] = []
    with httpx.Client(base_url=service.url, timeout=30) as http:
        while not events or events[-1].event != "end":
            last = {"Last-Event-ID": events[-1].id} if events else {}
            try:
                with connect_sse(http, "GET", f"/jobs/{job_id}/events", headers=last) as source:
                    events.extend(event for event in source.iter_sse() if event.event in {"progress", "end"})
            except httpx.TransportError:
                pass  # nobody listens for a moment, or a busy server could not end the stream in time
            assert events
            assert events[-1].retry == 2000
            time.sleep(0.1)
    return events
