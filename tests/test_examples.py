"""The examples of README.md and docs/, as they stand there, against the running service."""

import os
import re
import shutil
import socket
import subprocess
import sys
import wave
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile

from app.ports import LOOPBACK, free_port
from tests.pages import blocks, commands
from tests.service import Service, wait_for

ADDRESS = "http://127.0.0.1:8000"
SERVES = "serve_forever"
NO_CURL = shutil.which("curl") is None  # Python, make and git are all that a machine must have.
ID = re.compile(r'"id":"([0-9a-f]{21})"')
FIELD = re.compile(r'"(\w+)":')
TELLING = re.compile(r'"(?:status|phase|provider|host|sample_rate)":[^,}]+')
GPU = [sys.executable, "synthesize.py", "Hello.", "--gpu"]

Ended = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Examples:
    """What came of them; `readme`, `openai` and `api` have what each command of the page printed."""

    folder: Path
    python: Ended
    hibari: Ended
    qwen: Ended
    readme: Mapping[str, str]
    openai: Mapping[str, str]
    api: Mapping[str, str]


@pytest.fixture(scope="module")
def ran(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """All of them at once, so that their texts share runs."""
    folder = tmp_path_factory.mktemp("examples")
    environment = {**os.environ, "KAVOX_URL": service.url, "NO_PROXY": "127.0.0.1"}
    (folder / "synthesize.py").write_text(blocks("docs/voicegenhub.md", "python")[0], encoding="utf-8")
    python_code = [*blocks("README.md", "python"), *blocks("docs/api.md", "python")]
    readme = "\n".join(block for block in python_code if SERVES not in block).replace(ADDRESS, service.url)

    def run(*command: str) -> Ended:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
        )

    def transcript(page: str) -> dict[str, str]:
        return {} if NO_CURL else _transcript(page, service, lambda command: run("sh", "-c", command))

    with ThreadPoolExecutor() as pool:
        python: Future[Ended] = pool.submit(run, sys.executable, "-c", readme)
        hibari = pool.submit(run, *GPU, "--provider", "hibari", "--voice", "heart", "--output", "hibari.wav")
        qwen = pool.submit(run, *GPU, "--provider", "qwen", "--voice", "ryan", "--output", "qwen.wav")
        curls = [pool.submit(transcript, page) for page in ("README.md", "docs/openai.md", "docs/api.md")]
        done = [future.result() for future in curls]
        return Examples(folder, python.result(), hibari.result(), qwen.result(), *done)


def test_httpx_and_openai_speak(ran: Examples) -> None:
    """The Python of README and docs/api.md, from its imports to its files."""
    assert ran.python.returncode == 0, ran.python.stderr
    for name in ("hello.wav", "speech.wav"):
        assert _seconds(ran.folder / name) > 0.2


def test_the_receiver_hears_of_a_job(service: Service) -> None:
    """The program of README prints what has become of it."""
    (program,) = (block for block in blocks("README.md", "python") if SERVES in block)
    port = free_port(LOOPBACK)
    program = program.replace(ADDRESS, service.url).replace("9000", str(port))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as receiver:
        try:
            wait_for("the receiver", lambda: _listens(port))
            job = service.submit("Never mind.", webhook=f"http://{LOOPBACK}:{port}/")
            service.http.delete(job["urls"]["self"]).raise_for_status()
            assert receiver.stdout is not None
            assert receiver.stdout.readline() == f"job.canceled {job['id']}\n"
        finally:
            receiver.kill()


@pytest.mark.skipif(NO_CURL, reason="there is no curl here")
def test_curl_prints_what_readme_shows(ran: Examples) -> None:
    """In its order; every field that is shown of an answer is in it, and the telling ones are alike."""
    assert len(ran.readme) == 3
    _compare("README.md", ran.readme)
    assert _seconds(ran.folder / "fox.wav") > 1.5


@pytest.mark.skipif(NO_CURL, reason="there is no curl here")
def test_curl_prints_what_the_page_of_the_api_shows(ran: Examples) -> None:
    """From the estimate to the refusal, and its files are there."""
    assert len(ran.api) == 10
    _compare("docs/api.md", ran.api)
    assert "event: end" in next(output for command, output in ran.api.items() if "/events" in command)
    assert (ran.folder / "header.bin").read_bytes()[:4] == b"RIFF"
    for name in ("hello.mp3", "hello.flac"):
        assert soundfile.info(ran.folder / name).duration > 0.2


@pytest.mark.skipif(NO_CURL, reason="there is no curl here")
def test_curl_speaks_by_openais_api(ran: Examples) -> None:
    """The example of docs/openai.md gives the file that it names."""
    assert len(ran.openai) == 1
    assert _seconds(ran.folder / "curled.wav") > 0.2


def test_voicegenhubs_gpu_road_speaks_by_this_service(ran: Examples) -> None:
    """The program of docs/voicegenhub.md writes the file, and says where it was spoken and what to know."""
    assert ran.hibari.returncode == 0, ran.hibari.stderr
    assert ran.hibari.stdout.endswith("spoken on emulator\n")
    assert "Warning: hibari needs no GPU" in ran.hibari.stderr
    assert _seconds(ran.folder / "hibari.wav") > 0.2


def test_voicegenhubs_gpu_road_tells_why_it_cannot(ran: Examples) -> None:
    """A refusal is one line, and no file."""
    assert ran.qwen.returncode == 1
    assert ran.qwen.stderr.startswith("Error: qwen needs a GPU of Kaggle")
    assert not (ran.folder / "qwen.wav").exists()


def _compare(page: str, printed: Mapping[str, str]) -> None:
    shown = dict(commands(page))
    for command, output in printed.items():
        assert set(FIELD.findall(shown[command])) <= set(FIELD.findall(output)), (command, output)
        assert set(TELLING.findall(shown[command])) <= set(TELLING.findall(output)), (command, output)


def _transcript(page: str, service: Service, run: Callable[[str], Ended]) -> dict[str, str]:
    """What each curl of the page printed; the first job's id stands in the others in place of the one shown."""
    printed: dict[str, str] = {}
    ids: dict[str, str] = {}
    for command, shown in commands(page):
        if command.startswith("curl"):
            real = command.replace(ADDRESS, service.url)
            for before, after in ids.items():
                real = real.replace(before, after)
            ended = run(real)
            assert ended.returncode == 0, (real, ended.stderr)
            printed[command] = ended.stdout
            if not ids and (known := ID.search(shown)) and (found := ID.search(ended.stdout)):
                ids[known[1]] = found[1]
    return printed


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


def _seconds(path: Path) -> float:
    with wave.open(str(path)) as file:
        return float(file.getnframes() / file.getframerate())
