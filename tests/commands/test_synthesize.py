"""`kavox synthesize` against a running service: what it writes, where, and how it ends."""

import io
import json
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.commands.command import Command, Ended
from tests.commands.conftest import Inside
from tests.commands.forgetful import forgetful_proxy
from tests.puppets import Puppets
from tests.service import Service, wait_for


def test_the_originals_command_line_speaks(command: Command, puppets: Puppets, kavox_service: Service) -> None:
    """Names may be written as there, the GPU is Kaggle's, and in a pipe nothing is said about it."""
    with puppets.finishing_all(seconds=2):
        ended = command(
            "synthesize 'The quick brown fox jumps over it.' --provider qwen --voice Ryan --gpu --output out.wav"
        )

    assert (ended.code, ended.out, ended.errors) == (0, b"", "")
    assert soundfile.info(command.folder / "out.wav").duration == 2
    job = kavox_service.http.get("/jobs", params={"limit": 1}).json()["jobs"][0]
    assert (job["provider"], job["voice"], job["gpu"]) == ("qwen", "ryan", True)


def test_a_text_comes_from_stdin_or_a_file_and_audio_goes_to_stdout_or_a_file(
    command: Command, puppets: Puppets
) -> None:
    """`-` is stdin and stdout, the format is the file's, and --json prints the job and nothing else."""
    (command.folder / "text.txt").write_text("\ufeffFrom a file.\n")
    with puppets.finishing_all():
        piped = command.start("synthesize - -p mimic -f mp3 -o -")
        filed = command.start("synthesize --file text.txt -p mimic -o out.flac --json")
        heard, told = Ended(piped, b"From stdin.\n"), Ended(filed)

    assert (heard.code, heard.errors) == (0, "")
    assert soundfile.info(io.BytesIO(heard.out)).format == "MP3"
    job = json.loads(told.out)
    assert (told.code, told.errors, job["status"], job["characters"]) == (0, "", "succeeded", len("From a file."))
    assert soundfile.info(command.folder / "out.flac").format == job["format"].upper() == "FLAC"
    assert (command.folder / "out.flac").stat().st_size == job["audio"]["bytes"]


def test_a_local_only_provider_says_that_it_does_not_run_on_kaggle(command: Command) -> None:
    """The warning is the original's, and the text is spoken on this machine."""
    ended = command("synthesize Hello. --provider parrot --gpu -o local.wav --json")

    assert ended.code == 0, ended.errors
    assert ended.errors == (
        "kavox: warning: Kaggle GPU deployment is only supported for qwen, chatterbox providers. "
        "Provider 'parrot' will run locally.\n"
    )
    assert json.loads(ended.out)["run"]["host"] == "local"
    assert (command.folder / "local.wav").exists()


def test_a_dry_run_says_what_it_would_cost(command: Command, kavox_service: Service) -> None:
    """Voices and options are understood as people write them, and nothing is queued."""
    before = kavox_service.http.get("/jobs", params={"limit": 1}).json()["jobs"]

    ended = command("synthesize Hello. -p hibari --voice hibari-HEART --speed 2 -O speed=1.5 --dry-run")

    assert ended.code == 0, ended.errors
    told = dict(line.split("\t") for line in ended.out.decode().splitlines())
    assert told["speaks"] == "hibari hibari, voice heart, en"
    assert (told["text"], told["GPU quota"]) == ("6 characters in 1 piece", "none")
    assert kavox_service.http.get("/jobs", params={"limit": 1}).json()["jobs"] == before


def test_progress_is_shown_on_a_terminal_phase_by_phase(command: Command, puppets: Puppets) -> None:
    """The line follows the run, and in its place comes what the file is."""
    terminal = command.on_terminal("synthesize Hello. -p mimic -o seen.wav")
    terminal.read_until("kernel queued")
    (kernel,) = wait_for("a session", puppets.running)
    puppets.finish(kernel)

    assert terminal.end() == 0
    assert "waiting" in terminal.shown
    assert "seen.wav: 0.5 s of speech, mimic with voice beep, emulator" in terminal.shown


@pytest.mark.parametrize("moment", ["waiting", "running"])
@pytest.mark.usefixtures("puppets")
def test_ctrl_c_cancels_the_job(command: Command, kavox_service: Service, moment: str) -> None:
    """Whether it waits or runs; the exit status is that of an interrupted command."""
    if moment == "waiting":
        kavox_service.inject_fault(call="SaveKernel", kind="refuse_gpu_sessions", times=1000)
    terminal = command.on_terminal(f"synthesize Hello. -p mimic -o {moment}.wav")
    terminal.read_until("waiting for session" if moment == "waiting" else "kernel queued")

    terminal.process.send_signal(signal.SIGINT)

    assert terminal.end() == 130
    (said,) = [line for line in terminal.shown.splitlines() if "kavox: stopped: job" in line]
    job_id = said.split("job ")[1].split()[0]
    # It waits for Kaggle to confirm the end of a run.
    assert kavox_service.job(job_id)["status"] in {"canceled", "canceling"}
    assert not list(command.folder.glob("*.wav"))


def test_an_answer_that_is_lost_makes_no_second_job(command: Command, puppets: Puppets, kavox_service: Service) -> None:
    """The POST is sent again under its Idempotency-Key, and the job is the one that the first led to."""
    text = "Say this once, and only once."
    with forgetful_proxy(kavox_service.url) as proxy, puppets.finishing_all():
        ended = command("synthesize -p mimic -o once.wav", text, URL=proxy.url)

    assert (ended.code, ended.errors) == (0, "")
    assert proxy.lost == 1
    jobs = kavox_service.http.get("/jobs").json()["jobs"]
    assert len([job for job in jobs if job["characters"] == len(text)]) == 1


REFUSALS: Mapping[str, tuple[str, int, str]] = {
    "nothing to speak": ("synthesize 🎉 -p mimic", 65, "nothing to speak"),
    "no such voice": ("synthesize Hello. -p mimic -v nobody", 65, "valid: beep"),
    "an option that there is not": ("synthesize Hello. -p mimic -O mood=1", 65, "has no option"),
    "no such job": ("watch ../../nobody", 65, "is not served here"),
    "no text": ("synthesize", 2, "give a TEXT"),
    "two texts": ("synthesize Hello. --file x", 2, "one of them"),
    "no such file": ("synthesize --file nowhere.txt", 2, "No such file"),
    "no text in the file": ("synthesize --file /proc/self/exe", 2, "not text in UTF-8"),
    "an option without a value": ("synthesize Hello. -O mood", 2, "name=value"),
    "no such command": (
        "synthesise Hello.",
        2,
        "No such command 'synthesise'. Did you mean 'synthesize'? `kavox --help`",
    ),
    "no such option of a command": ("jobs --limt 3", 2, "No such option: --limt"),
    "no such format": (
        "synthesize Hello. -f ogg",
        2,
        "'ogg' is not one of 'wav', 'flac', 'mp3', 'opus', 'pcm'; `kavox sy",
    ),
    "a name of another format": ("synthesize Hello. -o a.m4a", 2, "m4a is none of wav, flac"),
    "what cannot be written": ("synthesize Hello. -o /proc/a.wav", 2, "nothing can be written in /proc"),
    "no UTF-8": ("synthesize caf\udce9", 2, "TEXT is not text in UTF-8"),
    "no folder": ("synthesize Hello. -o nowhere/a.wav", 2, "nothing can be written"),
    "a key file that is none": ("voices --key-file nowhere", 2, "cannot be read"),
    "no address": ("voices --url localhost:8000", 2, "must look like http://127.0.0.1:8000"),
    "no service": ("voices --url http://127.0.0.1:1", 69, "`kavox serve` starts one"),
    "no Kavox": ("quota --url {url}/openapi.json?", 69, "it is not Kavox"),
}


@pytest.mark.parametrize(("line", "code", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_whatever_is_refused_is_one_line_with_the_code_of_its_kind(
    line: str, code: int, words: str, inside: Inside, kavox_service: Service
) -> None:
    """65 is the service's refusal, 2 the command line's, 77 the key's and 69 nobody's."""
    ended, out, errors = inside(line.format(url=kavox_service.url))

    assert (ended, out) == (code, "")
    assert errors.startswith("kavox: ")
    assert errors.count("\n") == 1
    assert words in errors


def test_speech_that_finds_no_room_is_kept_for_another_place(command: Command, puppets: Puppets) -> None:
    """The line says how to fetch it; .ogg is another name of what an opus is in."""
    with puppets.finishing_all(), Path("/dev/full").open("wb") as full:
        lost = Ended(command.started(["synthesize", "No room.", "-p", "mimic", "-o", "-"], {}, stdout=full))
    fetch = lost.line.partition("`kavox ")[2].partition("`")[0].replace("FILE", "kept.ogg")
    fetched = command(fetch)

    assert (lost.code, fetched.code, fetched.errors) == (2, 0, "")
    assert "stdout cannot be written: No space left on device" in lost.line
    assert soundfile.info(command.folder / "kept.ogg").subtype == "OPUS"


def test_without_a_key_the_line_says_where_one_goes(inside: Inside, key: str, tmp_path: Path) -> None:
    """A wrong one is not shown, and the right one may be in a file."""
    (tmp_path / "key").write_text(f"{key}\n")

    none, wrong = inside("quota", API_KEY=""), inside("quota", API_KEY="wrong-one")
    right = inside(f"quota --key-file {tmp_path / 'key'}", API_KEY="wrong-one")

    assert (none[0], wrong[0], right[0]) == (77, 77, 0)
    assert "set KAVOX_API_KEY" in none[2]
    assert "no key, or not a whole one" in wrong[2]
    assert "wrong-one" not in wrong[2]


@pytest.mark.usefixtures("puppets")
def test_a_job_that_ends_badly_ends_the_command_by_its_kind(command: Command, kavox_service: Service) -> None:
    """Failed for good is 1, waited too long 124, canceled 130; the line names the job and what it failed with."""
    kavox_service.inject_fault(call="SaveKernel", kind="http_error", code=400, message="No such shape", times=1)
    failed = command("synthesize Hello. -p mimic --json")
    kavox_service.inject_fault(call="SaveKernel", kind="refuse_gpu_sessions", times=1000)
    unwanted = command.start("synthesize Hello. -p mimic")
    (queued,) = wait_for("the job", lambda: _queued(kavox_service))
    late = command("synthesize Hello. -p mimic --max-wait 1")
    kavox_service.http.delete(f"/jobs/{queued['id']}")
    canceled = Ended(unwanted)

    job = json.loads(failed.out)
    assert (failed.code, job["error"]["code"]) == (1, "push_refused")
    assert failed.line.startswith(f"kavox: job {job['id']} failed (push_refused): ")
    assert (late.code, "wait_expired" in late.line) == (124, True)
    assert (canceled.code, "was canceled" in canceled.line) == (130, True)


def _queued(service: Service) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = service.http.get("/jobs", params={"status": "queued"}).json()["jobs"]
    return jobs


def test_a_pipe_and_a_link_stay_what_they_are(command: Command, puppets: Puppets, tmp_path: Path) -> None:
    """Audio goes through the pipe, by its name or its number, and into what the link points to."""
    fifo, link, place = tmp_path / "pipe.flac", tmp_path / "link.flac", tmp_path / "place" / "linked.flac"
    os.mkfifo(fifo)
    place.parent.mkdir()
    link.symlink_to(place)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(fifo.read_bytes()), daemon=True)
    reader.start()
    with puppets.finishing_all():
        piped = command("synthesize Hello. -p mimic --json -o", fifo)
    reader.join(30)
    fetch = f"watch {json.loads(piped.out)['id']} -o"
    linked = command(fetch, link)
    out, inside = os.pipe()
    numbered = Ended(command.started([*fetch.split(), f"/dev/fd/{inside}"], {}, pass_fds=[inside]))
    os.close(inside)
    with os.fdopen(out, "rb") as rest:
        heard.append(rest.read())

    assert [ended.code for ended in (piped, linked, numbered)] == [0, 0, 0], piped.errors + linked.errors
    assert [soundfile.info(io.BytesIO(content)).duration for content in heard] == [0.5, 0.5]
    assert soundfile.info(place).format == "FLAC"
    assert (fifo.is_fifo(), link.is_symlink()) == (True, True)
    assert {file.name for file in tmp_path.iterdir()} == {fifo.name, link.name, "place"}
