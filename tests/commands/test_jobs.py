"""`kavox jobs`, `watch`, `cancel`, `logs`, `voices`, `quota`, and completion."""

import json
import re
import signal
import subprocess
from pathlib import Path

import soundfile

from tests.commands.command import Command
from tests.commands.conftest import Inside
from tests.puppets import Puppets
from tests.service import Service
from tests.stack.processes import KAVOX


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
