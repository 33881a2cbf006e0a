"""The headers that answers have, as the OpenAPI document tells them. Required: there whenever the answer names it."""

from collections.abc import Mapping
from typing import Any

from app.api.waiting import MOST_SECONDS

# What every answer has; a route names the others.
EVERYWHERE = ("X-Request-ID", "Cache-Control")
# What the answers to a key with a rate have.
RATES = ("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def headers(*names: str) -> dict[str, Any]:
    """What a route's `responses` say of an answer that has these headers."""
    return {"headers": named(*names)}


def named(*names: str) -> dict[str, Any]:
    """These headers, as the document has them."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(description: str, schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": dict(schema)}


_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_SECONDS = {"type": "integer", "minimum": 1}

HEADERS: Mapping[str, Mapping[str, Any]] = {
    "Accept-Ranges": _header("Parts can be asked for with Range.", {"const": "bytes"}),
    "Cache-Control": _header("Nothing is for a shared cache, and what has an ETag is asked for each time.", _TEXT),
    "Content-Disposition": _header("The file's name; whether it is shown or saved.", _TEXT),
    "Content-Length": _header("In bytes.", {"type": "integer", "minimum": 0}),
    "Content-Range": _header("Which bytes, and of how many.", {"type": "string", "pattern": "^bytes (\\d+-\\d+|\\*)/"}),
    "ETag": _header("Strong, and another one for each format.", {"type": "string", "pattern": '^"[^"]+"$'}),
    "Location": _header("Where what was made is.", {"type": "string", "pattern": "^/"}),
    "Preference-Applied": _header(
        "What of Prefer was heeded (RFC 7240).",
        {"type": "string", "pattern": f"^(respond-async(, )?)?(wait=\\d{{1,{len(str(MOST_SECONDS))}}})?$"},
        required=False,
    ),
    "RateLimit": _header(
        "What is left of each of the key's rates, and for how many seconds (IETF's draft). Of keys with a rate only.",
        {"type": "string", "pattern": '^"[^"]+";r=\\d+;t=\\d+'},
        required=False,
    ),
    "RateLimit-Limit": _header("Requests of the rate with the least left.", _COUNT, required=False),
    "RateLimit-Policy": _header(
        "The key's rates: requests (q) in so many seconds (w).",
        {"type": "string", "pattern": '^"[^"]+";q=\\d+;w=\\d+'},
        required=False,
    ),
    "RateLimit-Remaining": _header("How many of them are left.", _COUNT, required=False),
    "RateLimit-Reset": _header("Seconds until there are more.", _COUNT, required=False),
    "Retry-After": _header("Seconds; to ask earlier is of no use.", _SECONDS),
    "WWW-Authenticate": _header("How to send a key.", {"const": "Bearer"}),
    "X-Kavox-Caption-Timing": _header(
        "Whether the run told the times, or they are estimated by the length of the texts.",
        {"enum": ["measured", "estimated"]},
    ),
    "X-Kavox-Job": _header("The job's id, for GET /jobs/{id}.", _TEXT),
    "X-Request-ID": _header(
        "The id that the request sent in the same header, or a new one; the log has it beside every line.",
        {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    ),
    "X-Should-Retry": _header("false where a repeated request would be of no use.", {"const": "false"}),
}


def sometimes(*names: str) -> dict[str, Any]:
    """The same for headers that only some of a response's answers have."""
    return {name: {**HEADERS[name], "required": False} for name in names}
