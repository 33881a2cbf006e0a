"""What a route may ask for, as short names: `async def list_jobs(jobs: Jobs, caller: Caller)`.

All of them are coroutines, because FastAPI sends plain functions to a thread, which costs more than they do. None asks
for another one: FastAPI takes longer over each than over reading a job. The routes of `direct.py` take their
`resources(request)` instead.
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request
from redis.asyncio import Redis
from starlette.datastructures import Headers

from app.api.admission import Admission
from app.api.changes import Changes
from app.api.conversions import Conversions
from app.api.direct import Read
from app.api.kept_speech import KeptSpeech
from app.api.keyring import Keyring
from app.api.problems import OriginRefused
from app.shared.api_key import Scope
from app.shared.audio_store import AudioStore
from app.shared.batch_store import BatchStore
from app.shared.batch_submission import BatchSubmissions
from app.shared.errors import Forbidden, Unauthorized
from app.shared.job_queue import JobQueue
from app.shared.job_store import JobStore
from app.shared.quota import Quota
from app.shared.rates import RateLimiter
from app.shared.settings import Settings, is_loopback
from app.shared.submission import Submissions
from app.shared.voice_store import VoiceStore

LOCAL_CALLER = "local"
"""Whose jobs they are while there is no key; then only this machine is served."""


@dataclass(frozen=True)
class Resources:
    """What the application owns while it runs; `main.py` builds it, `app.state.resources` holds it."""

    settings: Settings
    keyring: Keyring
    rates: RateLimiter
    quota: Quota
    admission: Admission
    audio: AudioStore
    redis: Redis
    jobs: JobStore
    batches: BatchStore
    batch_submissions: BatchSubmissions
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
    return caller_of(request)


def caller_of(request: Request) -> str:
    """Whose request it is. Raises Unauthorized, Forbidden, OriginRefused, StoreUnavailable where nobody can tell."""
    return _identify(request, Scope.READ if request.scope["method"] == "GET" else Scope.SUBMIT)


async def _submitter(request: Request) -> str:
    return _identify(request, Scope.SUBMIT)


async def _operator(request: Request) -> str:
    return _identify(request, Scope.ADMIN)


async def _operates(request: Request) -> bool:
    keyring = resources(request).keyring
    return keyring.is_empty or keyring.find(key_in(request.headers)).may(Scope.ADMIN)


def _identify(request: Request, scope: Scope) -> str:
    owned = resources(request)
    if owned.keyring.is_empty:
        _check_is_near(request, owned.keyring)
        _check_page(request, owned.settings)
        return LOCAL_CALLER
    key = owned.keyring.find(key_in(request.headers))
    if not key.may(scope):
        has = ", ".join(sorted(key.scopes))
        raise Forbidden(f"this needs a key with the scope {scope}, and this one has: {has}")
    structlog.contextvars.bind_contextvars(caller=key.name)
    return key.name


def key_in(headers: Headers) -> str | None:
    """The key that a request carries."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials if scheme.lower() == "bearer" and credentials else headers.get("x-api-key")


def _check_is_near(request: Request, keyring: Keyring) -> None:
    """Raises Unauthorized where the service could be reached by others than this machine.

    What it listens on may have been said to the server alone, so each connection is asked where it has come in. What
    comes there may have been sent on by a proxy, or by a page whose own host's name now stands for this machine.
    """
    server = request.scope.get("server")
    if keyring.mode == "missing" or server is None or not is_loopback(server[0]):
        raise Unauthorized("nobody has a key yet; make the first where the service runs: kavox keys create NAME")
    if any(name in request.headers for name in _SENT_ON) or not is_loopback(_host(request.headers)):
        raise Unauthorized(
            "without a key only this machine is served, by http://127.0.0.1 or http://localhost and no proxy; make a "
            "key where the service runs: kavox keys create NAME"
        )


_SENT_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def _host(headers: Headers) -> str:
    """The name that the service was asked for by, '' for what is none."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _check_page(request: Request, settings: Settings) -> None:
    """Raises OriginRefused for what a page of another origin sends that is opened on this machine.

    It could not read the answer, but a form needs no leave to be sent, and no key is wanted of whoever is here.
    """
    if request.method != "GET" and request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        origin = request.headers.get("origin", "another origin")
        if origin not in settings.allowed_origins:
            raise OriginRefused(origin)


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


async def _keyring(request: Request) -> Keyring:
    return resources(request).keyring


async def _decoding(request: Request) -> asyncio.Semaphore:
    return resources(request).decoding


async def _conversions(request: Request) -> Conversions:
    return resources(request).conversions


Caller = Annotated[str, Depends(_caller), Read(caller_of)]
"""Whose request it is; a route that asks for it answers 401 to strangers and 403 to keys that may only read, or not."""
Submitter = Annotated[str, Depends(_submitter)]
"""The same for what only those may read who may also speak."""
Operator = Annotated[str, Depends(_operator)]
"""The same for a route that is about all callers: the key needs the scope admin."""
Operates = Annotated[bool, Depends(_operates)]
"""Whether the caller may see what concerns all callers."""
Config = Annotated[Settings, Depends(_config)]
Admitting = Annotated[Admission, Depends(_admission)]
Audio = Annotated[AudioStore, Depends(_audio)]
Converting = Annotated[Conversions, Depends(_conversions)]
Connection = Annotated[Redis, Depends(_redis)]
Decoding = Annotated[asyncio.Semaphore, Depends(_decoding)]
Jobs = Annotated[JobStore, Depends(_jobs)]
Keys = Annotated[Keyring, Depends(_keyring)]
Owned = Annotated[Resources, Depends(_owned)]
Voices = Annotated[VoiceStore, Depends(_voices)]
Wakeups = Annotated[JobQueue, Depends(_queue)]
