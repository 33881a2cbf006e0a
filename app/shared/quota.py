"""The week's GPU quota as Kaggle states it, and the ledger of what Kavox itself has used of it.

Workers write both (`workers/quota_book.py`, `workers/billing.py`), the API reads. What can go wrong between them:

- a reading is old as soon as it is taken: it counts for a moment only, and a run that ends makes it void at once;
- two workers claim on the same last seconds, or on what a session was given that Kaggle does not show as reserved yet:
  what open runs are expected to take is taken off, and a session that straddles the limit is not cut off by Kaggle;
- a person uses the account meanwhile: the push is refused, and the jobs wait as if the reading had said so;
- a worker dies between the end of a run and its bill: the bill is part of the script that records the end or closes
  the run, notes in the run what it has billed and is turned away by its fence: whoever is left adds nothing twice;
- a session ends while nobody looks: it is billed until somebody does, up to a lease too much;
- a run lasts over the refresh: it is put down to the week in which it ended, though Kaggle shares it out.

So the ledger is an account of shares, never of what is left: that is Kaggle's own figure alone. The two are reconciled
at each look: what Kaggle counts and Kavox does not is other people's, such as the owner's own notebooks; where Kavox
has counted more than Kaggle, its shares are cut down to Kaggle's figure.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

from redis.asyncio import Redis

from app.shared import keys

WEEK_SECONDS = 7 * 24 * 3600
# As long as Kaggle has not said when it refreshes: Saturday 00:00 UTC, as samples of its answer have it.
USUAL_REFRESH = 2 * 24 * 3600.0

RUN_KINDS = ("gpu", "own_gpu", "cpu")
"""The kinds of runs that are limited apart: on Kaggle's GPUs, on GPUs of one's own, and all others."""

_STALE_SECONDS = 600
# A worker's sweep, every few seconds, finds the wish to know.
_WANTED_SECONDS = 60


@dataclass(frozen=True)
class QuotaReading:
    """What Kaggle said at `read_at`. Durations in seconds, moments in seconds since 1970."""

    allowed_seconds: float
    used_seconds: float
    reserved_seconds: float
    refreshes_at: float
    read_at: float

    @property
    def remaining_seconds(self) -> float:
        """What a new session may use."""
        return max(0.0, self.allowed_seconds - self.used_seconds - self.reserved_seconds)

    def is_stale(self, now: float) -> bool:
        """Whether it says little about now: it is old, or of last week."""
        return now - self.read_at > _STALE_SECONDS or now >= self.refreshes_at

    def to_fields(self) -> dict[str, str]:
        """The reading as the fields of a Redis hash."""
        return {name: repr(value) for name, value in self.__dict__.items()}

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> Self | None:
        """The reading from the fields of its Redis hash, None where there is none."""
        return cls(**{name: float(value) for name, value in fields.items()}) if fields else None


def week_start(now: float, reading: QuotaReading | None) -> float:
    """When the quota's week began. `workers/billing.py` says the same in Lua."""
    anchor = reading.refreshes_at if reading else USUAL_REFRESH
    return anchor + (now - anchor) // WEEK_SECONDS * WEEK_SECONDS


@dataclass(frozen=True)
class Shares:
    """GPU seconds of one week: those of Kavox' callers, and those that Kaggle counts beside them."""

    by_caller: Mapping[str, float]
    others: float | None

    @property
    def total(self) -> float:
        return sum(self.by_caller.values())


def reconciled(ledger: Mapping[str, float], reading: QuotaReading | None, now: float) -> Shares:
    """The ledger held against Kaggle's figure. Under no caller's name it has the time of its last bill."""
    shares = {caller: seconds for caller, seconds in ledger.items() if caller}
    # What was billed after the reading, Kaggle could not count yet.
    if reading is None or now >= reading.refreshes_at or ledger.get("", 0.0) > reading.read_at:
        return Shares(shares, None)
    counted, total = reading.used_seconds + reading.reserved_seconds, sum(shares.values())
    if total <= counted:
        return Shares(shares, counted - total)
    return Shares({caller: seconds * counted / total for caller, seconds in shares.items()}, 0.0)


@dataclass(frozen=True)
class QuotaState:
    """All that is known now; `reading` is None before the first one; `open_runs` are counted by their kind."""

    reading: QuotaReading | None
    week_start: float
    shares: Shares
    open_runs: Mapping[str, int]


class Quota:
    """The API's view of the account on `host`, Kaggle or its emulator. Raises redis' own errors."""

    def __init__(self, redis: Redis, host: str) -> None:
        self._redis = redis
        self._host = host

    async def used_by(self, caller: str) -> tuple[float, float]:
        """GPU seconds billed to a caller this week, and when the week ends."""
        key = keys.QUOTA + self._host
        fields = cast("dict[str, str]", await self._redis.hgetall(key))
        began = week_start(time.time(), QuotaReading.from_fields(fields))
        billed = cast("str | None", await self._redis.hget(f"{keys.GPU_LEDGER}{self._host}:{began:.0f}", caller))
        return float(billed or 0), began + WEEK_SECONDS

    async def state(self) -> QuotaState:
        """What is known; where that is not fresh, a worker is asked to look."""
        key = keys.QUOTA + self._host
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(key)
            pipeline.exists(f"{key}:fresh")
            for kind in RUN_KINDS:
                pipeline.zcard(keys.RUNS + kind)
            fields, fresh, *counts = await pipeline.execute()
        if not fresh:
            await self._redis.set(f"{key}:wanted", "1", ex=_WANTED_SECONDS)
        reading, now = QuotaReading.from_fields(fields), time.time()
        began = week_start(now, reading)
        billed = f"{keys.GPU_LEDGER}{self._host}:{began:.0f}"
        ledger = cast("dict[str, str]", await self._redis.hgetall(billed))
        shares = reconciled({caller: float(seconds) for caller, seconds in ledger.items()}, reading, now)
        return QuotaState(reading, began, shares, dict(zip(RUN_KINDS, counts, strict=True)))
