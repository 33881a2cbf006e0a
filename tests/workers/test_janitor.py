"""What is left behind is found by its name, and nothing else is touched."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.identifiers import new_id
from app.shared.job import JobStatus
from app.shared.settings import Settings
from tests.hosts import host_at, make_push
from tests.workers.emulator.driver import Emulator
from tests.workers.jobs import cancel, do_all, make_job, make_run, read, submit
from workers.datasets import DatasetState
from workers.janitor import Janitor
from workers.kaggle_datasets import KaggleDatasets
from workers.run import Run
from workers.run_store import RunStore
from workers.voice_records import VoiceRecords

DYING = """
import os, signal, sys
from pathlib import Path
import obstore
from app.shared.audio_store import AudioStore

def speech():
    yield bytes(6_000_000)
    os.kill(os.getpid(), signal.SIGKILL)

store = AudioStore.open(None, Path(sys.argv[1]))
store.put("spoken.wav", b"RIFF")
store.put("one#1and a half.wav", b"RIFF")
obstore.put(store._store, sys.argv[2], speech())
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("kaggle")).start()
    yield started
    started.stop()


def clean(redis: Redis, emulator: Emulator, folder: Path, **settings: object) -> None:
    host = host_at(emulator.url)
    janitor = Janitor(
        redis=redis,
        runs=RunStore(redis, "worker"),
        audio=AudioStore.open(None, folder),
        voices=VoiceRecords(redis),
        hosts={host.name: host},
        datasets={host.name: KaggleDatasets(host.client)},
        settings=Settings(_env_file=None, **settings),  # type: ignore[arg-type]
    )
    do_all(janitor.steps())


def id_from(hours_ago: float) -> str:
    """An identifier as it was given so long ago."""
    return f"{int((time.time() - hours_ago * 3600) * 1000):011x}{new_id()[11:]}"


def test_orphan_kernels_are_found_by_their_names(
    redis: Redis, redis_url: str, emulator: Emulator, tmp_path: Path
) -> None:
    """Deleted: what a closed run has left, and what nobody knows and is too old to be under way. Kept: all else."""
    runs, host = RunStore(redis, "worker"), host_at(emulator.url)
    jobs = [make_job(), make_job()]
    submit(redis_url, *jobs)
    open_run, closed = (runs.claim(make_run(job), [job.id], most_runs=9, engine="") for job in jobs)
    assert isinstance(open_run, Run)
    assert isinstance(closed, Run)
    runs.close(closed)
    kept = {open_run.slug, f"kavox-{new_id()}", f"others-{id_from(99)}", "kavox-of-my-own", "a-notebook-of-a-person"}
    orphans = {closed.slug, f"kavox-{id_from(99)}"}
    for slug in kept | orphans:
        emulator.script("COMPLETE")
        host.push(make_push(slug=slug))
    clean(redis, emulator, tmp_path, keep_kernels=True)
    assert {kernel["slug"] for kernel in emulator.stats()["kernels"]} == kept | orphans
    redis.delete(keys.SWEPT + host.name)
    clean(redis, emulator, tmp_path)
    assert {kernel["slug"] for kernel in emulator.stats()["kernels"]} == kept


def test_datasets_of_voices_that_nobody_knows_are_deleted(redis: Redis, emulator: Emulator, tmp_path: Path) -> None:
    """Kept: those of voices that are there, and what is so young that its voice may be on its way, or not ours."""
    datasets = KaggleDatasets(host_at(emulator.url).client)
    known, young, orphan = (f"voice-{one}" for one in (id_from(99), new_id(), id_from(99)))
    redis.hset(f"{keys.VOICE}{known}", "record", "{}")
    others = f"others-voice-{id_from(99)}"
    recording = tmp_path / "recording.wav"
    recording.write_bytes(b"RIFF of a voice")
    for slug in [datasets.slug(known), datasets.slug(young), datasets.slug(orphan), others]:
        datasets.create(slug, recording)
    clean(redis, emulator, tmp_path)
    states = [datasets.state(slug) for slug in (datasets.slug(known), datasets.slug(young), others)]
    assert DatasetState.ABSENT not in states
    assert datasets.state(datasets.slug(orphan)) is DatasetState.ABSENT


@pytest.mark.parametrize("failing", ["DeleteKernel", "DeleteDataset"])
def test_an_orphan_that_cannot_be_deleted_keeps_no_other(
    redis: Redis, emulator: Emulator, tmp_path: Path, failing: str
) -> None:
    """Whichever is the first that the host does not delete, it alone is left for the next time."""
    host = host_at(emulator.url)
    datasets = KaggleDatasets(host.client)
    recording = tmp_path / "recording.wav"
    recording.write_bytes(b"RIFF of a voice")
    orphans = [f"kavox-{id_from(99)}" for _ in range(3)]
    for slug in orphans:
        emulator.script("COMPLETE")
        host.push(make_push(slug=slug))
    voices = [datasets.slug(f"voice-{id_from(99)}") for _ in range(3)]
    for slug in voices:
        datasets.create(slug, recording)

    def left() -> tuple[int, int]:
        return len(host.slugs("kavox-") & set(orphans)), len(datasets.slugs() & set(voices))

    emulator.fault(call=failing, kind="http_500_json")
    clean(redis, emulator, tmp_path)
    assert left() == ((1, 0) if failing == "DeleteKernel" else (0, 1))
    redis.delete(keys.SWEPT + host.name)
    clean(redis, emulator, tmp_path)
    assert left() == (0, 0)


def test_audio_that_a_killed_worker_has_not_finished_is_deleted(
    redis: Redis, emulator: Emulator, tmp_path: Path
) -> None:
    """An hour after it was last written to, wherever it lies; all else stays."""
    for name in ("a.wav", "voices/b.wav", "young.wav"):
        subprocess.run([sys.executable, "-c", DYING, str(tmp_path), name], check=False)
    for path in tmp_path.rglob("*.wav*"):
        if "young" not in path.name:
            os.utime(path, (time.time() - 3700,) * 2)
    files = {path.name for path in tmp_path.rglob("*.wav*")}
    assert files == {"spoken.wav", "one#1and a half.wav", "a.wav#1", "b.wav#1", "young.wav#1"}
    clean(redis, emulator, tmp_path)
    assert files - {path.name for path in tmp_path.rglob("*.wav*")} == {"a.wav#1", "b.wav#1"}


def test_jobs_of_a_run_that_is_gone_are_rescued(redis: Redis, redis_url: str) -> None:
    """As after a Redis that lost its last second: they go back to their lane, and a cancelled one ends."""
    lost, unwanted, fine = make_job(), make_job(), make_job()
    submit(redis_url, lost, unwanted, fine)
    runs = RunStore(redis, "worker")
    gone = runs.claim(make_run(lost), [lost.id, unwanted.id], most_runs=9, engine="")
    runs.claim(make_run(fine), [fine.id], most_runs=9, engine="")
    assert isinstance(gone, Run)
    cancel(redis_url, unwanted)
    assert runs.rescue_jobs() == []
    redis.zrem(keys.RUNS + "cpu", gone.id)
    assert sorted(runs.rescue_jobs()) == sorted([lost.id, unwanted.id])
    assert runs.rescue_jobs() == []
    states = [read(redis_url, job).status for job in (lost, unwanted, fine)]
    assert states == [JobStatus.QUEUED, JobStatus.CANCELED, JobStatus.RUNNING]
