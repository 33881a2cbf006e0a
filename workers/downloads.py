"""Fetches a file from a signed address: whole and checked, or not at all."""

import shutil
from pathlib import Path

import requests

from app.shared.errors import HostUnreachable, StorageFull
from workers.bodies import pieces

# Seconds to connect, and between two pieces.
TIMEOUT = (10, 60)
# One file; a peer that trickles would otherwise hold its run for ever, and one that never ends fill the disk.
MAX_SECONDS = 900
MAX_BYTES = 1024**3

# Else the storage may compress, and the announced length would be another one than what is read.
_AS_IT_IS = {"Accept-Encoding": "identity"}

# What a proxy or the storage says in place of a file, with status 200; no output that Kavox asks for is of these types.
_PAGES = {"text/html", "text/xml", "application/xml"}


class LinkExpired(Exception):  # noqa: N818  # a state of the link, and its caller's cue to ask for a fresh one
    """The storage no longer honours the signature; list the outputs again for a fresh address."""


def fetch(url: str, target: Path, max_seconds: float = MAX_SECONDS) -> None:
    """Downloads `url` into `target` by way of a `.part` file, within so many seconds.

    Raises LinkExpired, HostUnreachable for anything else that went wrong on the way (a short body included), and
    StorageFull.
    """
    part = target.with_name(target.name + ".part")
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=_AS_IT_IS) as response:
            if response.status_code in {401, 403, 410}:
                raise LinkExpired(url.partition("?")[0])
            response.raise_for_status()
            if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() in _PAGES:
                raise HostUnreachable(f"{target.name}: a page came instead of the file")
            announced = "" if "Content-Encoding" in response.headers else response.headers.get("Content-Length", "")
            written = _write(response, part, max_seconds)
        expected = int(announced) if announced.isdecimal() else None
        if expected is not None and written != expected:
            raise HostUnreachable(f"{target.name}: {written} of {expected} bytes came")
        part.replace(target)
    except requests.RequestException as error:
        raise HostUnreachable(f"{target.name} could not be fetched: {type(error).__name__}") from None
    finally:
        part.unlink(missing_ok=True)


def _write(response: requests.Response, part: Path, max_seconds: float) -> int:
    try:
        with part.open("wb") as file:
            for piece in pieces(response, max_seconds):
                file.write(piece)
                if file.tell() > MAX_BYTES:
                    raise HostUnreachable(f"{part.stem}: more than {MAX_BYTES} bytes, given up")
            return file.tell()
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        free = shutil.disk_usage(part.parent).free
        raise StorageFull(f"{part.parent}: {error.strerror}, {free:,} bytes free; make room, the run waits") from None
