"""Sends what is due to receivers, beside the sweep and the runs: in a thread with an event loop of its own.

Each delivery is taken up from the outbox (`outbox.py`), its message made and signed here, posted (`posting.py`), and
what came of it written down. A message that was not taken is tried again for a day and a bit, as Standard Webhooks
suggests: after 5 s, 30 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h more, each a little sooner or later.
"""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from importlib.metadata import version
from typing import cast

import orjson
import structlog
from redis import Redis
from redis.exceptions import RedisError
from standardwebhooks import Webhook

from app.shared import keys
from app.shared.batch import COMPLETED
from app.shared.batch import from_fields as batch_from_fields
from app.shared.batch_view import summary
from app.shared.deliveries import Attempt, Delivery, DeliveryStatus
from app.shared.errors import KavoxError
from app.shared.job import from_fields, job_as_it_was
from app.shared.job_store import Standing
from app.shared.job_view import job_view
from app.shared.settings import Settings
from app.shared.webhook import JOB, WebhookEvent
from app.shared.webhook_secrets import signing_secrets
from workers.outbox import Outbox
from workers.posting import Posted, Poster
from workers.redis_trouble import tell
from workers.stopping import Stopping

log = structlog.get_logger()

MOST_AT_ONCE = 16
_LOOK_SECONDS = 0.5
_OUTAGE_SECONDS = 2.0
_FAREWELL_SECONDS = 1.5

# In units of KAVOX_WEBHOOK_RETRY_SECONDS.
_PAUSES = (1, 6, 60, 360, 1440, 3600, 7200, 7200)
_JITTER = 0.2
_LONGEST_REST_SECONDS = 10 * 3600
# Longer than a job waits and runs.
_GONE_SECONDS = 10 * 24 * 3600

_PROGRESS = f"{JOB}.{WebhookEvent.PROGRESS}"


class NothingToTell(Exception):  # noqa: N818  # no error: events that came later say it all
    """The delivery is of no use any more."""

    def __init__(self, detail: str, *, code: str) -> None:
        super().__init__(detail)
        self.why = {"code": code, "detail": detail}


class Couriers:
    """A worker's couriers; `run` is their thread."""

    def __init__(self, redis: Redis, settings: Settings, stopping: Stopping) -> None:
        self._redis = redis
        self._settings = settings
        self._stopping = stopping
        # A lease outlasts the request and what is written before and after it.
        self._outbox = Outbox(redis, lease_seconds=settings.webhook_timeout_seconds + 5)
        self._user_agent = f"Kavox/{version('kavox')}"

    def run(self) -> None:
        """Delivers until the worker is told to stop. What is under way then is tried again by another worker."""
        while not self._stopping.requested:
            try:
                asyncio.run(self._serve())
            except Exception:
                log.exception("couriers failed; they begin anew")
                self._stopping.wait(_OUTAGE_SECONDS)

    async def _serve(self) -> None:
        allowed, seconds = self._settings.webhook_receivers, self._settings.webhook_timeout_seconds
        async with aclosing(Poster(allowed, timeout_seconds=seconds)) as poster:
            await self._deliver_all(poster)

    async def _deliver_all(self, poster: Poster) -> None:
        under_way: set[asyncio.Task[None]] = set()
        freed = asyncio.Event()

        def ended(task: asyncio.Task[None]) -> None:
            under_way.discard(task)
            freed.set()

        while not self._stopping.requested:
            freed.clear()
            pause, taken = _LOOK_SECONDS, []
            if free := MOST_AT_ONCE - len(under_way):
                try:
                    taken = list(await asyncio.to_thread(self._outbox.claim, free))
                except RedisError as error:
                    tell("nothing delivered", error)
                    pause = _OUTAGE_SECONDS
            for delivery in taken:
                task = asyncio.create_task(self._deliver(delivery, poster))
                under_way.add(task)
                task.add_done_callback(ended)
            if not taken:
                await _wait(freed, pause)
        if under_way:
            await asyncio.wait(under_way, timeout=_FAREWELL_SECONDS)

    async def _deliver(self, delivery: Delivery, poster: Poster) -> None:
        about = {"delivery": delivery.id, "type": delivery.type}
        try:
            posted = await self._posted(delivery, poster)
            status, wait, rest = verdict(delivery, posted, self._settings.webhook_retry_seconds)
            await asyncio.to_thread(self._settle, delivery, posted.attempt, status, wait, rest)
        except RedisError as error:
            # Its lease runs out, and it is tried again.
            log.warning("webhook not written down", **about, error=str(error))
        else:
            log.info("webhook tried", **about, outcome=status, **vars(posted.attempt))

    async def _posted(self, delivery: Delivery, poster: Poster) -> Posted:
        try:
            body, secrets = await asyncio.to_thread(self._message, delivery)
            return await poster.post(delivery.url, body, self._headers(delivery, body, secrets))
        except NothingToTell as reason:
            error = reason.why
        except RedisError:
            raise
        except Exception:
            # As everything else that fails, it is tried again, and not for ever.
            log.exception("webhook failed here", delivery=delivery.id)
            error = {"code": KavoxError.code, "detail": "something went wrong here; the log says what"}
        return Posted(Attempt(time.time(), 0.0, error=error))

    def _message(self, delivery: Delivery) -> tuple[bytes, list[str]]:
        """The body, and what signs it. Raises NothingToTell."""
        gone = cast("str | None", self._redis.get(_gone_key(delivery)))
        # Whoever names the URL anew after that, or wants the delivery again, means it.
        if gone is not None and float(gone) >= delivery.wished_at:
            detail = "the receiver has answered 410 before: it wants nothing more"
            raise NothingToTell(detail, code="webhook_gone")
        # Progress is told as it is by now.
        of = time.time() if delivery.type == _PROGRESS else delivery.created_at
        message = {"type": delivery.type, "timestamp": datetime.fromtimestamp(of, UTC), "data": self._data(delivery)}
        body = orjson.dumps(message, option=orjson.OPT_UTC_Z)
        return body, list(signing_secrets(self._redis, delivery.caller))

    def _data(self, delivery: Delivery) -> Mapping[str, object]:
        if delivery.type == COMPLETED:
            return summary(batch_from_fields(self._record(keys.BATCH + delivery.subject)))
        fields = self._record(keys.JOB + delivery.subject)
        job = job_as_it_was(fields, json.loads(delivery.data)) if delivery.data else from_fields(fields)
        if delivery.type == _PROGRESS and job.status.terminal:
            raise NothingToTell("the job ended before its progress was told", code="webhook_superseded")
        return job_view(job, Standing())

    def _record(self, key: str) -> Mapping[str, str]:
        fields = cast("dict[str, str]", self._redis.hgetall(key))
        if not fields:
            raise NothingToTell("what it would tell of is no longer kept", code="webhook_superseded")
        return fields

    def _headers(self, delivery: Delivery, body: bytes, secrets: list[str]) -> Mapping[str, str]:
        now = datetime.now(UTC)
        signatures = [Webhook(secret).sign(delivery.id, now, body.decode()) for secret in secrets]
        return {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "Webhook-Id": delivery.id,
            "Webhook-Timestamp": str(int(now.timestamp())),
            "Webhook-Signature": " ".join(signatures),
        }

    def _settle(self, delivery: Delivery, attempt: Attempt, status: DeliveryStatus, wait: float, rest: float) -> None:
        if attempt.status == 410:
            self._redis.set(_gone_key(delivery), repr(attempt.at), ex=_GONE_SECONDS)
        self._outbox.settle(delivery, attempt, status, wait=wait, rest=rest)


def verdict(delivery: Delivery, posted: Posted, unit_seconds: float) -> tuple[DeliveryStatus, float, float]:
    """What becomes of a delivery: its status, in how many seconds it is tried again, and for how many seconds its
    destination is left alone."""
    error = posted.attempt.error
    if error is None:
        return DeliveryStatus.DELIVERED, 0.0, 0.0
    rest = 0.0
    if posted.attempt.status in {429, 503} and posted.retry_after is not None:
        rest = min(posted.retry_after, _LONGEST_REST_SECONDS)
    if (
        error["code"] in {"webhook_gone", "webhook_superseded"}
        or delivery.type == _PROGRESS
        or delivery.tries >= len(_PAUSES)
    ):
        return DeliveryStatus.FAILED, 0.0, rest
    # Retries need not be spread unpredictably, only apart.
    pause = unit_seconds * _PAUSES[delivery.tries] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
    return DeliveryStatus.PENDING, max(pause, rest), rest


def _gone_key(delivery: Delivery) -> str:
    return keys.GONE + hashlib.sha256(f"{delivery.caller}\n{delivery.url}".encode()).hexdigest()[:32]


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
