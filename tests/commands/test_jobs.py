"""`kavox jobs`, `watch`, `cancel`, `logs`, `voices`, `quota`, and completion."""

import json
import signal
import subprocess
from pathlib import Path

import soundfile

from tests.commands.command import Command, Ended
from tests.puppets import Puppets
from tests.service import Service, wait_for
from tests.stack.processes import KAVOX


def test_a_job_that_was_left_alone_is_listed_watched_and_fetched(command: Command, puppets: Puppets) -> None:
    """--no-wait prints its id; whoever stops watching leaves it to go on; the file's name says its format."""
    left = command("synthesize Hello. -p mimic --no-wait")
    job_id = left.out.decode().strip()
    watching = command.on_terminal(f"watch {job_id}")
    watching.read_until("kernel queued")
    watching.process.send_signal(signal.SIGINT)
    stopped = watching.end()
    listed = command("jobs --status running")
    puppets.finish(puppets.kernel_of(job_id))
    fetched = command(f"watch {job_id} -o fetched.mp3 --json")

    assert (left.code, left.errors, stopped) == (0, "", 130)
    assert f"job {job_id} goes on" in watching.shown
    (row,) = [line.split("\t") for line in listed.out.decode().splitlines() if line.startswith(job_id)]
    assert row[1].startswith("running")
    assert row[3:7] == ["mimic", "beep", "wav", "6"]
    assert (fetched.code, json.loads(fetched.out)["status"]) == (0, "succeeded")
    assert soundfile.info(command.folder / "fetched.mp3").format == "MP3"


def test_a_job_is_canceled_once(command: Command, puppets: Puppets, kavox_service: Service) -> None:
    """Another cancel changes nothing; one that has succeeded cannot be canceled, and its log can be read."""
    waiting = command("synthesize Hello. -p mimic --no-wait").out.decode().strip()
    wait_for("the run", lambda: kavox_service.job(waiting)["run"])
    canceled = command(f"cancel {waiting} --json")
    spoken = kavox_service.submit("Hello.", provider="mimic")["id"]
    puppets.lead(puppets.kernel_of(spoken), "COMPLETE", outputs=puppets.outputs(puppets.kernel_of(spoken)), log=["Hi!"])
    kavox_service.finished(spoken)
    late, log = command.start(f"cancel {spoken}"), command.start(f"logs {spoken}")
    too_late, read = Ended(late), Ended(log)

    assert (canceled.code, json.loads(canceled.out)["status"]) in {(0, "canceled"), (0, "canceling")}
    assert (too_late.code, "already succeeded" in too_late.line) == (65, True)
    assert (read.code, "Hi!" in read.out.decode()) == (0, True)


def test_what_there_is_is_lines_for_programs_and_json_for_those_who_ask(command: Command) -> None:
    """Voices and quota as tab-separated lines; --json gives the API's own answer."""
    lines, spoken, hours = command.start("voices -p qwen -l en"), command.start("voices --json"), command.start("quota")
    voices, everything, quota = Ended(lines), Ended(spoken), Ended(hours)

    assert "qwen\tryan\tRyan\ten, zh, ja, ko, de, fr, ru, pt, es, it\tall" in voices.out.decode().splitlines()
    assert {voice["provider"] for voice in json.loads(everything.out)} >= {"qwen", "hibari", "mimic"}
    assert "used by Kavox\t0 h 00 min" in quota.out.decode().splitlines()
    assert {voices.errors, everything.errors, quota.errors} == {""}


def test_the_tab_key_completes_commands_and_options(command: Command, tmp_path: Path) -> None:
    """The printed script works in a real bash: it asks kavox itself what there is."""
    script = command("completion bash")
    (tmp_path / "completion.bash").write_bytes(script.out)
    asked = """
        source completion.bash
        words() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _kavox_completion kavox && echo "${COMPREPLY[@]}"
        }
        words kavox syn
        words kavox synthesize --form
        words kavox synthesize --format f
    """
    path = {"PATH": f"{KAVOX.parent}:/usr/bin:/bin"}
    answers = subprocess.run(["bash", "-c", asked], cwd=tmp_path, env=path, capture_output=True, text=True, check=True)

    assert answers.stdout.splitlines() == ["synthesize", "--format", "flac"]
