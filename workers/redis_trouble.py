"""How loud an error of Redis is told."""

import logging

import structlog
from redis.exceptions import RedisError

from app.shared.redis_client import is_away

log = structlog.get_logger()


def tell(event: str, error: RedisError, **about: object) -> None:
    """A line about it: a warning, but where the server is away, which passes, and which every thread meets at once."""
    log.log(logging.DEBUG if is_away(error) else logging.WARNING, event, error=str(error), **about)
