"""A worker's sign of life says that it lives, whatever it waits for."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

from redis import Redis

from app.shared import keys
from tests.app.api_process import environment
from tests.service import wait_for


def test_a_worker_that_waits_for_kaggle_counts_as_living(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Its sweep hangs at a Kaggle that never answers; its sign of life is renewed all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent, contextlib.ExitStack() as calls:
        silent.settimeout(60)
        told = environment(
            redis_url=redis_url,
            kaggle_api_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            push_timeout_seconds=600,
            data_dir=tmp_path / "data",
        )
        with (tmp_path / "log").open("wb") as log:
            worker = subprocess.Popen([sys.executable, "-m", "workers.main"], env=told, stdout=log, stderr=log)
        try:
            calls.enter_context(silent.accept()[0])
            (sign,) = wait_for("a sign of life", lambda: list(redis.scan_iter("kavox:worker:*")))
            heard = redis.zrange(keys.WORKERS, 0, -1, withscores=True)
            wait_for("the next one", lambda: redis.zrange(keys.WORKERS, 0, -1, withscores=True) != heard)
            assert worker.poll() is None
            worker.terminate()
            assert worker.wait(timeout=20) == 0
            assert not redis.exists(sign)
        finally:
            worker.kill()
            worker.wait()
