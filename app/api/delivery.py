"""How kept audio leaves: whole or in part, or not at all where the client has it already (RFC 9110)."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Request
from starlette.responses import Response, StreamingResponse

from app.api.byte_ranges import is_known, is_meant, requested_part
from app.api.openapi_headers import headers
from app.api.problems import PreconditionFailed
from app.shared.audio_formats import FORMATS, AudioFormat
from app.shared.audio_store import AudioStore

RangeHeader = Annotated[str | None, Header(alias="Range", description="One range of bytes.", examples=["bytes=0-99"])]
IfRangeHeader = Annotated[
    str | None, Header(alias="If-Range", description="An ETag: the part of this version, else the whole.")
]

# These may be there several times, so they are read by us and not by FastAPI.
CONDITIONS = [
    {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
    for name, text in (("If-Match", "ETags: any other version is a 412."), ("If-None-Match", "ETags of what you have."))
]
CONTENT = {
    wanted.media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
    for wanted in FORMATS.values()
}
_HAVING = ("ETag", "Accept-Ranges", "Content-Length", "Content-Disposition")
AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The audio.", "content": CONTENT, **headers(*_HAVING)},
    206: {"description": "The part that Range asks for.", "content": CONTENT, **headers(*_HAVING, "Content-Range")},
    304: {"description": "If-None-Match names it: you have it already.", **headers("ETag", "Accept-Ranges")},
}


@dataclass(frozen=True)
class KeptAudio:
    """A file in the store: its name there, how many bytes it has, and what stands for this version of it."""

    name: str
    size: int
    etag: str
    format: AudioFormat


def content_disposition(name: str, *, download: bool) -> str:
    """The header. `name` is made of what is ours alone, so that nothing in it can end the header or leave a folder."""
    return f'{"attachment" if download else "inline"}; filename="{name}"'


async def delivered(
    kept: KeptAudio,
    request: Request,
    store: AudioStore,
    disposition: str,
    wanted_part: str | None,
    if_range: str | None,
) -> Response:
    """The answer to a request for it. Raises PreconditionFailed, RangeNotSatisfiable, Gone or StoreUnavailable."""
    headers = {"ETag": kept.etag, "Accept-Ranges": "bytes"}
    if not is_meant(request.headers.getlist("if-match"), kept.etag):
        raise PreconditionFailed(f"the audio is {kept.etag}, and If-Match names another version")
    if is_known(request.headers.getlist("if-none-match"), kept.etag):
        return Response(status_code=304, headers=headers)
    part = requested_part(wanted_part, if_range, kept.etag, kept.size)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{kept.size}"
    headers["Content-Length"] = str(kept.size if part is None else len(part))
    headers["Content-Disposition"] = disposition
    pieces = await store.stream(kept.name, part)
    return StreamingResponse(pieces, 200 if part is None else 206, headers, kept.format.media_type)
