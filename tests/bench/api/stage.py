"""What is measured, and what it is measured with: Valkey as `kavox serve` starts it, uvicorn likewise, and the load."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.embedded import EmbeddedServer
from app.ports import LOOPBACK, free_port
from app.programs import SERVER_OPTIONS
from tests.api_keys import make_key
from tests.bench.api.textbook import FILE, REDIS_URL
from tests.service import wait_for

CALLER = "bench"
MOST_WAITING = 10_000_000
NOTEBOOKS = Path("notebooks")
SERVICE, TEXTBOOK = "tests.bench.api.rivals:create_app", "tests.bench.api.textbook:create_app"


class Load:
    """The process that the load comes from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.api.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def give(self, port: int, requests: Sequence[str], **order: object) -> dict[str, Any]:
        """Gives it an order; the first line of its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"port": port, "requests": requests, **order}) + "\n")
        self._process.stdin.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """The next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the load has failed"
        told: dict[str, Any] = json.loads(line)
        return told

    def end(self) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.wait(timeout=10)


@contextmanager
def load() -> Iterator[Load]:
    """A load process for as long as it is needed."""
    process = Load()
    try:
        yield process
    finally:
        process.end()


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """The address of an embedded server, without the number of a database."""
    server = EmbeddedServer(folder)
    server.start()
    try:
        wait_for("Valkey", server.answers)
        yield server.url.rpartition("/")[0]
    finally:
        server.signal(signal.SIGKILL)
        wait_for("the end of Valkey", lambda: server.exit_code() is not None)


class Api:
    """A uvicorn process with the service and no-ops beside it, or with the textbook's application."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, key: str, data_dir: Path) -> None:
        self.port = port
        self.key = key
        self.data_dir = data_dir
        self.process = psutil.Process(process.pid)

    def request(self, method: str, path: str, body: object = None, **headers: str) -> str:
        """A request as it goes over the wire."""
        content = "" if body is None else json.dumps(body)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}:{self.port}", f"Authorization: Bearer {self.key}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if content:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content.encode())}"]
        return "\r\n".join([*lines, "", content])


@contextmanager
def api(folder: Path, redis_url: str, application: str = SERVICE, file: Path | None = None) -> Iterator[Api]:
    """One API process, with the options that `kavox serve` gives it; `file` is what the textbook's /audio serves."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(LOOPBACK), folder / "api.log"
    key = make_key(redis_url, CALLER)
    settings = {
        "KAVOX_REDIS_URL": redis_url,
        "KAVOX_KAGGLE_API_URL": "http://someone:secret@127.0.0.1:9",
        "KAVOX_NOTEBOOKS_DIR": str(NOTEBOOKS.absolute()),
        "KAVOX_DATA_DIR": str(folder),
        "KAVOX_MAX_WAITING_JOBS": str(MOST_WAITING),
        REDIS_URL: redis_url,
        FILE: str(file),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAVOX_", "KAGGLE_"))}
    command = [
        *(sys.executable, "-m", "uvicorn", "--factory", application, "--port", str(port)),
        *("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "2"),
        *SERVER_OPTIONS,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**kept, **settings}, stdout=output, stderr=output)
    try:
        wait_for("the API", lambda: _answers(process, port, log))
        yield Api(process, port, key, folder)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/docs").status_code == 200
    except httpx.TransportError:
        return False
