"""Is it alive, and is it well: for supervisors, load balancers and people."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.api.dependencies import Config, Connection, Keys
from app.api.keyring import Mode
from app.shared.presence import living_workers
from app.shared.settings import REAL_KAGGLE, Settings

router = APIRouter(tags=["operations"])

PROBE_SECONDS = 3
"""Whoever asks whether the service is ready wants an answer before their own time-out."""


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class RedisState(BaseModel):
    """The queue's server."""

    mode: Literal["embedded", "external"]
    reachable: bool


class KaggleState(BaseModel):
    """Where notebooks are pushed to."""

    mode: Literal["real", "emulated"]
    url: str


class WorkersState(BaseModel):
    """Who runs the jobs."""

    count: Annotated[int | None, Field(description="Workers heard of lately; null when Redis cannot tell.")]


class KeysState(BaseModel):
    """Who may come in."""

    mode: Annotated[
        Mode,
        Field(
            description="required: every request needs a key. this_machine_only: there is none, and none is needed on "
            "this machine. missing: there is none, and without one nobody is served. unknown: Redis has not told yet."
        ),
    ]


class Readiness(BaseModel):
    """Whether jobs are accepted and run, and if not, what is missing and what to do."""

    ready: bool
    missing: Sequence[str]
    redis: RedisState
    kaggle: KaggleState
    workers: WorkersState
    keys: KeysState


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers. Nothing else is looked at."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Something is missing."}})
async def readyz(redis: Connection, settings: Config, keyring: Keys, response: Response) -> Readiness:
    """Every part and its state; 503 while one is missing."""
    workers = await _count_workers(redis)
    missing = _missing(workers, keyring.mode, settings)
    response.status_code = 503 if missing else 200
    return Readiness(
        ready=not missing,
        missing=missing,
        redis=RedisState(mode="embedded" if settings.redis_embedded else "external", reachable=workers is not None),
        kaggle=KaggleState(mode=settings.kaggle_mode or "real", url=_without_secrets(settings.kaggle_api_url)),
        workers=WorkersState(count=workers),
        keys=KeysState(mode=keyring.mode),
    )


async def _count_workers(redis: Redis) -> int | None:
    """How many workers live; None when Redis does not say."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return len(await living_workers(redis))
    except (RedisError, TimeoutError):
        return None


def _missing(workers: int | None, keys: Mode, settings: Settings) -> list[str]:
    if workers is None:
        remedy = "it is restarted by itself" if settings.redis_embedded else "look at KAVOX_REDIS_URL and its server"
        return [f"redis: it does not answer; {remedy}"]
    missing = [] if workers else ["workers: none is running; start one with `kavox worker`"]
    if keys == "missing":
        missing.append(f"keys: {settings.open_to}, so every request needs one; make it with `kavox keys create NAME`")
    return missing


def _without_secrets(url: str | None) -> str:
    parts = urlsplit(url or REAL_KAGGLE)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
