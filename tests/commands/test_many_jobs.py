"""Commands for more than one job: `kavox batch`, `jobs`, `watch`, `cancel`, `logs`; and `voices`, `quota`, completion.

One file, so that one service serves them all.
"""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import soundfile

from app import asking
from app.shared.api_key import Limits
from tests.commands.command import Command
from tests.commands.conftest import Inside
from tests.puppets import Puppets
from tests.service import Service, wait_for
from tests.stack.processes import KAVOX


def manifest(folder: Path, stem: str) -> dict[int, dict[str, Any]]:
    """The last line of each text."""
    lines = (folder / f"{stem}.manifest.jsonl").read_text().splitlines()
    return {entry["number"]: entry for entry in map(json.loads, lines)}


def jobs_of(service: Service) -> set[str]:
    return {job["id"] for job in service.http.get("/jobs", params={"limit": 100}).json()["jobs"]}


def test_each_text_becomes_a_file_and_only_what_changed_is_spoken_again(
    command: Command, inside: Inside, puppets: Puppets, kavox_service: Service
) -> None:
    """Lines share a run, blank ones count for nothing; given again it changes nothing, and then one line.

    A line ends where an editor ends it, and not at every sign that Unicode has for it.
    """
    lines = command.folder / "lines.txt"
    lines.write_bytes("One.\r\n\nTwo\u2028of\x85them.\r  \nThree\x0cit is.\n".encode())
    with puppets.finishing_all():
        pushes = puppets.pushes()
        first = command("batch lines.txt -p mimic -f mp3 --json")
        jobs = jobs_of(kavox_service)
        shared = puppets.pushes() - pushes
        again = inside("batch lines.txt -p mimic -f mp3")
        unchanged = jobs_of(kavox_service)
        lines.write_bytes(b"One.\nTwo of us.\nThree\x0cit is.\n")
        changed = inside("batch lines.txt -p mimic -f mp3")

    assert (first.code, first.errors) == (0, "")
    assert again == changed == (0, "", "")
    told = json.loads(first.out)
    assert [entry["text"] for entry in told] == ["One.", "Two\u2028of\x85them.", "Three\x0cit is."]
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


@pytest.mark.parametrize("limits", [Limits(rates=("6/3second",)), Limits(waiting=1)], ids=["rate", "waiting"])
def test_a_batch_keeps_to_the_limits_of_its_key(
    inside: Inside, puppets: Puppets, kavox_service: Service, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back when the service says, and hands in the rest when there is room, however often that is refused."""
    monkeypatch.setattr(asking, "_PATIENCE_SECONDS", 0)
    Path("lines.txt").write_text("One.\nTwo of them.\nThree it is.\n")
    limited = kavox_service.key(f"limited-{limits.waiting}", limits=limits)

    with puppets.finishing_all():
        ended = inside("batch lines.txt -p mimic", API_KEY=limited)

    assert ended == (0, "", "")
    assert len(list(Path("lines").glob("*.wav"))) == 3


def test_a_batch_that_is_stopped_waits_for_no_answer(command: Command, puppets: Puppets) -> None:
    """Ctrl-C ends it although the service has been asked to answer once the jobs have ended; they go on."""
    (command.folder / "lines.txt").write_text("One.\nTwo.\n")
    running = command.on_terminal("batch lines.txt -p mimic")
    wait_for("a session", puppets.running)

    running.process.send_signal(signal.SIGINT)

    assert running.end() == 130
    assert "the same command goes on with them" in running.shown
    assert puppets.running()


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


def test_a_batch_that_cannot_write_down_how_far_it_is_says_so_in_a_line(inside: Inside, tmp_path: Path) -> None:
    """Here a folder has the name of its record."""
    (tmp_path / "texts.txt").write_text("Good.")
    (tmp_path / "texts" / "texts.manifest.jsonl").mkdir(parents=True)

    code, out, errors = inside("batch texts.txt -p mimic")

    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert "texts.manifest.jsonl cannot be read: Is a directory" in errors


def test_a_job_that_was_left_alone_is_listed_watched_and_fetched(
    command: Command, inside: Inside, puppets: Puppets
) -> None:
    """--no-wait prints its id; whoever stops watching leaves it to go on; the file's name says its format."""
    left, job_id, said = inside("synthesize Hello. -p mimic --no-wait")
    job_id = job_id.strip()
    watching = command.on_terminal(f"watch {job_id}")
    watching.read_until("kernel queued")
    watching.process.send_signal(signal.SIGINT)
    stopped = watching.end()
    _, listed, _ = inside("jobs --status running")
    puppets.finish(puppets.kernel_of(job_id))
    fetched = command(f"watch {job_id} -o fetched.mp3 --json")

    assert (left, said, stopped) == (0, "", 130)
    assert f"job {job_id} goes on" in watching.shown
    (row,) = [line.split("\t") for line in listed.splitlines() if line.startswith(job_id)]
    assert row[1].startswith("running")
    assert row[3:7] == ["mimic", "beep", "wav", "6"]
    assert (fetched.code, json.loads(fetched.out)["status"]) == (0, "succeeded")
    assert soundfile.info(command.folder / "fetched.mp3").format == "MP3"


def test_a_job_is_canceled_once(inside: Inside, puppets: Puppets, kavox_service: Service) -> None:
    """One that has succeeded cannot be canceled any more, and its log can be read."""
    running = kavox_service.submit("Hello.", provider="mimic")["id"]
    puppets.kernel_of(running)
    code, canceled, _ = inside(f"cancel {running} --json")
    spoken = kavox_service.submit("Hello again.", provider="mimic")["id"]
    kernel = puppets.kernel_of(spoken)
    puppets.lead(kernel, "COMPLETE", outputs=puppets.outputs(kernel), log=["Hi!"])
    kavox_service.finished(spoken)
    too_late, log = inside(f"cancel {spoken}"), inside(f"logs {spoken}")

    assert (code, json.loads(canceled)["status"]) in {(0, "canceled"), (0, "canceling")}
    assert (too_late[0], "already succeeded" in too_late[2]) == (65, True)
    assert (log[0], "Hi!" in log[1]) == (0, True)


def test_what_there_is_is_lines_for_programs_and_json_for_those_who_ask(inside: Inside) -> None:
    """Voices and quota as tab-separated lines; --json gives the API's own answer."""
    lines, everything, quota = inside("voices -p qwen -l en"), inside("voices --json"), inside("quota")

    assert "qwen\tryan\tRyan\ten, zh, ja, ko, de, fr, ru, pt, es, it\tall" in lines[1].splitlines()
    assert {voice["provider"] for voice in json.loads(everything[1])} >= {"qwen", "hibari", "mimic"}
    assert "used by Kavox\t0 h 00 min" in quota[1].splitlines()
    assert {code for code, _, _ in (lines, everything, quota)} == {0}


def test_tables_are_for_terminals(command: Command) -> None:
    """With a head, and columns below it."""
    terminal = command.on_terminal("voices -p mimic")

    assert terminal.end() == 0
    head, row = re.sub(r"\x1b\[\d*m", "", terminal.shown).splitlines()
    assert head.split() == ["provider", "voice", "title", "languages", "models"]
    assert row.split() == ["mimic", "beep", "Beep", "en", "all"]
    assert row.index("Beep") == head.index("title")


def test_the_tab_key_completes_commands_and_options(inside: Inside, tmp_path: Path) -> None:
    """The printed script works in a real bash: it asks kavox itself what there is."""
    _, script, _ = inside("completion bash")
    (tmp_path / "completion.bash").write_text(script)
    asked = """
        source completion.bash
        words() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _kavox_completion kavox && echo "${COMPREPLY[@]}"
        }
        words kavox syn
        words kavox synthesize --format f
    """
    path = {"PATH": f"{KAVOX.parent}:/usr/bin:/bin"}
    answers = subprocess.run(["bash", "-c", asked], cwd=tmp_path, env=path, capture_output=True, text=True, check=True)

    assert answers.stdout.splitlines() == ["synthesize", "flac"]
