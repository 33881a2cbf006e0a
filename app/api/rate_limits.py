"""Requests of a name that has a rate are counted, and refused beyond it; nobody else's cost anything here.

Answers say how much is left: `RateLimit` and `RateLimit-Policy` as the IETF's draft has them since its version 8
(draft-ietf-httpapi-ratelimit-headers), and `RateLimit-Limit`, `-Remaining` and `-Reset` as it had them before, which is
what most clients read; those tell of the rate that has the least left.
"""

from collections.abc import Sequence

import structlog
from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.dependencies import Resources, key_in
from app.api.problems import problem_response
from app.shared.errors import TooManyRequests, Unauthorized
from app.shared.rates import Rate, Standing

log = structlog.get_logger(__name__)


class RateLimits:
    """Middleware. While Redis is away nothing is counted, and nobody is turned away for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        owned: Resources | None = getattr(scope["app"].state, "resources", None) if scope["type"] == "http" else None
        if owned is None or not owned.keyring.has_rates:
            await self._app(scope, receive, send)
            return
        standings = await _count(Headers(scope=scope), owned)
        if not standings:
            await self._app(scope, receive, send)
            return
        headers = _headers(standings)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        last = standings[-1]
        if last.allowed:
            await self._app(scope, receive, send_with_headers)
            return
        detail = f"this name may send {_in_words(last.rate)}; come back in {last.seconds} s"
        refusal = TooManyRequests(detail, retry_after=last.seconds)
        await problem_response(refusal, scope["path"])(scope, receive, send_with_headers)


async def _count(headers: Headers, owned: Resources) -> Sequence[Standing]:
    """Where the request's name stands with its rates. Empty where it has none, or is nobody's."""
    try:
        name = owned.keyring.find(key_in(headers)).name
        return await owned.rates.count(name, owned.keyring.rates_of(name))
    except Unauthorized:
        # The route says so.
        return ()
    except RedisError as error:
        log.warning("requests not counted", error=str(error))
        return ()


def _headers(standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
    tightest = min(standings, key=lambda standing: (standing.remaining, -standing.seconds))
    policies = [f'"{_name(one.rate)}";q={one.rate.requests};w={one.rate.seconds}' for one in standings]
    told = {
        "ratelimit-policy": ", ".join(policies),
        "ratelimit": ", ".join(f'"{_name(one.rate)}";r={one.remaining};t={one.seconds}' for one in standings),
        "ratelimit-limit": str(tightest.rate.requests),
        "ratelimit-remaining": str(tightest.remaining),
        "ratelimit-reset": str(tightest.seconds),
    }
    return [(name.encode(), value.encode()) for name, value in told.items()]


def _name(rate: Rate) -> str:
    return f"{rate.requests}-in-{rate.seconds}s"


def _in_words(rate: Rate) -> str:
    return f"{rate.requests} requests in {rate.seconds} s"
