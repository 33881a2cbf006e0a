"""Which service a command speaks to: the one that is named, the one on this machine, or one of its own.

A service of a command's own is all of `kavox serve` in a child process, on this machine's settings and data directory
and a free port. So its jobs and its audio are kept, and what was not finished goes on with the next one.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from app import programs
from app.child import ChildProcess
from app.client import Client
from app.exit_codes import WrongUsage
from app.ports import LOOPBACK, address, free_port
from app.shared.errors import ConfigurationError, Permanent
from app.shared.logs import set_up_logs
from app.shared.settings import Settings, load_settings
from app.supervisor import Supervisor

_START_SECONDS = 60
_LOOK_SECONDS = 0.05
_PREFIX = "kavox: "


@dataclass(frozen=True)
class Where:
    """What the command line says of the service: its address, and a file with the key."""

    url: str | None
    key_file: Path | None


@contextmanager
def running_service(where: Where, *, rests: bool = True) -> Iterator[Client]:
    """A client of the service that is named, else of the one on this machine. Raises WrongUsage.

    `rests`: where the key's rate is used up it waits for as long as it is told.
    """
    settings = load_settings()
    with _client(settings, where, rests=rests) as client:
        yield client


@contextmanager
def any_service(where: Where, *, for_one: bool = False) -> Iterator[Client]:
    """The same; where none is named and none runs, a service of the command's own, `for_one` job or for many.

    Raises ConfigurationError or Permanent when that one does not start.
    """
    settings = load_settings()
    with _client(settings, where) as client:
        if where.url or settings.url or client.listens():
            yield client
            return
    key = _key(settings, where)
    with (
        TemporaryDirectory(prefix="kavox-") as folder,
        _own_service(settings, key, Path(folder), for_one=for_one) as client,
    ):
        yield client


def say(line: str) -> None:
    """Tells whoever sits at the terminal; nobody else."""
    if sys.stderr.isatty():
        typer.echo(line, err=True)


def _client(settings: Settings, where: Where, *, rests: bool = True) -> Client:
    url = where.url or settings.url or address(settings.host, settings.port)
    return Client(url, key=_key(settings, where), tell=say, rests=rests)


def _key(settings: Settings, where: Where) -> str | None:
    return _key_in(where.key_file) if where.key_file else settings.api_key


def _key_in(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise WrongUsage(f"--key-file {path} cannot be read; name a text file with the key in it") from None
    # It goes into a header, which takes one line of such characters.
    if not key.isascii() or not key.isprintable() or not key:
        raise WrongUsage(f"--key-file {path} must hold one key and nothing else")
    return key


@contextmanager
def _own_service(settings: Settings, key: str | None, folder: Path, *, for_one: bool) -> Iterator[Client]:
    port, log = free_port(LOOPBACK), folder / "service.log"
    chosen: dict[str, object] = {
        "host": LOOPBACK,
        "port": port,
        "cors_origins": "",
        "log_level": "warning",
    }
    if for_one:
        # There is nobody to wait for.
        chosen |= {"workers": 1, "batch_window_seconds": 0}
    settings = settings.model_copy(update=chosen)
    # Of its supervisor, which would else write to stdout.
    set_up_logs("error", "command")
    child, supervisor = programs.service(settings, log), Supervisor()
    say(f"No service runs on this machine: one is started for this command, on {settings.data_dir.absolute()}")
    try:
        supervisor.start(child)
        with Client(address(LOOPBACK, port), key=key, direct=True, tell=say) as client:
            _wait_until_ready(client, child, log)
            yield client
    finally:
        supervisor.stop()


def _wait_until_ready(client: Client, child: ChildProcess, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while (missing := client.missing()) is not None:
        code = child.exit_code()
        if code == os.EX_CONFIG:
            raise ConfigurationError(_last_line(log).removeprefix(_PREFIX))
        if code is not None:
            raise Permanent(f"no service could be started: {_last_line(log)}")
        if time.monotonic() > deadline:
            raise Permanent(f"no service was ready within {_START_SECONDS} s: {missing}; {_last_line(log)}")
        time.sleep(_LOOK_SECONDS)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"
