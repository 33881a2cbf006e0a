"""Fetches a file from a signed address: whole and checked, or not at all."""

import shutil
import time
from pathlib import Path

import requests

from app.shared.errors import HostUnreachable, StorageFull

# Seconds to connect, and between two pieces.
TIMEOUT = (10, 60)
_CHUNK_BYTES = 256 * 1024
# One file; a peer that trickles would otherwise hold its run for ever, and one that never ends fill the disk.
MAX_SECONDS = 900
MAX_BYTES = 1024**3

# Else the storage may compress, and the announced length would be another one than what is read.
_AS_IT_IS = {"Accept-Encoding": "identity"}


class LinkExpired(Exception):  # noqa: N818  # a state of the link, and its caller's cue to ask for a fresh one
    """The storage no longer honours the signature; list the outputs again for a fresh address."""


def fetch(url: str, target: Path) -> None:
    """Downloads `url` into `target` by way of a `.part` file.

    Raises LinkExpired, HostUnreachable for anything else that went wrong on the way (a short body included), and
    StorageFull.
    """
    part = target.with_name(target.name + ".part")
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=_AS_IT_IS) as response:
            if response.status_code in {401, 403, 410}:
                raise LinkExpired(url.partition("?")[0])
            response.raise_for_status()
            expected = None if "Content-Encoding" in response.headers else response.headers.get("Content-Length")
            written = _write(response, part)
        if expected is not None and written != int(expected):
            raise HostUnreachable(f"{target.name}: {written} of {expected} bytes came")
        part.replace(target)
    except requests.RequestException as error:
        raise HostUnreachable(f"{target.name} could not be fetched: {type(error).__name__}") from None
    finally:
        part.unlink(missing_ok=True)


def _write(response: requests.Response, part: Path) -> int:
    deadline = time.monotonic() + MAX_SECONDS
    try:
        with part.open("wb") as file:
            for piece in response.iter_content(_CHUNK_BYTES):
                file.write(piece)
                if time.monotonic() > deadline or file.tell() > MAX_BYTES:
                    raise HostUnreachable(f"{part.stem}: more than {MAX_SECONDS} s or {MAX_BYTES} bytes, given up")
            return file.tell()
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        free = shutil.disk_usage(part.parent).free
        raise StorageFull(f"{part.parent}: {error.strerror}, {free:,} bytes free; make room, the run waits") from None
