"""`kavox doctor`: what is well has a tick, what is not a cross and a remedy, and scripts get an exit code."""

import json
import re
import resource
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.shared.api_key import new_key
from app.shared.api_key_store import ApiKeyStore
from tests.commands.command import Command, Ended
from tests.mimic import write_mimic
from tests.workers.emulator.driver import KEY, OWNER, Emulator, wait_for


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The Kaggle that is asked."""
    started = Emulator(tmp_path_factory.mktemp("emulator")).start()
    yield started
    started.stop()


@pytest.fixture
def start_emulator(tmp_path: Path) -> Iterator[Callable[..., Emulator]]:
    """Starts one with options of the test's own."""
    started: list[Emulator] = []

    def start(**options: Any) -> Emulator:
        started.append(Emulator(tmp_path / "slow", options).start())
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def doctor(tmp_path: Path, emulator: Emulator) -> Command:
    """A command in an installation where everything is well, with one provider."""
    return Command(
        tmp_path,
        KAGGLE_API_URL=emulator.url,
        EMULATOR_USERNAME=OWNER,
        EMULATOR_KEY=KEY,
        NOTEBOOKS_DIR=write_mimic(tmp_path / "notebooks"),
        PORT=0,
    )


def findings(ended: Ended) -> dict[str, dict[str, Any]]:
    """What was found, by check."""
    return {finding["check"]: finding for finding in json.loads(ended.out)}


def crosses(ended: Ended) -> dict[str, str]:
    """What is wrong, by check: the detail and the remedy."""
    return {
        name: f"{found['detail']}; {found['remedy']}"
        for name, found in findings(ended).items()
        if found["state"] == "failed"
    }


def test_where_everything_is_well_every_line_has_a_tick(doctor: Command, emulator: Emulator) -> None:
    """With --live one kernel speaks and is deleted; nothing else is left on Kaggle."""
    ended = doctor("doctor --live")

    lines = ended.out.decode().splitlines()
    assert (ended.code, ended.errors) == (0, "")
    assert all(line.startswith("✓ ") for line in lines), lines
    assert {line[2:].partition(":")[0] for line in lines} == {
        "settings", "disk", "port", "redis", "redis persistence", "keys", "clock", "packages", "notebook mimic",
        "credentials", "kernels", "datasets", "quota", "phone", "live kernel",
    }  # fmt: skip
    assert f"✓ credentials: account {OWNER} of the emulator at {emulator.url}" in lines
    assert "30.0 of 30.0 GPU hours left" in ended.out.decode()
    stats = emulator.stats()
    assert (stats["pushes_accepted"], stats["kernels"], stats["billed_seconds"]) == (1, [], 0)


def test_an_interrupted_doctor_leaves_no_kernel(doctor: Command, start_emulator: Callable[..., Emulator]) -> None:
    """Ctrl-C while the kernel runs, which then is deleted."""
    slow = start_emulator(**{"boot-seconds": 600})
    running = doctor.on_terminal("doctor --live", KAGGLE_API_URL=slow.url)
    wait_for(lambda: slow.stats()["kernels"])

    running.process.send_signal(signal.SIGINT)

    assert running.end() == 130
    assert (slow.stats()["pushes_accepted"], slow.stats()["kernels"]) == (1, [])


def test_whatever_is_broken_has_a_cross_and_a_remedy(
    doctor: Command, emulator: Emulator, redis_url: str, tmp_path: Path
) -> None:
    """All at once; what depends on the credentials is not asked then."""
    notebook = tmp_path / "notebooks" / "mimic.ipynb"
    notebook.write_text(re.sub(r'"tags": \[\s*"parameters"', '"tags": ["other"', notebook.read_text()))
    with Redis.from_url(redis_url) as server:
        server.config_set("appendonly", "no")
        server.config_set("save", "")
        ended = doctor("doctor --live --json", EMULATOR_KEY="wrong", REDIS_URL=redis_url, PORT=emulator.port)

    wrong = crosses(ended)
    assert (ended.code, set(wrong)) == (
        1, {"notebook mimic", "redis persistence", "port", "credentials", "live kernel"}
    )  # fmt: skip
    assert "tag exactly one, the one that sets RUN" in wrong["notebook mimic"]
    assert "keeps nothing over a restart; set appendonly to yes" in wrong["redis persistence"]
    assert "is taken, and no ready Kavox answers there" in wrong["port"]
    assert "KAVOX_EMULATOR_KEY" in wrong["credentials"]
    assert findings(ended)["redis"]["state"] == "ok"


def test_what_cannot_be_reached_written_or_believed_has_a_cross(doctor: Command) -> None:
    """A limit on the size of files stands for a full disk; Kaggle is down, and its answer's Date tells the time."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    with kaggle_at(seconds=-300) as url:
        settings = {"REDIS_URL": "redis://:secret@127.0.0.1:1/0", "KAGGLE_API_URL": url}
        ended = Ended(doctor.started(["doctor", "--json"], settings, preexec_fn=limit_files))

    wrong = crosses(ended)
    assert (ended.code, set(wrong)) == (1, {"disk", "clock", "redis", "kaggle"})
    assert "File too large; free some space there" in wrong["disk"]
    assert re.search("clock is (299|300|301) s fast against Kaggle's; let the system set it", wrong["clock"])
    assert "look at KAVOX_REDIS_URL" in wrong["redis"]
    assert "look after the network" in wrong["kaggle"]
    assert "secret" not in ended.out.decode()


def test_a_wrong_setting_is_the_only_line(doctor: Command) -> None:
    """Nothing else can be seen then."""
    ended = doctor("doctor", CORS_ORIGINS="example.org")

    (line,) = ended.out.decode().splitlines()
    assert ended.code == 1
    assert line.startswith("✗ settings: KAVOX_CORS_ORIGINS: example.org is no origin")


def test_offline_nothing_is_asked(doctor: Command, emulator: Emulator, tmp_path: Path) -> None:
    """The original's validation: packages, settings, notebooks, injection, secrets; credentials are only found."""
    before = emulator.stats()["calls"]
    below = tmp_path / "my secrets" / "access_token"
    below.parent.mkdir()
    below.touch()
    for folder in (tmp_path, tmp_path / ".kaggle"):
        folder.mkdir(exist_ok=True)
        (folder / "kaggle.json").write_text('{"username": "someone", "key": "secret-key"}')
        (folder / "kaggle.json").chmod(0o644)
    for line in ("init -q", "add kaggle.json 'my secrets'"):
        subprocess.run(["git", *shlex.split(line)], cwd=tmp_path, check=True)

    ended = doctor("doctor --offline --json", KAGGLE_API_URL=None, REDIS_URL="redis://redis.example.org")

    found, wrong = findings(ended), crosses(ended)
    assert emulator.stats()["calls"] == before
    assert (ended.code, set(wrong)) == (1, {"secrets", "credentials file"})
    assert "git rm --cached kaggle.json 'my secrets/access_token', ignore them" in wrong["secrets"]
    assert f"chmod 600 {tmp_path}/.kaggle/kaggle.json" in wrong["credentials file"]
    assert found["credentials"]["detail"].endswith("kaggle.json of someone; Kaggle was not asked about them")
    assert "secret-key" not in ended.out.decode()
    assert found["redis"]["state"] == "unknown"
    assert found["notebook mimic"]["state"] == found["packages"]["state"] == "ok"


@contextmanager
def kaggle_at(*, seconds: float) -> Iterator[str]:
    """A Kaggle whose clock is so much ahead of ours, and that is down."""

    class Down(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        do_POST = do_GET  # noqa: N815  # as the library names it

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate((timestamp or time.time()) + seconds, usegmt=True)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Down) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_service_that_nobody_could_use_is_found_out(doctor: Command, redis_url: str) -> None:
    """It is open to the network, and the only key has expired; or there is none."""
    with Redis.from_url(redis_url, decode_responses=True) as server:
        server.flushdb()
        none = doctor("doctor --offline --json", REDIS_URL=redis_url, HOST="0.0.0.0")  # noqa: S104
        _, key = new_key("late", lifetime_seconds=0.001)
        ApiKeyStore(server).add(key)
        late = doctor("doctor --offline --json", REDIS_URL=redis_url)
        server.flushdb()

    assert "none, and KAVOX_HOST=0.0.0.0 is open to the network: nobody is served" in crosses(none)["keys"]
    assert "1 of 1 names, 1 expired: nobody is served; make one with" in crosses(late)["keys"]
