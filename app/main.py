"""The API process, `kavox api`: uvicorn with `create_app` and the options that `programs.py` adds.

Settings, manifests and the audio store are looked at before anything is served, because whoever starts the process can
mend them; Redis is not, because it may come back by itself. Until then /readyz says so and POST answers 503.
"""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI
from redis.exceptions import RedisError
from sse_starlette.sse import AppStatus
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from app.api import audio as audio_routes
from app.api import (
    batch_audio,
    batches,
    bundle,
    cache,
    captions,
    cloning,
    deliveries,
    docs,
    events,
    jobs,
    logs,
    metrics,
    openai_catalog,
    openai_speech,
    openapi,
    operations,
    page,
    problems,
    quota,
    synthesis,
    voices,
    webhooks,
)
from app.api.admission import Admission
from app.api.batch_request import batch_limit
from app.api.body_limit import BodyLimit, body_limit
from app.api.changes import Changes
from app.api.conversions import Conversions
from app.api.dependencies import Resources
from app.api.head import HeadAsGet
from app.api.kept_speech import KeptSpeech
from app.api.keyring import Keyring
from app.api.rate_limits import RateLimits
from app.api.recording import AT_ONCE
from app.api.request_context import RequestContext, UnexpectedErrors
from app.api.security import cors
from app.api.voice_form import FORM_LIMIT
from app.shared.audio_store import AudioStore
from app.shared.batch_store import BatchStore
from app.shared.batch_submission import BatchSubmissions
from app.shared.capacity import Capacity
from app.shared.errors import ConfigurationError
from app.shared.job_queue import JobQueue
from app.shared.job_store import JobStore
from app.shared.logs import set_up_logs
from app.shared.provider import load_providers
from app.shared.quota import Quota
from app.shared.rates import RateLimiter
from app.shared.redis_client import connect_async, connect_for_queue
from app.shared.scratch import Scratch
from app.shared.settings import REAL_KAGGLE, Settings, load_settings
from app.shared.submission import Submissions
from app.shared.voice_store import VoiceStore

_FIRST_LOOK_SECONDS = 2.0


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service. Exits with EX_CONFIG and one line on stderr when it cannot be set up as it is configured."""
    try:
        return _build(settings or load_settings())
    except ConfigurationError as error:
        sys.stderr.write(f"kavox: {error.detail}\n")
        raise SystemExit(os.EX_CONFIG) from None


def _build(settings: Settings) -> FastAPI:
    redis_url = _check_servers_are_named(settings)
    providers = load_providers(settings.notebooks_dir)
    audio = AudioStore.open(settings.audio_url, settings.data_dir / "audio")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        set_up_logs(settings.log_level, "api")
        redis, queue_redis = connect_async(redis_url), connect_for_queue(redis_url)
        job_store = JobStore(redis, Capacity(settings, providers))
        conversions = Conversions(audio, Scratch(settings.data_dir / "scratch"))
        batch_store = BatchStore(redis, job_store)
        changes = Changes(redis, job_store, batch_store, leaving=lambda: AppStatus.should_exit)
        keyring = Keyring(redis, open_here=settings.open_to is None)
        app.state.resources = Resources(
            settings=settings,
            keyring=keyring,
            rates=RateLimiter(redis),
            quota=Quota(redis, settings.kaggle_host),
            admission=Admission.of(settings, providers),
            audio=audio,
            redis=redis,
            jobs=job_store,
            batches=batch_store,
            batch_submissions=BatchSubmissions(redis, max_waiting_jobs=settings.max_waiting_jobs),
            submissions=Submissions(redis, max_waiting_jobs=settings.max_waiting_jobs),
            kept_speech=KeptSpeech(audio, conversions),
            voices=VoiceStore(redis),
            queue=JobQueue(queue_redis),
            changes=changes,
            decoding=asyncio.Semaphore(AT_ONCE),
            conversions=conversions,
        )
        # The first request is to find the keys; where Redis is away it is told so.
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK_SECONDS):
                await keyring.load()
        serving = [asyncio.create_task(part.serve()) for part in (changes, keyring)]
        _spare_the_collector()
        try:
            yield
        finally:
            for task in serving:
                task.cancel()
            await redis.aclose()
            await run_in_threadpool(queue_redis.close)

    longer = {"/voices": FORM_LIMIT, "/batches": batch_limit(settings.max_text_chars)}
    app = FastAPI(
        **openapi.ABOUT,
        version=version("kavox"),
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(RequestContext),
            *cors(settings),
            Middleware(UnexpectedErrors),
            Middleware(RateLimits),
            Middleware(HeadAsGet),
            Middleware(BodyLimit, limit=body_limit(settings.max_text_chars), longer=longer),
        ],
    )
    problems.install(app)
    many = (batches, batch_audio, captions)
    of_jobs = (jobs, audio_routes, events, logs, bundle, deliveries, *many)
    parts = (*of_jobs, webhooks, voices, cloning, quota, cache, metrics, operations, openai_speech, openai_catalog)
    routers = [synthesis.router, jobs.frequent, *(part.router for part in parts)]
    # Not included: FastAPI would look each request's address up twice, in one router after the other. What is asked
    # for most comes first, because addresses are tried in this order.
    app.router.routes += [route for router in routers for route in router.routes]
    docs.install(app)
    openapi.install(app, settings, needs_keys=lambda: _needs_keys(app))
    page.install(app)
    return app


def _needs_keys(app: FastAPI) -> bool:
    """Whether requests need a key; a service that has not started is taken for one of those."""
    owned: Resources | None = getattr(app.state, "resources", None)
    return owned is None or owned.keyring.mode != "this_machine_only"


def _spare_the_collector() -> None:
    """What was made so far stays, so the garbage collector need not look through it again and again: with its usual
    thresholds that takes a tenth of a request's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _check_servers_are_named(settings: Settings) -> str:
    """The address of Redis. Raises ConfigurationError where `kavox serve` would start a stand-in by itself.

    A process that is started on its own never does that, so that production does not fall back in silence.
    """
    if settings.redis_url is None:
        raise ConfigurationError("KAVOX_REDIS_URL is not set; name a Redis, or let `kavox serve` start one")
    if settings.kaggle_mode is None:
        raise ConfigurationError(
            "no Kaggle credentials are found and KAVOX_KAGGLE_API_URL names no emulator; set KAGGLE_API_TOKEN or "
            "KAGGLE_USERNAME and KAGGLE_KEY, or let `kavox serve` start an emulator; for an API whose workers alone "
            f"have credentials, set KAVOX_KAGGLE_API_URL={REAL_KAGGLE}"
        )
    return settings.redis_url
