"""The log of a whole service: every process, every line, with all that can go wrong said about a text."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
import redis

from app.embedded import EmbeddedServer
from app.shared import keys
from tests.pages import ROOT
from tests.service import Service, wait_for

pytestmark = pytest.mark.slow

MARK = "zebra7crossing"
WORDS = ("ends", "refused", "dies")
Logged = tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]
# Says the text in every way that a notebook can: in its output, as an item's error, and as what it dies of.
INDISCREET = """
import json, sys
for item in RUN["items"]:
    text = "".join(item["chunks"])
    print(text, flush=True)
    print(text, file=sys.stderr, flush=True)
    if "refused" in text:
        result = json.loads(open("result.json").read())
        for told in result["items"]:
            told.update(status="failed", error=text)
        open("result.json", "w").write(json.dumps(result))
    if "dies" in text:
        import os
        os.remove("result.json")
        raise ValueError(text)
"""
# What `kavox serve` says to people, on stdout.
BANNER = re.compile(r"Kavox (is ready|stops)|  (Redis|Kaggle|Keys|Workers|Data)  ")


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """The jobs, by what their text says, and all lines that the service has written from its start to its end."""
    folder = tmp_path_factory.mktemp("logged")
    settings = {
        "KAVOX_LOG_LEVEL": "debug",
        "KAVOX_NOTEBOOKS_DIR": _indiscreet_notebooks(folder),
        "KAVOX_BATCH_MAX_ITEMS": 1,
        "KAVOX_BATCH_WINDOW_SECONDS": 0.5,
    }
    service = Service(folder / "data", settings)
    try:
        service.start()
        jobs = _make_trouble(service)
        service.stop()
    finally:
        service.end_everything()
    return jobs, _lines(service.log)


def _indiscreet_notebooks(folder: Path) -> Path:
    notebooks = folder / "notebooks"
    shutil.copytree(ROOT / "notebooks", notebooks)
    notebook = nbformat.read(notebooks / "hibari.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(INDISCREET, id="added"))
    nbformat.write(notebook, notebooks / "hibari.ipynb")
    return notebooks


def _make_trouble(service: Service) -> dict[str, dict[str, Any]]:
    for call, kind in (("SaveKernel", "http_429"), ("GetKernelSessionStatus", "html_200"), ("Download", "cut")):
        service.inject_fault(call=call, kind=kind, times=1)
    # One with a seed of its own is not run again.
    sent = {word: service.submit(f"{MARK} {word}.", metadata={"of": MARK}, seed=1)["id"] for word in WORDS}
    jobs = {word: service.finished(sent[word]) for word in WORDS}
    # As nobody could have written it: whoever reads it meets an error that quotes it.
    unreadable = service.submit(f"{MARK} unreadable.")["id"]
    with redis.Redis.from_url(EmbeddedServer(service.data_dir / "valkey").url) as connection:
        connection.hset(keys.JOB + unreadable, "created_at", MARK)
    wait_for("a worker to meet the unreadable job", lambda: "exception" in service.log.read_text())
    service.kill("workers.main", "app.main:create_app", "workers.emulator")
    wait_for("the service to be back", lambda: service.log.read_text().count("worker started") >= 2)
    return jobs


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if not BANNER.match(line)]


def test_every_line_of_every_process_is_json_and_says_nothing_of_a_text(logged: Logged) -> None:
    """Supervisor, API, worker, emulator; what a notebook prints, fails with or dies of stays in its own log."""
    jobs, lines = logged
    assert jobs["ends"]["status"] == "succeeded"
    # Their callers do read it.
    assert MARK in jobs["refused"]["error"]["detail"]
    assert MARK in jobs["dies"]["error"]["detail"]
    assert MARK not in json.dumps(lines)
    for line in lines:
        assert line.keys() >= {"event", "level", "timestamp", "process"}, line
    assert {line["process"].partition("-")[0] for line in lines} >= {"serve", "api", "emulator"}
    assert any("exception" in line for line in lines)


def test_a_job_is_followed_from_its_request_to_its_run_and_its_end(logged: Logged) -> None:
    """The request's line names the job, the run's names its jobs, and the end names both."""
    jobs, lines = logged
    for word, code in (("ends", None), ("refused", "synthesis_failed"), ("dies", "notebook_failed")):
        job = jobs[word]["id"]
        asked = next(line for line in lines if line.get("job") == job)
        assert (asked["event"], asked["path"], asked["status"]) == ("request", "/synthesize", 202)
        assert len(asked["request_id"]) == 32
        claimed = [line["run"] for line in lines if line["event"] == "run claimed" and job in line["jobs"]]
        ended = next(line for line in lines if line["event"] == "job ended" and line["job"] == job)
        assert ended["run"] == claimed[-1]
        assert (ended["status"], ended["code"]) == (jobs[word]["status"], code)
        pushed = [line["run"] for line in lines if line["event"] == "kernel accepted"]
        assert claimed[-1] in pushed
