"""Which worker takes the jobs of this machine: one that has their packages, and one run at a time on its GPUs."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from app.shared import keys
from app.shared.errors import ConfigurationError
from app.shared.identifiers import new_id
from app.shared.job import Job, JobStatus, Speech
from app.shared.presence import MACHINE_SECONDS, announce, depart
from app.shared.settings import load_settings
from tests.notebooks.local_run import NOTEBOOKS
from tests.workers.jobs import read, submit
from workers.run_store import RunStore
from workers.runtime import Runtime

WorkerOf = Callable[..., Runtime]


@pytest.fixture
def worker(tmp_path: Path, redis: Redis, redis_url: str) -> WorkerOf:  # noqa: ARG001  # the server is to be empty
    """Makes a worker that has the packages of qwen and chatterbox, or lacks them."""

    def make(*, packages: bool = True, **settings: object) -> Runtime:
        notebooks = tmp_path / f"notebooks-{packages}"
        if not notebooks.exists():
            shutil.copytree(NOTEBOOKS, notebooks)
        for manifest in (notebooks / "qwen.toml", notebooks / "chatterbox.toml"):
            named = f'packages = ["{"json" if packages else "no_such_package"}"]'
            text = re.sub(
                r"^packages = \[.*?\]", named, manifest.read_text("utf-8"), count=1, flags=re.DOTALL | re.MULTILINE
            )
            manifest.write_text(text, encoding="utf-8")
        given = {"kaggle_api_url": "http://127.0.0.1:9", "batch_window_seconds": 0, "data_dir": tmp_path / "data"}
        return Runtime(load_settings(redis_url=redis_url, notebooks_dir=notebooks, **given | settings))

    return make


def a_job(provider: str, model: str, *, host: str = "local") -> Job:
    speech = Speech(
        text="A text.", provider=provider, model=model, voice="any", language="en", host=host, gpu=False,
        estimated_seconds=1.0,
    )  # fmt: skip
    return Job(id=new_id(), caller="local", created_at=time.time() - 1, speech=speech)


def test_a_worker_without_the_packages_leaves_the_jobs_to_one_that_has_them(worker: WorkerOf, redis_url: str) -> None:
    """It would only fail them, although they were accepted because of the other."""
    job = a_job("qwen", "0.6b")
    submit(redis_url, job)
    without, with_them = worker(packages=False), worker()
    assert "qwen" not in without.presence.local_providers
    assert "qwen" in with_them.presence.local_providers

    without.synthesis.run_lane(job.speech.lane)
    assert read(redis_url, job).status is JobStatus.QUEUED
    run = with_them.synthesis.claim(job.speech.lane)

    assert run is not None
    assert run.jobs == [job.id]


def test_one_run_at_a_time_has_the_gpus_of_this_machine(worker: WorkerOf, redis_url: str) -> None:
    """The next one's model might not fit beside it; what needs no GPU is not held up, nor what goes to Kaggle."""
    jobs = [a_job("qwen", "0.6b"), a_job("chatterbox", "english"), a_job("hibari", "hibari")]
    jobs.append(a_job("qwen", "0.6b", host="emulator"))
    submit(redis_url, *jobs)
    qwen, chatterbox, hibari, away = (job.speech.lane for job in jobs)
    parts = worker()

    first = parts.synthesis.claim(qwen)
    assert first is not None
    assert (first.gpu, first.machine != "") == (False, True)
    assert parts.synthesis.claim(chatterbox) is None
    assert parts.synthesis.claim(hibari) is not None
    assert parts.synthesis.claim(away) is not None
    assert worker(max_own_gpu_runs=2).synthesis.claim(chatterbox) is not None


def test_a_run_on_this_machines_gpu_is_taken_over_like_any_other(
    worker: WorkerOf, redis: Redis, redis_url: str
) -> None:
    """Nobody's lease on it, and the next worker of the machine has it."""
    job = a_job("qwen", "0.6b")
    submit(redis_url, job)
    run = worker().synthesis.claim(job.speech.lane)
    assert run is not None
    redis.delete(f"kavox:run:{run.id}:lease")

    runs = RunStore(redis, "another")
    assert list(runs.ownerless()) == [run.id]
    assert runs.acquire(run.id) is not None


def test_a_folder_of_models_that_is_not_there_stops_the_worker(worker: WorkerOf, tmp_path: Path) -> None:
    """One line names the setting."""
    missing = tmp_path / "nowhere"
    with pytest.raises(ConfigurationError, match=f"^KAVOX_LOCAL_INPUT_DIR: there is no folder {missing}$"):
        worker(local_input_dir=missing)


def test_a_run_on_a_machine_that_is_gone_is_taken_over_by_another(
    worker: WorkerOf, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    """A container that was replaced never comes back; while its machine may, the run waits for it."""
    job = a_job("qwen", "0.6b")
    submit(redis_url, job)
    here, elsewhere = worker(data_dir=tmp_path / "here"), worker(data_dir=tmp_path / "elsewhere")
    announce(redis, here.presence)
    run = here.synthesis.claim(job.speech.lane)
    assert run is not None
    redis.delete(f"kavox:run:{run.id}:lease")
    sign = keys.MACHINE + here.presence.machine

    depart(redis, here.name)
    elsewhere.synthesis.resume(run.id)
    assert read(redis_url, job).status is JobStatus.RUNNING
    assert list(RunStore(redis, "another").ownerless()) == [run.id]
    assert 0 < redis.ttl(sign) <= MACHINE_SECONDS

    redis.delete(sign)
    elsewhere.synthesis.resume(run.id)
    assert list(RunStore(redis, "another").ownerless()) == []
