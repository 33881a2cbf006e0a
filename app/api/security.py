"""Headers that every answer gets, and which pages of other origins may read answers at all."""

from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app.shared.settings import Settings

# Nothing that is served may load anything; a browser that is sent to a wav makes a page of its own to play it in.
_NOTHING_LOADED = "default-src 'none'; media-src 'self'; frame-ancestors 'none'"

_SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Prefer",
    "Range",
    "X-API-Key",
    "X-Request-ID",
)
_READ = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Link",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "WWW-Authenticate",
    "X-Kavox-Job",
    "X-Request-ID",
    "X-Should-Retry",
)


def harden(headers: MutableHeaders) -> None:
    """Adds what keeps an answer from being misread, embedded or kept; a route may have said otherwise."""
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers.setdefault("Content-Security-Policy", _NOTHING_LOADED)
    # Jobs change and belong to their caller. What has a version may be kept by the caller, who asks each time.
    headers.setdefault("Cache-Control", "private, no-cache" if "etag" in headers else "no-store")


def cors(settings: Settings) -> list[Middleware]:
    """The middleware that lets pages of KAVOX_CORS_ORIGINS in; none where none is named.

    No credentials: keys are sent in headers, never in cookies.
    """
    if not settings.allowed_origins:
        return []
    options: dict[str, Any] = {
        "allow_origins": settings.allowed_origins,
        "allow_methods": ("GET", "HEAD", "POST", "DELETE"),
        "allow_headers": _SENT,
        "expose_headers": _READ,
    }
    return [Middleware(CORSMiddleware, **options)]
