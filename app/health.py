"""Does the API of this machine, or of this container, answer? `python -m app.health` exits with 0 if so.

Otherwise the exit status is 1, and a line on stderr says what is wrong.
"""

import http.client
import sys
from urllib.parse import urlsplit

from app.ports import address
from app.shared.errors import ConfigurationError
from app.shared.settings import load_settings

_TIMEOUT_SECONDS = 3.0


def main() -> int:
    """Asks GET /healthz; the exit status."""
    trouble = _trouble()
    if trouble:
        sys.stderr.write(f"kavox api: {trouble}\n")
    return 1 if trouble else 0


def _trouble() -> str | None:
    try:
        settings = load_settings()
        # Not by a proxy that the environment may name.
        place = urlsplit(address(settings.host, settings.port)).netloc
        connection = http.client.HTTPConnection(place, timeout=_TIMEOUT_SECONDS)
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except ConfigurationError as error:
        return error.detail
    except (OSError, http.client.HTTPException) as error:
        return f"GET /healthz is not answered: {error}"
    return None if status == http.client.OK else f"GET /healthz is answered with {status}"


if __name__ == "__main__":
    sys.exit(main())
