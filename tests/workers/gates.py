"""The gate of the GPU quota as a worker makes it."""

from redis import Redis

from app.shared.job_queue import JobQueue
from app.shared.settings import Settings
from workers.fallbacks import Fallbacks
from workers.kaggle_client import KaggleClient
from workers.kaggle_quota import read_gpu_quota
from workers.lanes import Lanes
from workers.quota_book import QuotaBook
from workers.quota_gate import QuotaGate


def quota_gate(redis: Redis, queue: JobQueue, settings: Settings, client: KaggleClient, host: str) -> QuotaGate:
    return QuotaGate(
        redis=redis,
        book=QuotaBook(redis, host, lambda: read_gpu_quota(client), fresh_seconds=1),
        lanes=Lanes(redis),
        fallbacks=Fallbacks(redis, queue),
        queue=queue,
        settings=settings,
        host=host,
    )
