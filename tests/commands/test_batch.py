"""`kavox batch`: many texts, each once, whatever interrupts it."""

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.commands.command import Command
from tests.commands.conftest import Inside
from tests.puppets import Puppets
from tests.service import Service, wait_for


def manifest(folder: Path, stem: str) -> dict[int, dict[str, Any]]:
    """The last line of each text."""
    lines = (folder / f"{stem}.manifest.jsonl").read_text().splitlines()
    return {entry["number"]: entry for entry in map(json.loads, lines)}


def jobs_of(service: Service) -> set[str]:
    return {job["id"] for job in service.http.get("/jobs", params={"limit": 100}).json()["jobs"]}


def test_each_text_becomes_a_file_and_only_what_changed_is_spoken_again(
    command: Command, inside: Inside, puppets: Puppets, kavox_service: Service
) -> None:
    """Lines share a run, blank ones count for nothing; given again it changes nothing, and then one line."""
    lines = command.folder / "lines.txt"
    lines.write_text("One.\n\nTwo of them.\n  \nThree it is.\n")
    with puppets.finishing_all():
        pushes = puppets.pushes()
        first = command("batch lines.txt -p mimic -f mp3 --json")
        jobs = jobs_of(kavox_service)
        shared = puppets.pushes() - pushes
        again = inside("batch lines.txt -p mimic -f mp3")
        unchanged = jobs_of(kavox_service)
        lines.write_text("One.\nTwo of us.\nThree it is.\n")
        changed = inside("batch lines.txt -p mimic -f mp3")

    assert (first.code, first.errors) == (0, "")
    assert again == changed == (0, "", "")
    told = json.loads(first.out)
    assert [entry["text"] for entry in told] == ["One.", "Two of them.", "Three it is."]
    assert [entry["file"] for entry in told] == [f"lines-000{number}.mp3" for number in (1, 2, 3)]
    assert all(soundfile.info(command.folder / "lines" / entry["file"]).format == "MP3" for entry in told)
    assert shared <= 2
    assert unchanged == jobs
    assert len(jobs_of(kavox_service) - jobs) == 1
    assert manifest(command.folder / "lines", "lines")[2]["text"] == "Two of us."


def test_a_batch_that_was_killed_goes_on_with_the_same_jobs(
    command: Command, puppets: Puppets, kavox_service: Service
) -> None:
    """What was handed in is found by its key; what was written is not asked for again."""
    (command.folder / "many.txt").write_text("Here is one.\nAnd another.\n")
    before = jobs_of(kavox_service)
    killed = command.start("batch many.txt -p mimic -o out")
    handed_in = wait_for("both jobs", lambda: found if len(found := jobs_of(kavox_service) - before) == 2 else None)
    killed.kill()
    killed.communicate()
    with puppets.finishing_all():
        ended = command("batch many.txt -p mimic -o out")

    assert (ended.code, ended.errors) == (0, "")
    assert jobs_of(kavox_service) - before == handed_in
    assert {entry["job"] for entry in manifest(command.folder / "out", "many").values()} == handed_in


def test_a_text_that_fails_does_not_stop_the_others(command: Command, inside: Inside, puppets: Puppets) -> None:
    """Lines of JSON ask for themselves; the exit code is that of the failures, which the next time are tried anew."""
    requests: list[dict[str, Any]] = [
        {"text": "Good.", "provider": "mimic", "format": "flac", "metadata": {"page": 1}},
        {"text": "🎉"},
        {"text": "Nobody.", "voice": "nobody"},
    ]
    (command.folder / "requests.jsonl").write_text("\n".join(map(json.dumps, requests)))
    with puppets.finishing_all():
        ended = command("batch requests.jsonl -p mimic -o out")
        requests[1]["text"] = "Better."
        (command.folder / "requests.jsonl").write_text("\n".join(map(json.dumps, requests)))
        better, _, complaints = inside("batch requests.jsonl -p mimic -o out")

    said = ended.errors.splitlines()
    assert ended.code == better == 65
    assert sorted(line.split(":")[1] for line in said[:-1]) == [" text 2", " text 3"]
    assert said[-1].startswith("kavox: 1 of 3 texts are spoken in out; 2 failed")
    assert complaints.splitlines()[-1].startswith("kavox: 2 of 3 texts are spoken in out (1 of them")
    outcomes = [entry["status"] for _, entry in sorted(manifest(command.folder / "out", "requests").items())]
    assert outcomes == ["succeeded", "succeeded", "failed"]
    assert soundfile.info(command.folder / "out" / "requests-0001.flac").format == "FLAC"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad.jsonl", '{"text": "Good."}\n{"txt": "No."}\n', 'line 2 must be an object with a "text"'),
        ("broken.jsonl", '{"text": "Good."}\n\n{"text"\n', "line 3 is not JSON"),
        ("sly.jsonl", '{"text": "Good.", "format": "../wav"}', "line 1: format must be the name of one"),
        ("empty.txt", "\n \n", "has no text in it"),
        ("latin.txt", "caf\udce9", "is not text in UTF-8"),
        ("none.txt", None, "No such file"),
    ],
)
def test_a_file_that_is_no_batch_is_refused_before_anything_is_spoken(
    inside: Inside, kavox_service: Service, tmp_path: Path, name: str, content: str | None, words: str
) -> None:
    """The line that is wrong is named."""
    before = jobs_of(kavox_service)
    if content is not None:
        (tmp_path / name).write_text(content, errors="surrogateescape")

    code, out, errors = inside(f"batch {name} -p mimic")

    assert (code, out) == (2, "")
    assert words in errors
    assert jobs_of(kavox_service) == before
