"""The service as its user meets it: `kavox serve` in a process of its own, spoken to over HTTP."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from app.embedded import EmbeddedServer
from app.ports import LOOPBACK, free_port
from app.shared.api_key import NO_LIMITS, Limits, Scope
from tests.api_keys import make_key

KAVOX = Path(sys.executable).with_name("kavox")
T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T | None], seconds: float = 60) -> T:
    """The condition's value as soon as it is true or a non-empty answer; fails the test after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


class Service:
    """One `kavox serve` with its own data directory and port."""

    def __init__(
        self, data_dir: Path, settings: Mapping[str, object], *, as_this_person: bool = False, program: Path = KAVOX
    ) -> None:
        """With `as_this_person` it finds the Kaggle credentials of whoever runs it; `program` is the kavox to start."""
        self._program = program
        self._as_this_person = as_this_person
        self.data_dir = data_dir
        self.port = free_port(LOOPBACK)
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        stranger = {name: value for name, value in os.environ.items() if not name.startswith(("KAVOX_", "KAGGLE_"))}
        stranger["HOME"] = str(self.data_dir.parent)
        environment = {
            **(os.environ if self._as_this_person else stranger),
            "KAVOX_DATA_DIR": str(self.data_dir),
            "KAVOX_PORT": str(self.port),
            "KAVOX_WORKERS": "1",
            # Most tests speak the same text again, and mean it.
            "KAVOX_CACHE_MAX_MEGABYTES": "0",
            **{name: str(value) for name, value in self._settings.items()},
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([self._program, "serve"], env=environment, stdout=log, stderr=log)
        wait_for("the service to be ready", self._ready)

    def stop(self) -> int:
        """Stops it the way a person does; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=30)

    def end_everything(self) -> None:
        """Leaves no process behind, in whatever state the test has left them."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop()
        for process in self.all_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process is not None:
            self._process.wait(timeout=10)
        self.http.close()

    def all_processes(self) -> list[psutil.Process]:
        """Every process that this service has started, notebooks and adopted ones included."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def processes(self, word: str) -> list[psutil.Process]:
        """Its processes with this word in their command line: workers.main, valkey-server, …"""
        return [
            process
            for process in self.all_processes()
            if word in {name for part in _command(process) for name in (part, Path(part.split(" ")[0]).name)}
        ]

    def kill(self, *words: str) -> None:
        """`kill -9`, without a warning and at one stroke, of the processes with one of these words."""
        found = [process for word in words for process in self.processes(word)]
        assert len(found) >= len(words), f"some of {words} do not run: {found}"
        for process in found:
            process.kill()
        psutil.wait_procs(found, timeout=5)

    def key(self, name: str, *scopes: Scope, limits: Limits = NO_LIMITS) -> str:
        """A new key of that name, which the service knows by now. From the first one on it wants keys."""
        made = make_key(EmbeddedServer(self.data_dir / "valkey").url, name, *scopes, limits=limits)

        def known() -> bool:
            return self.http.get("/quota", headers={"Authorization": f"Bearer {made}"}).status_code == 200

        wait_for("the key to be known", known)
        return made

    def submit(self, text: str, **fields: object) -> dict[str, Any]:
        """POSTs a text; the accepted job."""
        response = self.http.post("/synthesize", json={"text": text, **fields})
        assert response.status_code == 202, response.text
        job: dict[str, Any] = response.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        response = self.http.get(f"/jobs/{job_id}")
        assert response.status_code == 200, response.text
        job: dict[str, Any] = response.json()
        return job

    def finished(self, job_id: str, seconds: float = 90) -> dict[str, Any]:
        """The job once it has ended, however it did. Rides out an API that is down for a moment."""

        def ended() -> dict[str, Any] | None:
            try:
                job = self.job(job_id)
            except (httpx.TransportError, AssertionError):
                return None
            return job if job["status"] in {"succeeded", "failed", "canceled"} else None

        return wait_for(f"job {job_id} to end", ended, seconds)

    def in_phase(self, job_id: str, *phases: str, seconds: float = 60) -> dict[str, Any]:
        """The job once it is in one of these phases."""

        def there() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert job["status"] in {"queued", "running"}, job
            return job if job["phase"] in phases else None

        return wait_for(f"job {job_id} to be {phases}", there, seconds)

    def audio(self, job_id: str) -> bytes:
        """The job's wav."""
        response = self.http.get(f"/jobs/{job_id}/audio")
        assert response.status_code == 200, response.text
        return response.content

    def emulator(self) -> str:
        """The address of the Kaggle that it uses."""
        url: str = self.http.get("/readyz").json()["kaggle"]["url"]
        return url

    def kaggle_stats(self) -> dict[str, Any]:
        """What the emulator has counted."""
        stats: dict[str, Any] = httpx.get(f"{self.emulator()}/control/stats").json()
        return stats

    def inject_fault(self, **fault: object) -> None:
        """Makes the emulator misbehave."""
        httpx.post(f"{self.emulator()}/control/faults", json=[fault]).raise_for_status()

    def clear_faults(self) -> None:
        """Makes the emulator behave again."""
        httpx.delete(f"{self.emulator()}/control/faults").raise_for_status()

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text(errors="replace")
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/readyz").status_code == 200
        return False

    def _is_ours(self, process: psutil.Process) -> bool:
        mine = str(self.data_dir)
        try:
            # Valkey overwrites its command line, but it works in its folder.
            named = [*process.cmdline(), process.cwd()]
            return process.environ().get("KAVOX_DATA_DIR") == mine or any(mine in part for part in named)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
