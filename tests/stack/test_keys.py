"""`kavox keys`, beside a service and without one."""

import json
import os
import re
import resource
import stat
import subprocess
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.shared.api_key import is_whole
from app.shared.api_key_store import ApiKeyStore
from tests.service import wait_for
from tests.stack.conftest import StartServe
from tests.stack.processes import KAVOX, clean_environment, kavox, lives

pytestmark = pytest.mark.slow

# What scanners of secrets are given to look for (docs/keys.md).
PATTERN = r"kavox_[0-9a-z]{12}_[0-9A-Za-z]{49}"


def test_a_key_opens_the_service_until_it_is_revoked(start_serve: StartServe, tmp_path: Path) -> None:
    """The first one shuts out whoever has none; the one that is revoked opens nothing within moments."""
    serve = start_serve()
    serve.wait_until_ready()
    assert "none, so only this machine is served" in serve.banner
    assert httpx.get(f"{serve.url}/jobs").status_code == 200

    made = kavox(tmp_path, "keys", "create", "reader", "--scope", "read", "--scope", "admin", "--expires", "90d")

    key = made.stdout.removesuffix("\n")
    assert (made.returncode, made.stderr) == (0, "")
    assert re.fullmatch(PATTERN, key)

    def status() -> int:
        return httpx.get(f"{serve.url}/jobs", headers={"X-API-Key": key}).status_code

    wait_for("the key to be needed", lambda: httpx.get(f"{serve.url}/jobs").status_code == 401, 10)
    assert status() == 200
    (listed,) = kavox(tmp_path, "keys", "list").stdout.splitlines()
    assert listed.split("\t")[:3] == [key[6:18], "reader", "admin, read"]
    assert key not in listed
    assert kavox(tmp_path, "keys", "revoke", "reader").stdout == f"{key[6:18]}\treader\n"
    wait_for("the key to be revoked", lambda: httpx.get(f"{serve.url}/jobs").status_code == 200, 10)


def test_keys_are_made_before_anything_runs(tmp_path: Path, start_serve: StartServe) -> None:
    """The embedded server is started for the command and stopped again; what was made is there for `kavox serve`."""
    made = kavox(tmp_path, "keys", "create", "app", "--output", "app.key", "--json")

    told = json.loads(made.stdout)
    file = tmp_path / "app.key"
    key = file.read_text().removesuffix("\n")
    assert (told["name"], told["scopes"], told["key"], told["expires_at"]) == ("app", ["submit"], None, None)
    assert is_whole(key)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not lives(int((tmp_path / "data" / "valkey" / "lock").read_text()))
    serve = start_serve(HOST="0.0.0.0")  # noqa: S104  # with a key it may be
    serve.wait_until_ready()
    assert "1; every request needs one" in serve.banner
    assert kavox(tmp_path, "jobs", URL=serve.url).returncode == 77
    assert kavox(tmp_path, "jobs", "--key-file", "app.key", URL=serve.url).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["create", "a b"], 2, "'a b' cannot be a name"),
        (["create", "app", "--expires", "soon"], 2, "--expires soon: say 30m, 12h, 90d, 4w or never"),
        (["create", "app", "--output", "nowhere/key"], 2, "--output nowhere/key: nothing can be written in"),
        (["create", "app", "--output", "."], 2, "--output . is a directory; name a file"),
        (["revoke", "nobody"], 65, "there is no key with the id or name 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, arguments: list[str], code: int, line: str) -> None:
    """And no key is made."""
    ended = kavox(tmp_path, "keys", *arguments)

    assert ended.returncode == code
    assert ended.stderr.startswith(f"kavox: {line}")
    assert ended.stderr.count("\n") == 1
    assert kavox(tmp_path, "keys", "list").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "stdout cannot be written: No space left on device"),
        (["--output", "app.key"], "app.key cannot be written: File too large"),
    ],
)
def test_a_key_that_nobody_gets_is_no_key(
    tmp_path: Path, redis: Redis, redis_url: str, arguments: list[str], line: str
) -> None:
    """It would yet shut everybody out. A limit on the size of files stands for a full disk."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    command: list[str | Path] = [KAVOX, "keys", "create", "app", *arguments]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            command, cwd=tmp_path, preexec_fn=limit_files, stdout=full,
            env=clean_environment(tmp_path, REDIS_URL=redis_url), stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (2, f"kavox: {line}\n")
    assert ApiKeyStore(redis).list() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("redis")
def test_a_key_goes_through_a_pipe(tmp_path: Path, redis_url: str) -> None:
    """As into a keeper of secrets: `-o >(keeper)`."""
    out, inside = os.pipe()
    command: list[str | Path] = [KAVOX, "keys", "create", "app", "-o", f"/dev/fd/{inside}"]
    environment = clean_environment(tmp_path, REDIS_URL=redis_url)
    subprocess.run(command, cwd=tmp_path, env=environment, pass_fds=[inside], check=True)
    os.close(inside)
    with os.fdopen(out) as keeper:
        assert is_whole(keeper.read().strip())


def test_a_redis_that_is_away_is_one_line(tmp_path: Path) -> None:
    """Its password is not shown."""
    ended = kavox(tmp_path, "keys", "list", REDIS_URL="redis://:secret@127.0.0.1:1/0")

    assert ended.returncode == 69
    assert ended.stderr.startswith("kavox: redis://127.0.0.1:1/0 does not answer")
    assert "secret" not in ended.stderr
    assert ended.stderr.count("\n") == 1
