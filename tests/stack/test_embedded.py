"""The embedded server keeps what it was given and is never there twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from app import embedded
from app.embedded import EmbeddedServer
from app.lock import FileLock
from app.shared.errors import ConfigurationError
from tests.stack.conftest import StartServer
from tests.stack.processes import wait_until


def client(server: EmbeddedServer) -> "redis.Redis":
    return redis.Redis.from_url(server.url, decode_responses=True)


def end(server: EmbeddedServer, number: signal.Signals) -> None:
    server.signal(number)
    wait_until(lambda: server.exit_code() is not None, "the server ends")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_keeps_its_data(start_server: StartServer, number: signal.Signals) -> None:
    """What was written is there after a restart, after SIGKILL too, at the same address."""
    server = start_server()
    client(server).set("job", "spoken")
    end(server, number)

    server.start()
    wait_until(server.answers, "the server answers again")

    assert client(server).get("job") == "spoken"


def test_a_living_server_is_adopted(start_server: StartServer) -> None:
    """Whoever finds a living server on the directory uses it, watches it, and can end it."""
    first = start_server()
    client(first).set("job", "spoken")

    second = start_server()

    assert second.adopted
    assert second.url == first.url
    assert client(second).get("job") == "spoken"
    assert second.exit_code() is None
    end(second, signal.SIGTERM)
    assert first.exit_code() == 0


def test_an_adopted_server_that_was_killed_is_started_again(start_server: StartServer) -> None:
    """The next start of an adopted server's handle begins a server of its own with the same data."""
    client(start_server()).set("job", "spoken")
    server = start_server()
    end(server, signal.SIGKILL)

    server.start()
    wait_until(server.answers, "the server answers again")

    assert not server.adopted
    assert client(server).get("job") == "spoken"


def test_a_directory_held_by_a_stranger_is_refused(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder that does not answer as our server is named, and no second server is started."""
    monkeypatch.setattr(embedded, "_ADOPTION_SECONDS", 0.2)
    server = start_server()
    end(server, signal.SIGTERM)
    lock = FileLock(tmp_path / "with space" / "valkey" / "lock")
    assert lock.take()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()]) as holder:
        lock.name_holder(holder.pid)
        lock.let_go()

        with pytest.raises(ConfigurationError, match=f"in use by process {holder.pid}"):
            server.start()


def test_nobody_else_gets_in(start_server: StartServer, tmp_path: Path) -> None:
    """The server wants a password, and only the owner can read it."""
    server = start_server()
    address = tmp_path / "with space" / "valkey" / "server.json"

    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url("redis://" + server.url.rpartition("@")[2]).ping()
    assert address.stat().st_mode & 0o777 == 0o600
