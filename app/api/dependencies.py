"""What a route may ask for, as short names: `async def list_jobs(jobs: Jobs, caller: Caller)`.

All of them are coroutines, because FastAPI sends plain functions to a thread, which costs more than they do. None asks
for another one: FastAPI takes longer over each than over reading a job. The routes of `direct.py` take their
`resources(request)` instead.
"""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

import structlog
from fastapi import Depends, Request
from redis.asyncio import Redis
from starlette.datastructures import Headers

from app.api.admission import Admission
from app.api.changes import Changes
from app.api.conversions import Conversions
from app.api.direct import Read
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


def resources(request: Request) -> Resources:
    """What the application that serves this request owns."""
    return cast("Resources", request.app.state.resources)


async def _owned(request: Request) -> Resources:
    return resources(request)


async def _caller(request: Request) -> str:
    return _read_caller(request)


def _read_caller(request: Request) -> str:
    owned = resources(request)
    if not owned.callers:
        _check_page(request, owned.settings)
        return LOCAL_CALLER
    caller = caller_of(_key(request.headers), owned.callers)
    structlog.contextvars.bind_contextvars(caller=caller)
    return caller


def _key(headers: Headers) -> str | None:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials if scheme.lower() == "bearer" and credentials else headers.get("x-api-key")


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


async def _config(request: Request) -> Settings:
    return resources(request).settings


async def _admission(request: Request) -> Admission:
    return resources(request).admission


async def _audio(request: Request) -> AudioStore:
    return resources(request).audio


async def _redis(request: Request) -> Redis:
    return resources(request).redis


async def _jobs(request: Request) -> JobStore:
    return resources(request).jobs


async def _voices(request: Request) -> VoiceStore:
    return resources(request).voices


async def _queue(request: Request) -> JobQueue:
    return resources(request).queue


async def _changes(request: Request) -> Changes:
    return resources(request).changes


async def _decoding(request: Request) -> asyncio.Semaphore:
    return resources(request).decoding


async def _conversions(request: Request) -> Conversions:
    return resources(request).conversions


Caller = Annotated[str, Depends(_caller), Read(_read_caller)]
"""Whose request it is; a route that asks for it answers 401 to strangers, and `docs.py` says so."""
Config = Annotated[Settings, Depends(_config)]
Admitting = Annotated[Admission, Depends(_admission)]
Audio = Annotated[AudioStore, Depends(_audio)]
Converting = Annotated[Conversions, Depends(_conversions)]
Connection = Annotated[Redis, Depends(_redis)]
Decoding = Annotated[asyncio.Semaphore, Depends(_decoding)]
Jobs = Annotated[JobStore, Depends(_jobs)]
Listening = Annotated[Changes, Depends(_changes)]
Owned = Annotated[Resources, Depends(_owned)]
Voices = Annotated[VoiceStore, Depends(_voices)]
Wakeups = Annotated[JobQueue, Depends(_queue)]
