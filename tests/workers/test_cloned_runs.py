"""Runs that speak like a recording, carried by the real pipeline while voices come and go."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.job import Job, JobStatus
from app.shared.job_queue import JobQueue
from app.shared.kaggle_credentials import KaggleCredentials
from app.shared.provider import load_providers
from app.shared.redis_client import connect_async, connect_for_queue
from app.shared.scratch import Scratch
from app.shared.settings import Settings
from app.shared.voice import ClonedVoice, dataset_slug, new_voice_id, recording_name
from app.shared.voice_store import VoiceStore
from tests.mimic import write_mimic
from tests.recordings import encoded, tone
from tests.workers.emulator.driver import KEY, OWNER, Emulator
from tests.workers.gates import quota_gate
from tests.workers.jobs import cancel, do_all, make_job, read, submit
from workers.cancels import Cancels
from workers.claim import Claims
from workers.followers import Followers
from workers.janitor import Janitor
from workers.kaggle import KaggleHost
from workers.kaggle_datasets import KaggleDatasets
from workers.kept_speech import KeptSpeech
from workers.kernel import Kernel, Push
from workers.kernel_metadata import load_kernel_metadata
from workers.lanes import Lanes
from workers.publishing import Publisher
from workers.references import Recordings
from workers.run_logs import RunLogs
from workers.run_store import RunStore
from workers.setbacks import Setbacks
from workers.stopping import Stopping
from workers.synthesis import Synthesis
from workers.unserved import Unserved
from workers.verdicts import Verdicts
from workers.voice_records import VoiceRecords

CONTENT = encoded(tone(3.5))
HOST = "emulator"
LANE = f"mimic:parrot:{HOST}"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A Kaggle that denies a new kernel for a moment."""
    folder = tmp_path_factory.mktemp("emulator")
    started = Emulator(folder, {"visibility-lag-seconds": 1}).start()
    yield started
    started.stop()


class Bench:
    """One worker, whose host a test may put something before; and what the API does with voices."""

    def __init__(self, url: str, redis: Redis, emulator: Emulator, folder: Path) -> None:
        self.url, self.redis, self.emulator = url, redis, emulator
        self.notebooks = write_mimic(folder / "notebooks")
        self.settings = Settings(
            _env_file=None,
            redis_url=url,
            kaggle_api_url=emulator.url,
            notebooks_dir=self.notebooks,
            batch_window_seconds=0,
            retry_interval_seconds=0.05,
            polling_interval_seconds=0.2,
            polling_min_seconds=0.1,
            push_visibility_seconds=3,
        )
        self.audio = AudioStore.open(None, folder / "audio")
        self.scratch = Scratch(folder / "scratch")
        self.logs = RunLogs(redis, self.audio)
        self.records = VoiceRecords(redis)
        self.runs, self.lanes = RunStore(redis, "worker"), Lanes(redis)
        self.queue = JobQueue(connect_for_queue(url))

    def host(self, kind: type[KaggleHost] = KaggleHost) -> KaggleHost:
        return kind(
            name=HOST,
            credentials=KaggleCredentials(username=OWNER, key=KEY),
            owner=None,
            metadata=load_kernel_metadata(self.notebooks),
            timeout_seconds=10,
            url=self.emulator.url,
        )

    def worker(self, kind: type[KaggleHost] = KaggleHost, datasets: type[KaggleDatasets] = KaggleDatasets) -> Synthesis:
        host = self.host(kind)
        hosts, providers, stopping = {HOST: host}, load_providers(self.notebooks), Stopping()
        quota = quota_gate(self.redis, self.queue, self.settings, host.client, HOST)
        verdicts = Verdicts(self.runs, hosts, self.settings)
        setbacks = Setbacks(
            settings=self.settings, runs=self.runs, hosts=hosts, verdicts=verdicts, logs=self.logs, quota=quota
        )
        claims = Claims(
            settings=self.settings,
            runs=self.runs,
            lanes=self.lanes,
            queue=self.queue,
            providers=providers,
            hosts=hosts,
            local_providers=(),
            machine="here",
            stopping=stopping,
            quota=quota,
        )
        return Synthesis(
            settings=self.settings,
            runs=self.runs,
            lanes=self.lanes,
            queue=self.queue,
            providers=providers,
            hosts=hosts,
            recordings=Recordings(self.records, self.audio, {HOST: datasets(host.client)}, self.scratch),
            claims=claims,
            cancels=Cancels(self.runs, hosts),
            setbacks=setbacks,
            verdicts=verdicts,
            publisher=Publisher(
                runs=self.runs,
                audio=self.audio,
                verdicts=verdicts,
                settings=self.settings,
                providers=providers,
                logs=self.logs,
                scratch=self.scratch,
                kept_speech=KeptSpeech(self.redis, self.audio, self.settings),
                followers=Followers(self.redis, self.audio, self.queue, self.scratch),
            ),
            unserved=Unserved(
                redis=self.redis,
                runs=self.runs,
                lanes=self.lanes,
                verdicts=verdicts,
                hosts=hosts,
                settings=self.settings,
            ),
            machine="here",
            is_gone=lambda _: False,
            stopping=stopping,
        )

    def voice(self) -> ClonedVoice:
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        voice = ClonedVoice(new_voice_id(), "local", "Anne", "mimic", None, None, 3.5, 16000, sha256, 0.0)
        self.audio.put(recording_name(voice.file), CONTENT)
        self._voices(lambda store: store.add(voice))
        return voice

    def remove(self, voice: ClonedVoice) -> None:
        """DELETE /voices/{id}, and the sweep that follows."""
        self._voices(lambda store: store.remove(voice))
        self.sweep()

    def sweep(self) -> None:
        host = self.host()
        janitor = Janitor(
            redis=self.redis,
            runs=self.runs,
            audio=self.audio,
            voices=self.records,
            hosts={HOST: host},
            datasets={HOST: KaggleDatasets(host.client)},
            settings=self.settings,
        )
        do_all(janitor.steps())

    def submit(self, voice: ClonedVoice | None = None) -> Job:
        """A job that waits in the lane."""
        job = make_job("Say it.")
        speech = replace(job.speech, provider="mimic", model="parrot", voice="beep")
        if voice is not None:
            speech = replace(speech, voice=voice.id, reference=voice.reference())
        job = replace(job, speech=speech)
        submit(self.url, job)
        return job

    def carry(self, worker: Synthesis, *jobs: Job) -> list[Job]:
        """Has the lane run, again after each rest, until these jobs have ended; as their callers see them then."""
        deadline = time.monotonic() + 60
        while not all(read(self.url, job).status.terminal for job in jobs):
            assert time.monotonic() < deadline, [read(self.url, job) for job in jobs]
            worker.run_lane(LANE)
        return [read(self.url, job) for job in jobs]

    def kernels(self) -> list[str]:
        return [kernel["slug"] for kernel in self.emulator.stats()["kernels"]]

    def _voices(self, act: Callable[[VoiceStore], Any]) -> None:
        async def run() -> None:
            async with connect_async(self.url) as redis:
                await act(VoiceStore(redis))

        asyncio.run(run())


class Died(BaseException):
    """The end of a worker, which nothing in it catches."""


@pytest.fixture
def bench(redis_url: str, redis: Redis, emulator: Emulator, tmp_path: Path) -> Bench:
    return Bench(redis_url, redis, emulator, tmp_path)


def test_a_voice_that_is_removed_right_before_the_push_fails_its_own_jobs_only(bench: Bench) -> None:
    """Kaggle then takes the kernel without that dataset; it is deleted, and the others go with the next one."""
    voice, lasting = bench.voice(), bench.voice()

    class Late(KaggleHost):
        def push(self, push: Push) -> Kernel:
            if f"{OWNER}/{dataset_slug(voice.id)}" in push.datasets:
                bench.remove(voice)
            return super().push(push)

    jobs = bench.submit(voice), bench.submit(), bench.submit(lasting)
    theirs, plain, cloned = bench.carry(bench.worker(Late), *jobs)
    assert theirs.error is not None
    assert theirs.error["code"] == "voice_deleted"
    assert (plain.status, cloned.status) == (JobStatus.SUCCEEDED, JobStatus.SUCCEEDED), (plain.error, cloned.error)
    assert bench.kernels() == []


def test_a_job_that_is_cancelled_while_its_recording_is_uploaded_costs_no_session(bench: Bench) -> None:
    """Nobody wants the run any more when its push would come."""
    before = bench.emulator.stats()["pushes_accepted"]

    class Slow(KaggleDatasets):
        def create(self, slug: str, file: Path) -> None:
            cancel(bench.url, job)
            super().create(slug, file)

    job = bench.submit(bench.voice())
    (ended,) = bench.carry(bench.worker(datasets=Slow), job)
    assert ended.status is JobStatus.CANCELED
    assert bench.emulator.stats()["pushes_accepted"] == before


def test_a_dataset_that_kaggle_never_attaches_fails_its_own_jobs_only(bench: Bench) -> None:
    """Each attempt costs a session's start, so there are few; and the lane is free again after them."""
    voice = bench.voice()
    pushes: list[str] = []

    class Forgetful(KaggleHost):
        def push(self, push: Push) -> Kernel:
            pushes.append(push.slug)
            KaggleDatasets(self.client).delete(dataset_slug(voice.id))
            return super().push(push)

    jobs = bench.submit(voice), bench.submit()
    theirs, plain = bench.carry(bench.worker(Forgetful), *jobs)
    assert theirs.error is not None
    assert theirs.error["code"] == "inputs_missing"
    assert plain.status is JobStatus.SUCCEEDED, plain.error
    assert len(pushes) == 4
    assert bench.kernels() == []


def test_a_kernel_that_is_not_visible_yet_outlives_no_removed_voice(bench: Bench) -> None:
    """The worker dies after its push, the voice is removed: the next one finds the kernel before it judges the jobs."""
    voice = bench.voice()

    class Dying(KaggleHost):
        def push(self, push: Push) -> Kernel:
            super().push(push)
            raise Died

    job = bench.submit(voice)
    with pytest.raises(Died):
        bench.worker(Dying).run_lane(LANE)
    [kernel] = bench.kernels()
    [run_id] = cast("list[str]", bench.redis.zrange(f"{keys.RUNS}cpu", 0, -1))
    bench.remove(voice)
    bench.worker().resume(run_id)
    assert read(bench.url, job).status.terminal
    assert kernel not in bench.kernels()
