"""A session's output files: their pages, and addresses that look signed, expire and need no login.

Kaggle lists them with signed addresses of a storage service, which answers errors as XML; the client saves such a page
as if it were the file (cli#1176).
"""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from starlette.responses import Response

from workers.emulator.wire import ApiError

DEFAULT_PAGE_SIZE = 200
MAX_PAGE_SIZE = 500
URL_SECONDS = 3600

T = TypeVar("T")


def output_names(working: Path) -> list[str]:
    """The files that a notebook has left in its working directory, as relative paths."""
    files = (path for path in working.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path.relative_to(working).as_posix() for path in files)


def page_of(items: list[T], size: int, token: str, page: int = 1) -> tuple[list[T], str]:
    """One page of the items, by token or else by number, and the token of the next page or an empty string."""
    start = _read_token(token) if token else size * (page - 1)
    end = start + size
    return items[start:end], _write_token(end) if end < len(items) else ""


def _write_token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode()


def _read_token(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token.encode()).removeprefix(b"offset:"))
    except ValueError:
        raise ApiError(400, "Invalid page token.") from None


@dataclass(frozen=True)
class Signer:
    """Makes and checks download addresses below `base_url`."""

    key: bytes
    base_url: str

    def url(self, session_id: int, name: str) -> str:
        expires = str(int(time.time()) + URL_SECONDS)
        query = f"GoogleAccessId=emulator&Expires={expires}&Signature={self._sign(session_id, name, expires)}"
        # A client would take the dots of "../evil" out of an address before it asks.
        path = quote(name, safe="" if ".." in name else "/")
        return f"{self.base_url}/storage/{session_id}/{path}?{query}"

    def valid(self, session_id: int, name: str, expires: str, signature: str) -> bool:
        expected = self._sign(session_id, name, expires)
        # The signature covers the expiry, so that what follows it is a number that was written here.
        return hmac.compare_digest(expected.encode(), signature.encode()) and int(expires) >= time.time()

    def _sign(self, session_id: int, name: str, expires: str) -> str:
        return hmac.new(self.key, f"{expires}:{session_id}:{name}".encode(), hashlib.sha256).hexdigest()


def storage_error(code: int, reason: str) -> Response:
    """An error as a storage service answers it."""
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{reason}</Code></Error>"
    return Response(body, code, media_type="application/xml")
