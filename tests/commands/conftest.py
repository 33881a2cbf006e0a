"""A service for the tests of the command line: its Kaggle executes nothing, and it wants a key."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli import main
from tests.commands.command import Command
from tests.mimic import write_mimic
from tests.notebooks.local_run import NOTEBOOKS
from tests.puppets import Puppets
from tests.service import Service

Inside = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def kavox_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """All real providers, `mimic`, and its double `parrot` that speaks on the worker's own machine only."""
    folder = tmp_path_factory.mktemp("commands")
    notebooks = folder / "notebooks"
    shutil.copytree(NOTEBOOKS, notebooks)
    mimic = write_mimic(folder / "mimic")
    for suffix in (".toml", ".ipynb"):
        shutil.copy(mimic / f"mimic{suffix}", notebooks)
        shutil.copy(mimic / f"mimic{suffix}", notebooks / f"parrot{suffix}")
    manifest = (notebooks / "parrot.toml").read_text()
    local_only = manifest.replace('name = "mimic"', 'name = "parrot"', 1).replace('"kaggle", "local"', '"local"')
    (notebooks / "parrot.toml").write_text(local_only)
    settings = {
        "KAVOX_NOTEBOOKS_DIR": notebooks,
        "KAVOX_EMULATOR_RUNS_GPU_PROVIDERS": "true",
        "KAVOX_BATCH_WINDOW_SECONDS": "0.3",
    }
    service = Service(folder / "data", settings)
    service.start()
    service.http.headers["Authorization"] = f"Bearer {service.key('tester')}"
    yield service
    service.end_everything()


@pytest.fixture(scope="session")
def key(kavox_service: Service) -> str:
    """The key of that service's caller."""
    return kavox_service.http.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def puppets(kavox_service: Service) -> Iterator[Puppets]:
    """The sessions of that service: scripted, and without end until a test ends them."""
    led = Puppets(kavox_service)
    led.script(times=None)
    yield led
    led.clear()
    for slug in led.running():
        led.finish(slug)
    led.close()


@pytest.fixture
def command(kavox_service: Service, key: str, tmp_path: Path) -> Command:
    """`kavox` in an empty folder, told of the service and its key."""
    return Command(tmp_path, URL=kavox_service.url, API_KEY=key)


@pytest.fixture
def inside(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kavox_service: Service,
    key: str,
    tmp_path: Path,
) -> Inside:
    """The command line in this very process, which is quicker: its exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(line: str, **settings: str) -> tuple[int, str, str]:
        for name, value in {"URL": kavox_service.url, "API_KEY": key, **settings}.items():
            monkeypatch.setenv(f"KAVOX_{name}", value)
        monkeypatch.setattr(sys, "argv", ["kavox", *shlex.split(line)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run
