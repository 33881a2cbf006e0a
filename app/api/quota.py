"""GET /quota: what is left of the week's GPU quota, whose share is how large, and which sessions are taken."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.dependencies import Caller, Config, Operates, Owned, Resources
from app.api.problems import responses
from app.shared.quota import QuotaReading
from app.shared.settings import Settings

router = APIRouter(tags=["operations"])

UNKNOWN = "Nothing has been read from Kaggle yet. A worker looks within seconds if it can: ask again."
STALE = "These figures are old. A worker looks within seconds if it can: ask again."


class GpuQuotaView(BaseModel):
    """What Kaggle said at `read_at` of the account's week, all notebooks of its owner included."""

    allowed_seconds: float
    used_seconds: float
    reserved_seconds: Annotated[float, Field(description="Held by sessions under way.")]
    remaining_seconds: Annotated[float, Field(description="allowed - used - reserved")]
    reserve_seconds: Annotated[float, Field(description="KAVOX_QUOTA_RESERVE_HOURS: kept for the account's owner.")]
    available_seconds: Annotated[float, Field(description="What is left for Kavox: remaining - reserve.")]
    refreshes_at: datetime
    read_at: datetime
    stale: Annotated[bool, Field(description="It is too old to be relied on, or of last week.")]


class BudgetView(BaseModel):
    """What your keys leave you of the week's GPU quota."""

    seconds: float
    used_seconds: Annotated[float, Field(description="Billed to you since `week_start`.")]
    remaining_seconds: float
    refreshes_at: datetime


class KavoxShareView(BaseModel):
    """What Kavox' own runs took since `week_start`, as it counted itself."""

    week_start: datetime
    seconds: Annotated[float, Field(description="Of all callers.")]
    by_caller: Annotated[Mapping[str, float], Field(description="Yours; with the scope admin all callers'.")]
    others_seconds: Annotated[
        float | None, Field(description="What Kaggle counts and Kavox did not use; null while that is not known.")
    ]
    budget: Annotated[BudgetView | None, Field(description="null where your keys set no limit.")]


class SessionsView(BaseModel):
    """How many runs of one kind are under way, of all callers, and how many may be."""

    open: Annotated[int, Field(description="One that has ended, and is only fetched from, is not among them.")]
    limit: int


class AllSessionsView(BaseModel):
    """What a waiting run may wait for."""

    gpu: Annotated[SessionsView, Field(description="Kaggle's GPU sessions; KAVOX_MAX_SESSIONS.")]
    own_gpu: Annotated[SessionsView, Field(description="GPUs of the workers' own; KAVOX_MAX_OWN_GPU_RUNS.")]
    cpu: Annotated[SessionsView, Field(description="All others; KAVOX_MAX_CPU_RUNS.")]


class QuotaView(BaseModel):
    """`gpu` is null, and `detail` says so, as long as nothing is known."""

    gpu: GpuQuotaView | None
    kavox: KavoxShareView
    sessions: AllSessionsView
    detail: str | None


@router.get("/quota", responses=responses(401, 503))
async def read_quota(settings: Config, caller: Caller, everyones: Operates, owned: Owned) -> QuotaView:
    """The GPU quota, as a worker last read it; asking makes a worker read it again."""
    state = await owned.quota.state()
    shares = state.shares.by_caller
    shown = shares if everyones else {caller: shares.get(caller, 0.0)}
    gpu = None if state.reading is None else _gpu(state.reading, settings)
    return QuotaView(
        gpu=gpu,
        kavox=KavoxShareView(
            week_start=datetime.fromtimestamp(state.week_start, UTC),
            seconds=round(state.shares.total, 3),
            by_caller={name: round(seconds, 3) for name, seconds in shown.items()},
            others_seconds=None if state.shares.others is None else round(state.shares.others, 3),
            budget=await _budget(caller, owned),
        ),
        sessions=_sessions(state.open_runs, settings),
        detail=UNKNOWN if gpu is None else STALE if gpu.stale else None,
    )


async def _budget(caller: str, owned: Resources) -> BudgetView | None:
    seconds = owned.keyring.limits_of(caller).gpu_seconds
    if seconds is None:
        return None
    used, week_ends = await owned.quota.used_by(caller)
    return BudgetView(
        seconds=seconds,
        used_seconds=round(used, 3),
        remaining_seconds=round(max(0.0, seconds - used), 3),
        refreshes_at=datetime.fromtimestamp(week_ends, UTC),
    )


def _gpu(reading: QuotaReading, settings: Settings) -> GpuQuotaView:
    reserve = settings.quota_reserve_hours * 3600
    return GpuQuotaView(
        allowed_seconds=reading.allowed_seconds,
        used_seconds=reading.used_seconds,
        reserved_seconds=reading.reserved_seconds,
        remaining_seconds=reading.remaining_seconds,
        reserve_seconds=reserve,
        available_seconds=max(0.0, reading.remaining_seconds - reserve),
        refreshes_at=datetime.fromtimestamp(reading.refreshes_at, UTC),
        read_at=datetime.fromtimestamp(reading.read_at, UTC),
        stale=reading.is_stale(datetime.now(UTC).timestamp()),
    )


def _sessions(open_runs: Mapping[str, int], settings: Settings) -> AllSessionsView:
    return AllSessionsView(
        gpu=SessionsView(open=open_runs["gpu"], limit=settings.max_sessions),
        own_gpu=SessionsView(open=open_runs["own_gpu"], limit=settings.max_own_gpu_runs),
        cpu=SessionsView(open=open_runs["cpu"], limit=settings.max_cpu_runs),
    )
