"""Headers that every answer gets, and which pages of other origins may read answers at all."""

from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.problems import OriginRefused, problem_response
from app.shared.settings import Settings

# Nothing that is served may load anything; a browser that is sent to a wav makes a page of its own to play it in.
_NOTHING_LOADED = b"default-src 'none'; media-src 'self'; frame-ancestors 'none'"

_READ = (
    "Accept-Ranges",
    "Allow",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "WWW-Authenticate",
    "X-Kavox-Caption-Timing",
    "X-Kavox-Job",
    "X-Request-ID",
    "X-Should-Retry",
)


RawHeaders = Iterable[tuple[bytes, bytes]]

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def hardened(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The headers and what keeps an answer from being misread, embedded or kept; a route may have said otherwise.

    They are as they go over the wire, names in lower case: every answer passes here.
    """
    given = list(headers)
    names = {name for name, _ in given}
    given += _ALWAYS
    if b"content-security-policy" not in names:
        given.append((b"content-security-policy", _NOTHING_LOADED))
    if b"cache-control" not in names:
        # Jobs change and belong to their caller. What has a version may be kept by the caller, who asks each time.
        given.append((b"cache-control", b"private, no-cache" if b"etag" in names else b"no-store"))
    return given


class Cors(CORSMiddleware):
    """Starlette's, but that what it refuses is a problem like every other, and no plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except OriginRefused as refusal:
            await problem_response(refusal, scope["path"])(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that asks whether a page may send what it wants to. Raises OriginRefused."""
        answer = super().preflight_response(request_headers)
        if answer.status_code >= 400:
            raise OriginRefused(request_headers["origin"])
        return answer


def cors(settings: Settings) -> list[Middleware]:
    """The middleware that lets pages of KAVOX_CORS_ORIGINS in; none where none is named.

    No credentials: keys are sent in headers, never in cookies. Who is let in may send any header and any method, as
    programs may (OpenAI's client adds a dozen of its own), and reach this machine from a page of the internet.
    """
    if not settings.allowed_origins:
        return []
    options: dict[str, Any] = {
        "allow_origins": settings.allowed_origins,
        "allow_methods": ("*",),
        "allow_headers": ("*",),
        "allow_private_network": True,
        "expose_headers": _READ,
    }
    return [Middleware(Cors, **options)]
