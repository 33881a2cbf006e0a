"""`kavox replay BUNDLE`: runs the notebook of a job's bundle again, on an emulated Kaggle of its own.

A bundle may come from anybody, and a notebook is a program: unless it is trusted by name, only its run, which is data,
is taken from the bundle, and the program must be the one that is installed here.
"""

import json
import re
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from app import programs
from app.client import Client
from app.commands.service import say
from app.exit_codes import WrongUsage
from app.output_file import check_output, write_output
from app.ports import LOOPBACK, free_port
from app.shared.errors import Permanent
from app.shared.logs import set_up_logs
from app.shared.notebook_source import is_parameters, with_run
from app.shared.settings import Settings, load_settings
from app.supervisor import Supervisor

_START_SECONDS = 30
_LOOK_SECONDS = 0.05
_LONGEST_BYTES = 4_000_000
"""Of a file in a bundle; Kaggle takes notebooks of less than a million."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class _Bundle:
    run: dict[str, Any]
    notebook: Mapping[str, Any]


def replay(path: Path, output: Path, *, trusted: bool) -> None:
    """Runs it, prints its log to stderr, and writes its audio. Raises WrongUsage for what is no bundle, and Permanent
    when the notebook fails, with its cause."""
    check_output(output)
    settings, bundle = load_settings(), _read(path)
    template = bundle.notebook if trusted else _installed(bundle, settings)
    # The packages are those of this machine, and so is the device.
    told = {name: bundle.run[name] for name in ("run_id", "provider", "model", "items")}
    source = with_run(template, {**told, "install": False, "device": "auto"})
    with TemporaryDirectory(prefix="kavox-replay-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        notebook = folder / "notebook.ipynb"
        notebook.write_text(source, encoding="utf-8")
        with _emulator(settings, folder) as chosen:
            say(f"Running {bundle.run['provider']}'s notebook on an emulated Kaggle")
            outcome = _outcome(chosen, notebook, folder)
        _deliver(outcome, folder, output)


def _read(path: Path) -> _Bundle:
    try:
        with zipfile.ZipFile(path) as archive:
            run, notebook = (json.loads(_content(archive, name)) for name in ("run.json", "notebook.ipynb"))
        if not _NAME.fullmatch(run["provider"]) or len(run["items"]) != 1:
            raise ValueError
        list(map(is_parameters, notebook["cells"]))
    except OSError as error:
        raise WrongUsage(f"{path} cannot be read: {error.strerror}") from None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError):
        raise WrongUsage(f"{path} is no bundle of a job; GET /jobs/ID/bundle makes one") from None
    return _Bundle(run, notebook)


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LONGEST_BYTES:
        raise ValueError
    return archive.read(name)


def _installed(bundle: _Bundle, settings: Settings) -> Mapping[str, Any]:
    """The notebook that is here. Raises WrongUsage unless the bundle's has the same cells."""
    path = settings.notebooks_dir / f"{bundle.run['provider']}.ipynb"
    here: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cells": []}
    if _program(bundle.notebook) != _program(here):
        raise WrongUsage(
            f"the bundle's notebook is not the one in {path}, and would run as a program on this machine: look at it, "
            "then give --trust-notebook"
        )
    return here


def _program(notebook: Mapping[str, Any]) -> list[str]:
    code = (cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not is_parameters(cell))
    return ["".join(cell["source"]) for cell in code]


@contextmanager
def _emulator(settings: Settings, folder: Path) -> Iterator[Settings]:
    """The settings under which an emulator of our own is Kaggle, in the folder."""
    set_up_logs("error", "replay")
    port = free_port(LOOPBACK)
    chosen = settings.model_copy(
        update={"data_dir": folder, "kaggle_api_url": f"http://{LOOPBACK}:{port}", "kernel_id": None}
    )
    supervisor = Supervisor()
    try:
        supervisor.start(programs.emulator(chosen, port, folder))
        with Client(f"http://{LOOPBACK}:{port}", direct=True) as client:
            deadline = time.monotonic() + _START_SECONDS
            while not client.lives():
                if time.monotonic() > deadline:
                    raise Permanent("the emulator does not start; `kavox doctor --offline` may say why")
                supervisor.check()
                time.sleep(_LOOK_SECONDS)
        yield chosen
    finally:
        supervisor.stop()


def _outcome(settings: Settings, notebook: Path, folder: Path) -> Mapping[str, Any]:
    with programs.replay(settings, notebook, folder) as process:
        said, _ = process.communicate()
    if process.returncode != 0:
        raise Permanent("the notebook could not be run; the lines above say why")
    outcome: Mapping[str, Any] = json.loads(said)
    return outcome


def _deliver(outcome: Mapping[str, Any], folder: Path, output: Path) -> None:
    if not outcome["items"]:
        raise Permanent(f"the notebook failed ({outcome['state']}): {outcome['cause'] or 'its log says nothing'}")
    [item] = outcome["items"]
    if item["status"] != "succeeded":
        raise Permanent(f"the notebook ran, and the job's item failed: {item['error']}")
    write_output(output, (folder / item["file"]).read_bytes())
    line = f"the notebook ran, and the job's item succeeded: {output} ({item['duration_seconds']:.1f} s)"
    typer.echo(line, file=sys.stderr)
