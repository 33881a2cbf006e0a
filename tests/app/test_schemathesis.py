"""schemathesis against a real API process: what the document says is what the service does, and nothing else."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.shared.api_key import Scope
from app.shared.provider import load_providers
from tests.api_keys import make_key
from tests.app.api_process import serving
from tests.app.conftest import Headers, Place
from tests.app.stagehand import speaking

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# Two callers, who must not see each other's jobs and voices.
PEERS = """
[auth.wfc]
path = "{path}"
peers = ["anne", "bert"]
"""


@contextlib.contextmanager
def stage(place: Place, redis: Redis, folder: Path) -> Iterator[httpx.Client]:
    """The service with the providers that it is shipped with, and a worker that ends every job."""
    providers = [*load_providers(ROOT / "notebooks")]
    settings = {**place.settings, "notebooks_dir": None, "max_waiting_jobs": 100_000}
    with speaking(redis, place.data_dir, providers), serving(folder, **settings) as client:
        yield client


@pytest.fixture
def guarded(guarded_place: Place, guarded_redis: Redis, tmp_path: Path) -> Iterator[httpx.Client]:
    """A service that wants keys."""
    with stage(guarded_place, guarded_redis, tmp_path) as client:
        yield client


@pytest.fixture
def unguarded(place: Place, redis: Redis, tmp_path: Path) -> Iterator[httpx.Client]:
    """A service without keys, which serves this machine."""
    assert redis.dbsize() == 0
    with stage(place, redis, tmp_path) as client:
        yield client


@pytest.fixture
def operators(guarded_place: Place, headers: Headers) -> Mapping[str, str]:
    """Keys of anne and bert that may do everything."""
    assert headers
    return {name: make_key(guarded_place.redis_url, name, Scope.SUBMIT, Scope.ADMIN) for name in ("anne", "bert")}


def schemathesis(client: httpx.Client, folder: Path, keys: Mapping[str, str] | None, *, examples: int) -> None:
    """Every phase and every check, the same in every run. Fails with what it printed."""
    config = (HERE / "schemathesis.toml").read_text(encoding="utf-8")
    environment = {**os.environ, "COLUMNS": "160"}
    if keys is not None:
        sent = {name: [{"name": "Authorization", "value": f"Bearer {key}"}] for name, key in keys.items()}
        callers = {"auth": [{"name": name, "fixedHeaders": headers} for name, headers in sent.items()]}
        (folder / "callers.json").write_text(json.dumps(callers), encoding="utf-8")
        config += PEERS.format(path=folder / "callers.json")
        environment["ANNE_KEY"] = keys["anne"]
    (folder / "schemathesis.toml").write_text(config, encoding="utf-8")
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml"), "run",
        f"{client.base_url}/openapi.json", "--max-examples", str(examples), "--no-color",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.timeout(300)
def test_the_service_does_what_its_document_says(
    guarded: httpx.Client, operators: Mapping[str, str], tmp_path: Path
) -> None:
    """Examples, bounds, random requests and their sequences of two callers: nothing is found."""
    schemathesis(guarded, tmp_path, operators, examples=12)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_does_so_without_keys_too(unguarded: httpx.Client, tmp_path: Path) -> None:
    """The document then says that none is needed, and none is."""
    schemathesis(unguarded, tmp_path, None, examples=4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_service_does_so_for_many_more_requests(
    guarded: httpx.Client, operators: Mapping[str, str], tmp_path: Path
) -> None:
    """The same with more of them."""
    schemathesis(guarded, tmp_path, operators, examples=25)
