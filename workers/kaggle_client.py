"""Kaggle's own HTTP client, set up so that a service can live with it, and the account that it speaks for.

`import kaggle` would log in, print and perhaps exit; kagglesdk does nothing of the kind. Its client has no time-outs,
and prefers a token that it finds lying about over the account it is given: both are settled here.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import requests
from kagglesdk.kaggle_env import KaggleEnv
from kagglesdk.kaggle_http_client import KaggleHttpClient
from kagglesdk.security.services.oauth_service import OAuthClient
from kagglesdk.security.types.oauth_service import IntrospectTokenRequest
from requests.adapters import HTTPAdapter

from app.shared.errors import CredentialsRejected, HostUnreachable
from app.shared.kaggle_credentials import KaggleCredentials
from workers.bodies import pieces
from workers.kaggle_errors import UNREADABLE, message, read_error, status_code


class _TimeoutAdapter(HTTPAdapter):
    """Gives every request a time-out: (connect, read) in seconds; the second bounds the whole body too."""

    def __init__(self, timeout: tuple[float, float]) -> None:
        super().__init__()
        self._timeout = timeout
        self.not_after = math.inf

    def send(self, *args: Any, **options: Any) -> requests.Response:
        if options.get("timeout") is None:
            options["timeout"] = self._timeout
        # Asked at the last moment: whoever sends may have been frozen on the way here.
        if time.monotonic() > self.not_after:
            raise HostUnreachable("too late to send this; the worker was held up")
        response = super().send(*args, **options)
        if not options.get("stream"):
            # Read here as requests would afterwards, but heeding the time.
            response._content = b"".join(pieces(response, self._timeout[1]))
            response._content_consumed = True  # type: ignore[attr-defined]  # the stubs know only half of it
        return response


class KaggleClient:
    """Kaggle, or the emulator at `url`. One client a thread, because kagglesdk shares its session without a lock."""

    def __init__(
        self, *, credentials: KaggleCredentials, owner: str | None, timeout_seconds: float, url: str | None
    ) -> None:
        self.url = url
        self.timeout = (min(10.0, timeout_seconds), timeout_seconds)
        self._credentials = credentials
        self._known_owner = owner or credentials.username
        self._local = threading.local()

    def account(self) -> str:
        """The account's name; where there is only a token, Kaggle is asked once."""
        if self._known_owner is None:
            request = IntrospectTokenRequest()
            request.token = self._credentials.token
            try:
                answer = OAuthClient(self.http).introspect_token(request)
            except UNREADABLE as error:
                if status_code(error) in {400, 403, 404}:
                    raise CredentialsRejected(f"Kaggle does not know the API token: {message(error)}") from None
                raise read_error(error) from None
            if not answer.active or not answer.username:
                raise CredentialsRejected("Kaggle does not accept the API token; make a new one under Settings > API")
            self._known_owner = answer.username
        return self._known_owner

    def with_timeout(self, seconds: float) -> Self:
        """The same account with another patience."""
        return type(self)(credentials=self._credentials, owner=self._known_owner, timeout_seconds=seconds, url=self.url)

    @property
    def http(self) -> KaggleHttpClient:
        """This thread's client, for the services of kagglesdk."""
        if not hasattr(self._local, "http"):
            self._local.http = self._new_client()
        client: KaggleHttpClient = self._local.http
        return client

    @contextmanager
    def sending_until(self, moment: float) -> Iterator[None]:
        """This thread sends nothing after the moment of `time.monotonic()`. Raises HostUnreachable in place of it."""
        adapter = cast("_TimeoutAdapter", self.http._session.get_adapter("https://"))
        adapter.not_after = moment
        try:
            yield
        finally:
            adapter.not_after = math.inf

    def _new_client(self) -> KaggleHttpClient:
        given = self._credentials
        # TEST is the environment whose paths the emulator serves; its address is replaced.
        http = KaggleHttpClient(
            env=KaggleEnv.TEST if self.url else KaggleEnv.PROD, api_token=given.token, user_agent="kavox"
        )
        if self.url:
            http._endpoint = self.url
        # Marked as signed in for the pair, because the client would look for a token of somebody else's first.
        http._signed_in = None if given.token else True
        http._init_session()
        if not given.token:
            http._session.auth = (given.username, given.key)
        adapter = _TimeoutAdapter(self.timeout)
        http._session.mount("http://", adapter)
        http._session.mount("https://", adapter)
        return http
