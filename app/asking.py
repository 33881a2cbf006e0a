"""How a client asks: again for half a minute, where what came may be a passing trouble.

Whoever has a rate and has used it up comes back when the service says, however long half a minute is.
"""

import re
import threading
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

import httpx

from app import answers
from app.connections import Connections
from app.exit_codes import ServiceUnreachable
from app.shared.errors import KavoxError, TooManyRequests

_PATIENCE_SECONDS = 30
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_MOST_REST_SECONDS = 2 * 3600
"""An hour's rate is used up for an hour at most, and others may be quicker when it comes back."""
_NOTABLE_REST_SECONDS = 5
_PASSING = frozenset({429, 502, 503, 504})
_CUT_OFF = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ReadTimeout, httpx.WriteTimeout)

Tell = Callable[[str], None]
NO_CODES: AbstractSet[str] = frozenset()


class Asking:
    """The requests of one client, whose threads share it; `shown` is how it calls the service.

    `rests`: where a rate is used up it waits for as long as the service says, up to two hours a request.
    """

    def __init__(self, http: httpx.Client, shown: str, tell: Tell | None, *, rests: bool) -> None:
        self._http, self._shown, self._tell = http, shown, tell
        self._most_rest = _MOST_REST_SECONDS if rests else 0.0
        self._met = False
        self._resting_until = 0.0
        self._hurried, self._connections = threading.Event(), Connections()

    def hurry(self) -> None:
        """Nothing is asked again, and no answer waited for any more."""
        self._hurried.set()
        self._connections.cut()

    def answer(self, method: str, path: str, final: AbstractSet[str] = NO_CODES, **more: Any) -> httpx.Response:
        """The answer, once there is one that says something; a refusal with a code of `final` is raised at once.

        Nobody waits for a service that was never there. Raises ServiceUnreachable and what the API refused with.
        """
        deadline, pause, rest_left = time.monotonic() + _PATIENCE_SECONDS, _FIRST_PAUSE, self._most_rest
        while True:
            wait = pause
            try:
                answer = self._http.request(method, path, extensions={"trace": self._connections.trace}, **more)
                self._met = True
                if answer.status_code not in _PASSING:
                    return answer
                trouble: KavoxError = answers.error(answer)
                if trouble.code in final:
                    raise trouble
                wait = max(pause, answers.retry_after(answer))
                if trouble.code == TooManyRequests.code and wait <= rest_left:
                    rest_left -= wait
                    self._tell_of(wait)
                    if self._hurried.wait(wait):
                        raise trouble
                    # The service answers well, so this tries nobody's patience.
                    deadline = time.monotonic() + _PATIENCE_SECONDS
                    continue
            except httpx.HTTPError as error:
                trouble = ServiceUnreachable(
                    f"no Kavox answers at {self._shown} ({_reason(error)}); `kavox serve` starts one"
                )
                if not self._met and (isinstance(error, httpx.ConnectError) or not isinstance(error, _CUT_OFF)):
                    raise trouble from None
            if time.monotonic() + wait > deadline or self._hurried.wait(wait):
                raise trouble
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _tell_of(self, rest: float) -> None:
        """Says why nothing happens, once: several threads may be made to wait at the same time."""
        now, resting_until = time.monotonic(), self._resting_until
        self._resting_until = max(resting_until, now + rest)
        if self._tell and rest >= _NOTABLE_REST_SECONDS and now > resting_until:
            self._tell(f"The key's rate is used up: this goes on in {rest:.0f} s")


def _reason(error: httpx.HTTPError) -> str:
    """Why nothing came, without the number that the system has for it."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
