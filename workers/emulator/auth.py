"""Who may call: Basic auth with the account's legacy key, or a bearer token.

Both are what kagglesdk sends (kaggle_http_client.py, `_try_fill_auth`).
"""

import base64
import binascii
import hmac
from dataclasses import dataclass

from starlette.requests import Request

from workers.emulator.wire import ApiError

TOKEN_PREFIX = "KGAT_"  # noqa: S105 how Kaggle's API tokens begin, no token


@dataclass(frozen=True)
class Account:
    """The emulator's only account; its key serves as a legacy key and, with or without KGAT_, as a token."""

    username: str
    key: str

    def check(self, request: Request) -> None:
        """Raises 401 unless the request carries this account's credentials."""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        known = {"basic": self._knows_basic, "bearer": self.knows_token}.get(scheme.lower())
        if known is None or not known(credentials):
            raise ApiError(401, "Unauthenticated")

    def knows_token(self, token: str) -> bool:
        return _same(token.removeprefix(TOKEN_PREFIX), self.key)

    def _knows_basic(self, credentials: str) -> bool:
        try:
            pair = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return _same(pair, f"{self.username}:{self.key}")


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
