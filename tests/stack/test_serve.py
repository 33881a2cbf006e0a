"""`kavox serve` as a whole: one stack a directory, no process left behind, nothing lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.embedded import EmbeddedServer
from tests.stack.conftest import StartServe
from tests.stack.processes import Serve, kavox, lives, wait_until


def client(serve: Serve) -> "redis.Redis":
    return redis.Redis.from_url(EmbeddedServer(serve.data_dir / "valkey").url, decode_responses=True)


def answers(connection: "redis.Redis") -> bool:
    try:
        return bool(connection.ping())
    except redis.RedisError:
        return False


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A ready stack for the tests that leave it as it was."""
    shared = Serve(tmp_path_factory.mktemp("serve"))
    shared.wait_until_ready()
    yield shared
    shared.end_everything()


def test_a_second_stack_on_the_directory_is_refused(serve: Serve, tmp_path: Path) -> None:
    """The second `kavox serve` says in one line who has the directory, and harms nothing."""
    ended = kavox(tmp_path, "serve", PORT=0, DATA_DIR=serve.data_dir)

    assert ended.returncode == 78
    assert f"is in use by another Kavox, process {serve.process.pid}" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert serve.process.poll() is None


def test_the_banner_tells_what_is_emulated(serve: Serve) -> None:
    """Without Redis and credentials it says that both are stand-ins, and where things are."""
    assert "/docs" in serve.banner
    assert "embedded Valkey (started)" in serve.banner
    assert "EMULATED: notebooks run on this machine's CPU" in serve.banner
    assert "Workers  1" in serve.banner
    assert str(serve.data_dir) in serve.banner


def test_after_kill_9_the_next_stack_goes_on(start_serve: StartServe) -> None:
    """Children end with a killed supervisor, Valkey lives on, and the next stack adopts it and stops it in the end."""
    killed = start_serve()
    killed.wait_until_ready()
    valkey, children = killed.valkey, killed.children()
    client(killed).set("kept", "yes")

    killed.process.kill()
    killed.process.wait()

    wait_until(lambda: {child.pid for child in children if lives(child.pid)} == {valkey}, "only Valkey lives")
    serve = start_serve()
    serve.wait_until_ready()
    assert serve.valkey == valkey
    assert "embedded Valkey (found running)" in serve.banner
    assert client(serve).get("kept") == "yes"
    children = serve.children()
    serve.process.send_signal(signal.SIGINT)
    assert serve.process.wait(15) == 0
    assert not lives(valkey)
    assert not [child for child in children if lives(child.pid)]


def test_a_refused_text_is_one_line(serve: Serve, tmp_path: Path) -> None:
    """What the API refuses is told in its own words, with exit code 65 and no file; `kavox demo` does the same."""
    ended = kavox(tmp_path, "synthesize", "🎉", "--url", serve.url)

    assert ended.returncode == 65
    assert ended.stderr.startswith("kavox: ")
    assert ended.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.wav"))


def test_killed_valkey_comes_back_where_it_was(serve: Serve) -> None:
    """The supervisor starts Valkey again at the same address with its data."""
    connection = client(serve)
    connection.set("kept", "yes")
    before = serve.valkey

    os.kill(before, signal.SIGKILL)

    wait_until(lambda: serve.valkey != before and answers(connection), "another Valkey")
    assert connection.get("kept") == "yes"


def test_what_a_process_cannot_run_with_ends_the_stack(start_serve: StartServe, tmp_path: Path) -> None:
    """A store that nobody knows is a process' own exit 78, its own line, and the stack's exit 78."""
    serve = start_serve(AUDIO_URL="nonsense://nowhere")

    assert serve.process.wait(20) == 78
    assert not lives(serve.valkey)
    said = (tmp_path / "serve.err").read_text()
    assert "Traceback" not in said
    assert "cannot run with these settings" in said
