"""The stack's own programs: their commands, and the environment that each may see.

A child gets the settings in force, wherever they came from, and none that was not set: it reads the same values as its
supervisor, even if `.env` changes meanwhile.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.child import ChildProcess
from app.ports import LOOPBACK
from app.shared.settings import PREFIX, Settings

# How long each may take to end after SIGTERM, together less than 15 s.
_API_SECONDS = 3.0
_WORKER_SECONDS = 7.0
_EMULATOR_SECONDS = 2.0
_STACK_SECONDS = 15.0

# What is no HTTP is answered by us, and whoever asks for a WebSocket is answered as if they had not. The line of a
# request in the log is ours: the server's has the query.
SERVER_OPTIONS = (
    *("--http", "app.api.http_protocol:Protocol", "--ws", "none"),
    *("--no-access-log", "--log-level", "warning"),
)


def api(settings: Settings, logs: Path | None) -> ChildProcess:
    """The HTTP face. With `logs` what it prints goes into a file there."""
    return _child("api", api_module(settings), _with_settings(settings), _API_SECONDS, logs)


def api_module(settings: Settings) -> Sequence[str]:
    """The module that is the HTTP face when it is run, and its arguments."""
    return [
        *("uvicorn", "--factory", "app.main:create_app"),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--timeout-graceful-shutdown", "2"),
        *SERVER_OPTIONS,
    ]


def service(settings: Settings, log: Path) -> ChildProcess:
    """All of `kavox serve`, for a command that needs a service; what it prints goes into the file `log`."""
    command = [sys.executable, "-m", "app.cli", "serve"]
    return ChildProcess("service", command, _with_settings(settings), stop_seconds=_STACK_SECONDS, output=log)


def doctor(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    """The checks that need what only workers have, under way; a finding a line of its output, as JSON.

    In our own process group: Ctrl-C reaches it too, and it then takes away what it has left on Kaggle.
    """
    command = [sys.executable, "-m", "workers.doctor", *arguments]
    return subprocess.Popen(
        command, env=_with_settings(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def replay(settings: Settings, notebook: Path, folder: Path) -> subprocess.Popen[str]:
    """One notebook, run on the Kaggle of the settings, under way; its log goes to our stderr, what came of it to a line
    of its output. In our own process group, as the doctor."""
    command = [sys.executable, "-m", "workers.replay", str(notebook), str(folder)]
    return subprocess.Popen(command, env=_with_settings(settings), stdout=subprocess.PIPE, text=True)


def workers(settings: Settings, logs: Path | None) -> Sequence[ChildProcess]:
    """As many workers as the settings say."""
    environment = _with_settings(settings)
    return [
        _child(f"worker-{number}", ["workers.main"], environment, _WORKER_SECONDS, logs)
        for number in range(1, settings.workers + 1)
    ]


def emulator(settings: Settings, port: int, logs: Path | None) -> ChildProcess:
    """The stand-in for Kaggle. It runs people's notebooks, so it sees no credentials and no settings of ours."""
    command = [
        *("workers.emulator", "--host", LOOPBACK, "--port", str(port)),
        *("--data-dir", str(settings.data_dir / "emulator")),
        *("--username", settings.emulator_username, "--key", settings.emulator_key),
        *("--queue-seconds", str(settings.emulator_queue_seconds)),
        *("--boot-seconds", str(settings.emulator_boot_seconds)),
        *("--tail-seconds", str(settings.emulator_tail_seconds)),
        *("--time-scale", str(settings.emulator_time_scale)),
        *("--visibility-lag-seconds", str(settings.emulator_visibility_lag_seconds)),
        *("--dataset-seconds", str(settings.emulator_dataset_seconds)),
        *(("--python", str(settings.emulator_python)) if settings.emulator_python else ()),
        *(("--input-dir", str(settings.emulator_input_dir)) if settings.emulator_input_dir else ()),
    ]
    return _child("emulator", command, _inherited(PREFIX, "KAGGLE"), _EMULATOR_SECONDS, logs)


def _child(
    name: str, module: Sequence[str], environment: Mapping[str, str], stop_seconds: float, logs: Path | None
) -> ChildProcess:
    output = logs / f"{name}.log" if logs else None
    return ChildProcess(name, [sys.executable, "-m", *module], environment, stop_seconds=stop_seconds, output=output)


def _with_settings(settings: Settings) -> dict[str, str]:
    # What the command line knows as a client is nothing to the service.
    values = settings.model_dump(mode="json", exclude={"url", "api_key"})
    given = {PREFIX + name.upper(): str(value) for name, value in values.items() if value is not None}
    return _inherited(PREFIX) | _direct_to_this_machine() | given


def _inherited(*without: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(without)}


def _direct_to_this_machine() -> dict[str, str]:
    """A proxy for the outside world is no way to the emulator."""
    return {
        name: ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
        for name in ("no_proxy", "NO_PROXY")
    }
