"""schemathesis against a real API process: what the document says is what the service does, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.shared.provider import load_providers
from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.stagehand import speaking

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEYS = "anne:anne-key, bert:bert-key"


@pytest.fixture
def stage(place: Place, redis: Redis, tmp_path: Path) -> Iterator[httpx.Client]:
    """The service with the providers that it is shipped with, two callers, and a worker that ends every job."""
    assert redis.dbsize() == 0
    providers = [*load_providers(ROOT / "notebooks")]
    settings = {**place.settings, "notebooks_dir": None, "api_keys": KEYS, "max_waiting_jobs": 100_000}
    with speaking(redis, place.data_dir, providers), serving(tmp_path, **settings) as client:
        yield client


def schemathesis(client: httpx.Client, *, examples: int) -> None:
    """Every phase and every check, the same in every run. Fails with what it printed."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run",
        f"{client.base_url}/openapi.json", "--max-examples", str(examples), "--no-color",
    ]  # fmt: skip
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "COLUMNS": "160"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.timeout(300)
def test_the_service_does_what_its_document_says(stage: httpx.Client) -> None:
    """Examples, bounds, random requests and their sequences: nothing is found."""
    schemathesis(stage, examples=12)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_service_does_so_for_many_more_requests(stage: httpx.Client) -> None:
    """The same with more of them."""
    schemathesis(stage, examples=60)
