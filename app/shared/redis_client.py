"""Connections to Redis with a time-out on everything, and retries long enough for a server that restarts."""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError
from redis.retry import Retry

from app.shared.errors import StoreUnavailable
from app.shared.pipelines import SharedPipelines

_API_SOCKET_SECONDS = 1.5


def _options(retry: Any, socket_timeout: float) -> dict[str, Any]:
    # Every script is written so that running it twice does no harm: an answer may get lost.
    return {
        "decode_responses": True,
        "socket_connect_timeout": 2,
        "socket_timeout": socket_timeout,
        "retry": retry,
        "retry_on_error": [ConnectionError, TimeoutError, BusyLoadingError],
    }


def connect(url: str) -> redis.Redis:
    """A client for worker threads; rides out about ten seconds without a server."""
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), 14)
    return redis.Redis.from_url(url, **_options(retry, socket_timeout=10))


def connect_for_probe(url: str) -> redis.Redis:
    """A client for one question, which gives up at once."""
    return redis.Redis.from_url(
        url, decode_responses=True, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
    )


def connect_async(url: str) -> SharedPipelines:
    """A client for the API; gives up after some two seconds without a server, or eight with one that hangs."""
    retry = AsyncRetry(ExponentialWithJitterBackoff(base=0.1, cap=1), 4)
    options = _options(retry, socket_timeout=_API_SOCKET_SECONDS)
    # A hundred requests at once wait for each other; redis' own pool would turn the next one away.
    pool = redis.asyncio.BlockingConnectionPool.from_url(url, max_connections=50, timeout=5, **options)
    return SharedPipelines(pool, answer_seconds=_API_SOCKET_SECONDS)


def connect_for_command(url: str) -> redis.Redis:
    """A client for somebody who waits at a terminal, and would rather be told soon that there is no server."""
    return redis.Redis.from_url(url, decode_responses=True, socket_connect_timeout=5, socket_timeout=5)


def connect_for_queue(url: str) -> redis.Redis:
    """A client that enqueues: RQ wants bytes."""
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=5)


def connect_for_rq_worker(url: str) -> redis.Redis:
    """A client for RQ's worker, which sets the time-out itself: its blocking reads last for minutes."""
    return redis.Redis.from_url(url, socket_connect_timeout=2, health_check_interval=15)


def is_away(error: RedisError) -> bool:
    """Whether the server does not answer at all, or is starting."""
    return isinstance(error, ConnectionError | TimeoutError | BusyLoadingError)


def is_outage(error: RedisError) -> bool:
    """Whether the server is away, full or starting; anything else is a mistake of ours."""
    return is_away(error) or str(error).startswith(("MISCONF", "OOM", "LOADING", "READONLY"))


def unavailable(error: RedisError) -> StoreUnavailable:
    """What a Redis error means to a caller."""
    return StoreUnavailable(f"Redis does not accept the request ({error}); try again in a moment")
