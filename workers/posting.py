"""One request to a receiver, made so that it goes nowhere but there.

The name is resolved here, all its addresses are checked, and the connection is made to one of these and not to the
name, which may stand for another machine a moment later. TLS is still with the name: the certificate must be for it.
Nothing of the environment is heeded (a proxy would resolve the name again), redirects are not followed, no connection
and no cookie is kept, and no more is read of an answer than shows that it is one.
"""

import asyncio
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from app.shared.deliveries import Attempt
from app.shared.receivers import AllowedHosts, Receiver, ReceiverRefused, is_address

_MOST_ANSWER_BYTES = 64 * 1024
_MOST_ADDRESSES = 4
_MOST_LOOKUPS = 16


@dataclass(frozen=True)
class Posted:
    """What came of a request; `retry_after` is how many seconds the receiver asks for, None where it does not."""

    attempt: Attempt
    retry_after: float | None = None


class Poster:
    """Posts messages. Use it within one event loop, and close it there."""

    def __init__(self, allowed: AllowedHosts, *, timeout_seconds: float) -> None:
        self._allowed = allowed
        self._timeout_seconds = timeout_seconds
        # Connections are not kept: two names may have one address, and each its own certificate.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        # Of several addresses the first may not be reached from here.
        timeout = httpx.Timeout(timeout_seconds, connect=timeout_seconds / 3)
        # Else the client would keep whatever receivers set, for ever.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.AsyncClient(
            trust_env=False, limits=limits, timeout=timeout, verify=httpx.create_ssl_context(), cookies=no_cookies
        )
        # A name server that hangs keeps nothing else waiting.
        self._lookups = ThreadPoolExecutor(_MOST_LOOKUPS, thread_name_prefix="lookup")

    async def aclose(self) -> None:
        """Ends its connections."""
        await self._http.aclose()
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Sends a message once. Every trouble with the receiver is an answer, too."""
        at, began = time.time(), time.monotonic()

        def posted(status: int | None, error: Mapping[str, str] | None, retry_after: float | None = None) -> Posted:
            return Posted(Attempt(at, round(time.monotonic() - began, 3), status, error), retry_after)

        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._send(url, body, headers)
        except (TimeoutError, httpx.TimeoutException):
            detail = f"no answer within {self._timeout_seconds:g} s"
            return posted(None, {"code": "webhook_timeout", "detail": detail})
        except ReceiverRefused as error:
            return posted(None, {"code": "webhook_url_refused", "detail": error.detail})
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            detail = str(error) or type(error).__name__
            return posted(None, {"code": "webhook_unreachable", "detail": detail[:300]})
        return posted(answer.status_code, _error(answer), _retry_after(answer.headers.get("retry-after")))

    async def _send(self, url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """The head of the answer."""
        receiver = self._allowed.check(url)
        addresses = await self._addresses(receiver)
        self._allowed.check_addresses(receiver, addresses)
        *others, last = addresses[:_MOST_ADDRESSES]
        for address in others:
            try:
                return await self._send_to(address, receiver, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._send_to(last, receiver, body, headers)

    async def _addresses(self, receiver: Receiver) -> Sequence[str]:
        if is_address(receiver.host):
            return [receiver.host]
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._lookups, lambda: socket.getaddrinfo(receiver.host, receiver.port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def _send_to(
        self, address: str, receiver: Receiver, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        host = f"[{address}]" if ":" in address else address
        request = httpx.Request(
            "POST",
            f"{receiver.scheme}://{host}:{receiver.port}{receiver.path}",
            headers={**headers, "Host": receiver.authority},
            content=body,
            extensions={"sni_hostname": receiver.host},
        )
        answer = await self._http.send(request, stream=True)
        try:
            await _taste(answer)
        finally:
            await answer.aclose()
        return answer


async def _taste(answer: httpx.Response) -> None:
    """Lets a receiver say a little, as it may not expect that nobody listens; what it says is not kept."""
    size = 0
    try:
        async with asyncio.timeout(1):
            async for piece in answer.aiter_raw():
                size += len(piece)
                if size > _MOST_ANSWER_BYTES:
                    break
    except (httpx.HTTPError, TimeoutError):
        # Its status was there, which is all that counts.
        return


def _error(answer: httpx.Response) -> Mapping[str, str] | None:
    status = answer.status_code
    if 200 <= status < 300:
        return None
    if status == 410:
        return {"code": "webhook_gone", "detail": "the receiver wants nothing more (410)"}
    if 300 <= status < 400:
        return {"code": "webhook_redirected", "detail": f"the receiver redirects ({status}), which is not followed"}
    return {"code": "webhook_rejected", "detail": f"the receiver answered {status}"}


def _retry_after(header: str | None) -> float | None:
    """Seconds from a Retry-After, which has either these or a date."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header.strip()[:9])
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
