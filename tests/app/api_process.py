"""A real API process on a free port."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.programs import SERVER_OPTIONS

EMULATOR_URL = "http://someone:secret@127.0.0.1:9"
"""Nothing answers there, and nothing in the API asks."""


def environment(**settings: object) -> dict[str, str]:
    """This process' environment with these settings (names without prefix) in place of all Kavox' and Kaggle's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KAVOX_", "KAGGLE_"))}
    given = {f"KAVOX_{name.upper()}": str(value) for name, value in settings.items() if value is not None}
    return {**kept, "KAGGLE_CONFIG_DIR": "/nonexistent", **given}


def command(port: int) -> list[str]:
    """What starts the API."""
    address = ["--factory", "app.main:create_app", "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", *address, *SERVER_OPTIONS]


@contextmanager
def serving(directory: Path, **settings: object) -> Iterator[httpx.Client]:
    """A client of an API process that works in `directory`; its output is in api.log there."""
    port = free_port()
    with (directory / "api.log").open("wb") as output:
        process = subprocess.Popen(
            command(port), env=environment(**settings), cwd=directory, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait_until_up(client, process, directory / "api.log")
            yield client
    finally:
        process.terminate()
        process.wait(timeout=10)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_up(client: httpx.Client, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the API did not start:\n{output.read_text()}")
