"""The API and the worker as their images have them: their own packages alone, and what says that they live."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.ports import LOOPBACK, free_port
from tests.app.api_process import EMULATOR_URL
from tests.app.api_process import environment as settings
from tests.containers.dockerfile import extras
from tests.containers.environments import environment, packages
from tests.service import wait_for

pytestmark = pytest.mark.slow

NOTEBOOK_RUNTIME = {"kaggle", "kagglesdk", "nbformat", "papermill", "ipykernel", "onnxruntime", "hibari-tts"}


@contextmanager
def running(command: list[str | Path], told: Mapping[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works in `folder`; what it prints is in `log` there."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=told, cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def health(python: Path, module: str, told: Mapping[str, str], folder: Path) -> str:
    """What is wrong, as the images' HEALTHCHECK finds it; '' when nothing is."""
    ended = subprocess.run([python, "-m", module], env=told, cwd=folder, capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) == (ended.stderr == "")
    return ended.stderr


def answers(client: httpx.Client) -> bool:
    """Whether the API can be reached."""
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("redis")
def test_the_api_serves_with_its_own_packages(tmp_path: Path, redis_url: str) -> None:
    """Without the notebook runtime it accepts a job; its health check finds it while it answers, and only then."""
    assert not packages(extras("api")) & NOTEBOOK_RUNTIME
    python = environment(tmp_path / "environment", extras("api"))
    port = free_port(LOOPBACK)
    told = settings(
        redis_url=redis_url, kaggle_api_url="https://api.kaggle.com", host="0.0.0.0", port=port,  # noqa: S104
        data_dir=tmp_path / "data",
    )  # fmt: skip

    with (
        running([python, "-m", "app.cli", "api"], told, tmp_path) as api,
        httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=30) as client,
    ):
        wait_for("the API to answer", lambda: api.poll() is not None or answers(client))
        assert health(python, "app.health", told, tmp_path) == ""
        text = {"text": "Hello."}
        made: list[str | Path] = [python, "-m", "app.cli", "keys", "create", "me"]
        key = subprocess.run(made, env=told, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()
        assert client.post("/synthesize", json=text).status_code == 401
        assert client.post("/synthesize", json=text, headers={"Authorization": f"Bearer {key}"}).status_code == 202
        assert client.get("/readyz").json()["kaggle"] == {"mode": "real", "url": "https://api.kaggle.com"}
        api.send_signal(signal.SIGTERM)
        assert api.wait(timeout=20) == -signal.SIGTERM

    assert "GET /healthz is not answered" in health(python, "app.health", told, tmp_path)


def test_the_worker_works_with_its_own_packages(tmp_path: Path, redis: Redis, redis_url: str) -> None:
    """It gives a sign of life that its health check finds, speaks on its own machine, and leaves in order."""
    python = environment(tmp_path / "environment", extras("worker"))
    told = settings(redis_url=redis_url, kaggle_api_url=EMULATOR_URL, data_dir=tmp_path / "data")

    with running([python, "-m", "app.cli", "worker"], told, tmp_path) as worker:
        wait_for("a sign of life", lambda: worker.poll() is not None or redis.zcard("kavox:workers"))
        assert health(python, "workers.health", told, tmp_path) == ""
        (name,) = redis.scan_iter("kavox:worker:*")
        assert {"hibari", "edge"} <= set(json.loads(str(redis.get(name)))["local_providers"])
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=20) == 0

    assert "no sign of life" in health(python, "workers.health", told, tmp_path)


def test_a_worker_is_not_well_without_its_redis(tmp_path: Path) -> None:
    """The process may run; it does no work."""
    nowhere = settings(redis_url=f"redis://{LOOPBACK}:{free_port(LOOPBACK)}/0", kaggle_api_url=EMULATOR_URL)
    assert "Redis does not answer" in health(Path(sys.executable), "workers.health", nowhere, tmp_path)
