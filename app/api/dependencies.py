"""What a route may ask for, as short names: `async def read_job(job_id: str, jobs: Jobs, caller: Caller)`.

All of them are coroutines, because FastAPI sends plain functions to a thread, which costs more than they do.
"""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from redis.asyncio import Redis

from app.api.admission import Admission
from app.api.changes import Changes
from app.api.conversions import Conversions
from app.api.kept_speech import KeptSpeech
from app.api.problems import OriginRefused
from app.shared.audio_store import AudioStore
from app.shared.errors import Unauthorized
from app.shared.job_queue import JobQueue
from app.shared.job_store import JobStore
from app.shared.settings import Settings
from app.shared.submission import Submissions
from app.shared.voice_store import VoiceStore

LOCAL_CALLER = "local"
"""Whose jobs they are where no keys are set; then only this machine is served."""


@dataclass(frozen=True)
class Resources:
    """What the application owns while it runs; `main.py` builds it, `app.state.resources` holds it."""

    settings: Settings
    callers: Mapping[str, str]
    admission: Admission
    audio: AudioStore
    redis: Redis
    jobs: JobStore
    submissions: Submissions
    kept_speech: KeptSpeech
    voices: VoiceStore
    queue: JobQueue
    changes: Changes
    decoding: asyncio.Semaphore
    conversions: Conversions


async def _resources(request: Request) -> Resources:
    return cast("Resources", request.app.state.resources)


Owned = Annotated[Resources, Depends(_resources)]

_bearer = HTTPBearer(auto_error=False, description="A key of KAVOX_API_KEYS; none is needed where none is set.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False)


async def _caller(
    request: Request,
    owned: Owned,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> str:
    if not owned.callers:
        _check_page(request, owned.settings)
        return LOCAL_CALLER
    return caller_of(bearer.credentials if bearer else header, owned.callers)


def _check_page(request: Request, settings: Settings) -> None:
    """Raises OriginRefused for what a page of another origin sends that is opened on this machine.

    It could not read the answer, but a form needs no leave to be sent, and no key is wanted of whoever is here.
    """
    if request.method != "GET" and request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        origin = request.headers.get("origin", "another origin")
        if origin not in settings.allowed_origins:
            raise OriginRefused(origin)


def caller_of(given: str | None, callers: Mapping[str, str]) -> str:
    """The name that goes with a key. Raises Unauthorized."""
    if not given:
        raise Unauthorized("send a key as 'Authorization: Bearer <key>' or as 'X-API-Key: <key>'")
    # Every key is compared, and in constant time, so that the time taken tells nothing about any of them.
    matches = [name for key, name in callers.items() if hmac.compare_digest(key.encode(), given.encode("latin-1"))]
    if not matches:
        raise Unauthorized("the key is not one of this service's")
    return matches[0]


async def _config(owned: Owned) -> Settings:
    return owned.settings


async def _admission(owned: Owned) -> Admission:
    return owned.admission


async def _audio(owned: Owned) -> AudioStore:
    return owned.audio


async def _redis(owned: Owned) -> Redis:
    return owned.redis


async def _jobs(owned: Owned) -> JobStore:
    return owned.jobs


async def _voices(owned: Owned) -> VoiceStore:
    return owned.voices


async def _queue(owned: Owned) -> JobQueue:
    return owned.queue


async def _changes(owned: Owned) -> Changes:
    return owned.changes


async def _decoding(owned: Owned) -> asyncio.Semaphore:
    return owned.decoding


async def _conversions(owned: Owned) -> Conversions:
    return owned.conversions


Caller = Annotated[str, Depends(_caller)]
Config = Annotated[Settings, Depends(_config)]
Admitting = Annotated[Admission, Depends(_admission)]
Audio = Annotated[AudioStore, Depends(_audio)]
Converting = Annotated[Conversions, Depends(_conversions)]
Connection = Annotated[Redis, Depends(_redis)]
Decoding = Annotated[asyncio.Semaphore, Depends(_decoding)]
Jobs = Annotated[JobStore, Depends(_jobs)]
Listening = Annotated[Changes, Depends(_changes)]
Voices = Annotated[VoiceStore, Depends(_voices)]
Wakeups = Annotated[JobQueue, Depends(_queue)]
