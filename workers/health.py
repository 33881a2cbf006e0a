"""Does a worker of this machine, or of this container, live? `python -m workers.health` exits with 0 if so.

It goes by the sign of life that the worker gives in Redis, as the API does when it counts workers: a process that
runs and gives none does no work. Otherwise the exit status is 1, and a line on stderr says what is wrong.
"""

import sys

from redis.exceptions import RedisError

from app.shared.errors import ConfigurationError
from app.shared.presence import LIFETIME_SECONDS, lives_here
from app.shared.redis_client import connect_for_probe
from app.shared.settings import load_settings


def main() -> int:
    """Asks Redis; the exit status."""
    trouble = _trouble()
    if trouble:
        sys.stderr.write(f"kavox worker: {trouble}\n")
    return 1 if trouble else 0


def _trouble() -> str | None:
    try:
        settings = load_settings()
        if settings.redis_url is None:
            return "KAVOX_REDIS_URL is not set"
        with connect_for_probe(settings.redis_url) as redis:
            return None if lives_here(redis) else f"no sign of life within {LIFETIME_SECONDS} s"
    except ConfigurationError as error:
        return error.detail
    except RedisError as error:
        return f"Redis does not answer: {error}"


if __name__ == "__main__":
    sys.exit(main())
