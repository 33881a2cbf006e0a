"""The one reading of the GPU quota that all workers share, in Redis."""

import time
from collections.abc import Callable
from typing import cast

import structlog
from redis import Redis

from app.shared import keys
from app.shared.errors import KavoxError
from app.shared.quota import QuotaReading
from app.shared.transition import flat
from workers.kaggle_quota import GpuQuota

log = structlog.get_logger()

_READ, _UNREADABLE = "read", "unreadable"


class QuotaBook:
    """Reads the quota of the account on `host` with `read`.

    A reading, or that there is none to be had, is believed for `fresh_seconds`.
    """

    def __init__(self, redis: Redis, host: str, read: Callable[[], GpuQuota], fresh_seconds: float) -> None:
        self._redis = redis
        self._key = keys.QUOTA + host
        self._fresh = f"{self._key}:fresh"
        self._read = read
        self._fresh_ms = max(1, int(fresh_seconds * 1000))

    def current(self) -> QuotaReading | None:
        """What is left now; None when Kaggle does not say, which must not stop any work."""
        fresh = cast("str | None", self._redis.get(self._fresh))
        if fresh == _UNREADABLE:
            return None
        last = self.last()
        if fresh and last and time.time() < last.refreshes_at:
            return last
        return self._take()

    def last(self) -> QuotaReading | None:
        """The last reading, however old it is."""
        return QuotaReading.from_fields(cast("dict[str, str]", self._redis.hgetall(self._key)))

    def refreshes_at(self) -> float | None:
        """When the quota comes back, None where that is not known."""
        reading = self.current() or self.last()
        return reading.refreshes_at if reading and reading.refreshes_at > time.time() else None

    def forget(self) -> None:
        """Something has happened that the reading does not know."""
        self._redis.delete(self._fresh)

    def answer_wish(self) -> None:
        """Looks, where somebody wants to know and nothing fresh is there."""
        if self._redis.getdel(f"{self._key}:wanted"):
            self.current()

    def _take(self) -> QuotaReading | None:
        now = time.time()
        try:
            quota = self._read()
        except KavoxError as error:
            log.warning("quota not readable, work goes on without", detail=error.detail)
            self._redis.set(self._fresh, _UNREADABLE, px=self._fresh_ms)
            return None
        reading = QuotaReading(
            allowed_seconds=quota.allowed_seconds,
            used_seconds=quota.used_seconds,
            reserved_seconds=quota.reserved_seconds,
            # To the minute: weeks are told apart by it.
            refreshes_at=round(quota.refreshes_at.timestamp() / 60) * 60.0,
            read_at=now,
        )
        with self._redis.pipeline() as pipeline:
            pipeline.hset(self._key, items=flat(reading.to_fields()))
            pipeline.set(self._fresh, _READ, px=self._fresh_ms)
            pipeline.execute()
        return reading
