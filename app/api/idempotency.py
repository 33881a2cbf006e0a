"""`Idempotency-Key` (the IETF's draft): a request that is sent again under its key has one effect and one answer.

The key is the caller's own, quoted or bare, and counts for 24 hours. A request that was refused is not remembered, so
it may be mended and sent again under its key.
"""

import hashlib
import json
import re
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel

from app.api.direct import Read
from app.api.problems import InvalidIdempotencyKey
from app.shared.submission import Once

HEADER = "Idempotency-Key"
_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"|([!#-~]{1,255})')


async def _sent_key(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description="Sent again under its key within 24 hours, a request is not carried out again.",
            json_schema_extra={"pattern": f"^({_KEY.pattern})$"},
        ),
    ] = None,
) -> str | None:
    # FastAPI takes an empty header for none.
    return request.headers.get(HEADER)


IdempotencyKey = Annotated[str | None, Depends(_sent_key), Read(lambda request: request.headers.get(HEADER))]


def once(header: str | None, caller: str, path: str, body: BaseModel) -> Once | None:
    """What is remembered of a request that is to have one effect only; None without a key.

    Raises InvalidIdempotencyKey.
    """
    if header is None:
        return None
    found = _KEY.fullmatch(header.strip())
    if found is None:
        detail = f"{HEADER} must have 1 to 255 printable ASCII characters, quoted or bare without spaces"
        raise InvalidIdempotencyKey(detail)
    quoted, bare = found.groups()
    key = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    payload = json.dumps([path, body.model_dump(mode="json")], sort_keys=True)
    return Once(_digest(f"{caller}\n{key}"), _digest(payload))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
