"""The worker's composition root: settings in, wired objects out."""

import importlib.util
import os
import socket
import time
from collections.abc import Mapping
from functools import cache

from redis import Redis

from app.shared.audio_store import AudioStore
from app.shared.errors import ConfigurationError
from app.shared.job_queue import JobQueue
from app.shared.presence import Presence, is_machine_gone, new_name
from app.shared.provider import Provider, load_providers
from app.shared.redis_client import connect, connect_for_queue, connect_for_rq_worker
from app.shared.scratch import Scratch
from app.shared.settings import Settings, load_settings
from workers.cancels import Cancels
from workers.claim import Claims
from workers.couriers import Couriers
from workers.fallbacks import Fallbacks
from workers.followers import Followers
from workers.hosts import kaggle_host, local_host
from workers.janitor import Janitor
from workers.kaggle import KaggleHost
from workers.kaggle_datasets import KaggleDatasets
from workers.kaggle_quota import read_gpu_quota
from workers.kept_speech import KeptSpeech
from workers.kernel import KernelHost
from workers.lanes import Lanes
from workers.publishing import Publisher
from workers.quota_book import QuotaBook
from workers.quota_gate import QuotaGate
from workers.references import Recordings
from workers.retention import Retention
from workers.run_logs import RunLogs
from workers.run_store import RunStore
from workers.setbacks import Setbacks
from workers.stopping import Stopping
from workers.sweep import Sweep
from workers.synthesis import Synthesis
from workers.unserved import Unserved
from workers.verdicts import Verdicts
from workers.voice_records import VoiceRecords

# While it is waited for, nobody sweeps here.
_QUOTA_TIMEOUT_SECONDS = 8.0


class Runtime:
    """Everything that a worker process needs. Raises ConfigurationError for what is missing or wrong."""

    def __init__(self, settings: Settings) -> None:
        if settings.redis_url is None:
            raise ConfigurationError("KAVOX_REDIS_URL is not set: name a server, or use kavox serve, which has one")
        self.settings = settings
        self.stopping = Stopping()
        self.name = new_name()
        self.redis = connect(settings.redis_url)
        self.rq_connection = connect_for_rq_worker(settings.redis_url)
        self.queue = JobQueue(connect_for_queue(settings.redis_url))
        providers = load_providers(settings.notebooks_dir)
        kaggle = kaggle_host(settings)
        hosts: Mapping[str, KernelHost] = {kaggle.name: kaggle, "local": local_host(settings)}
        audio = AudioStore.open(settings.audio_url, settings.data_dir / "audio")
        scratch = Scratch(settings.data_dir / "scratch")
        scratch.clear()
        local_providers = _local_providers(providers)
        machine = f"{socket.gethostname()}:{settings.data_dir.resolve()}"
        self.presence = Presence(self.name, machine, time.time(), sorted(hosts), local_providers)
        runs, lanes, logs = RunStore(self.redis, self.name), Lanes(self.redis), RunLogs(self.redis, audio)
        voices, datasets = (
            VoiceRecords(self.redis),
            {kaggle.name: KaggleDatasets(kaggle.client, settings.kernel_prefix)},
        )
        quota = QuotaGate(
            redis=self.redis,
            book=_quota_book(self.redis, kaggle, settings),
            lanes=lanes,
            fallbacks=Fallbacks(self.redis, self.queue),
            queue=self.queue,
            settings=settings,
            host=kaggle.name,
        )
        verdicts = Verdicts(runs, hosts, settings)
        setbacks = Setbacks(settings=settings, runs=runs, hosts=hosts, verdicts=verdicts, logs=logs, quota=quota)
        claims = Claims(
            settings=settings,
            runs=runs,
            lanes=lanes,
            queue=self.queue,
            providers=providers,
            hosts=hosts,
            local_providers=local_providers,
            machine=machine,
            stopping=self.stopping,
            quota=quota,
        )
        janitor = Janitor(
            redis=self.redis,
            runs=runs,
            audio=audio,
            voices=voices,
            hosts=hosts,
            datasets=datasets,
            settings=settings,
        )
        unserved = Unserved(redis=self.redis, runs=runs, lanes=lanes, verdicts=verdicts, hosts=hosts, settings=settings)
        kept_speech = KeptSpeech(self.redis, audio, settings)
        followers = Followers(self.redis, audio, self.queue, scratch)
        self.couriers = Couriers(self.redis, settings, self.stopping)
        self.sweep = Sweep(
            redis=self.redis,
            runs=runs,
            lanes=lanes,
            queue=self.queue,
            retention=Retention(self.redis, audio, logs, settings),
            kept_speech=kept_speech,
            followers=followers,
            janitor=janitor,
            quota=quota,
            unserved=unserved,
        )
        self.synthesis = Synthesis(
            settings=settings,
            runs=runs,
            lanes=lanes,
            queue=self.queue,
            providers=providers,
            hosts=hosts,
            recordings=Recordings(voices, audio, datasets, scratch),
            claims=claims,
            cancels=Cancels(runs, hosts),
            setbacks=setbacks,
            verdicts=verdicts,
            publisher=Publisher(
                runs=runs,
                audio=audio,
                verdicts=verdicts,
                settings=settings,
                providers=providers,
                logs=logs,
                scratch=scratch,
                kept_speech=kept_speech,
                followers=followers,
            ),
            unserved=unserved,
            machine=machine,
            is_gone=lambda other: is_machine_gone(self.redis, other),
            stopping=self.stopping,
        )


@cache
def runtime() -> Runtime:
    """The one runtime of this process, built when it is first asked for."""
    return Runtime(load_settings())


def _quota_book(redis: Redis, kaggle: KaggleHost, settings: Settings) -> QuotaBook:
    """The quota of Kaggle's account. A look at it keeps nobody waiting for long: work also goes on without."""
    client = kaggle.client.with_timeout(min(_QUOTA_TIMEOUT_SECONDS, settings.push_timeout))
    return QuotaBook(redis, kaggle.name, lambda: read_gpu_quota(client), fresh_seconds=settings.retry_seconds)


def _local_providers(providers: Mapping[str, Provider]) -> list[str]:
    """The providers whose variables this worker has and whose packages it can import, papermill included."""
    return [
        provider.name
        for provider in providers.values()
        if "local" in provider.hosts
        and all(os.environ.get(name) for name in provider.environment)
        and all(importlib.util.find_spec(package) for package in ("papermill", *provider.packages))
    ]
