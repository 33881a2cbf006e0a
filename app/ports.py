"""Which TCP ports are free, and how a server on one is reached."""

import errno
import random
import socket

LOOPBACK = "127.0.0.1"

# Below the ports that systems give to outgoing connections: one of those may take a port between the look and its use.
_FIRST, _LAST = 15_000, 32_000
_ATTEMPTS = 200
_ANYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104  # compared with, not listened on


def address(host: str, port: int) -> str:
    """Where a server that listens on `host` and `port` is reached from this machine."""
    host = _ANYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def free_port(host: str) -> int:
    """A port of `host` that nothing listens on. Raises OSError when the host is not this machine."""
    for _ in range(_ATTEMPTS):
        port = random.randint(_FIRST, _LAST)  # noqa: S311  # no secret
        if is_free(host, port):
            return port
    with _listen(host, 0) as probe:
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. Raises OSError when the host is not this machine."""
    try:
        _listen(host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
