"""Which part of a file a request wants, and whether it has the file already (RFC 9110, sections 13 and 14). Pure.

Starlette does this for files on disk only, and audio may lie in a bucket.
"""

import re
from collections.abc import Iterator, Sequence

from app.api.problems import RangeNotSatisfiable

# A number so long that it is not read here lies beyond any file; such a range is ignored like every other mistake.
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)
_ENTITY_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def requested_part(wanted: str | None, if_range: str | None, etag: str, size: int) -> range | None:
    """The bytes of a file of `size` that Range and If-Range ask for; None for all of them.

    Several ranges at once, other units and what cannot be read are answered with the whole file, as the RFC allows.
    Raises RangeNotSatisfiable for a part that is not there.
    """
    found = _ONE_RANGE.fullmatch(wanted or "")
    if found is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return None
    if start >= size or start == stop:
        raise RangeNotSatisfiable(f"the audio has {size} bytes, and none in the range {wanted}", size=size)
    return range(start, stop)


def is_known(if_none_match: Sequence[str], etag: str) -> bool:
    """Whether the caller has this version already."""
    return any(tag in {"*", etag} for tag, _ in _listed(if_none_match))


def is_meant(if_match: Sequence[str], etag: str) -> bool:
    """Whether the request is about this version. A weak tag is none: the bytes might be others."""
    return not if_match or any(tag in {"*", etag} and not weak for tag, weak in _listed(if_match))


def _listed(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Every entity tag of a header, in however many lines, and whether it is weak."""
    for line in lines:
        if line.strip() == "*":
            yield "*", False
        yield from ((tag, bool(weak)) for weak, tag in _ENTITY_TAG.findall(line))
