"""`Prefer: wait=N` (RFC 7240): one call that lasts until the job or batch has ended, or N seconds, whichever is first.

    Prefer: wait=30                 up to 30 s; at most MOST_SECONDS
    Prefer: wait                    as long as may be, as Replicate's clients say it
    Prefer: respond-async, wait=10  the same: what has not ended by then is answered as it is
    Prefer: respond-async           no wait, which is the default

What has not ended comes back unfinished and is no error. A preference that cannot be read is ignored, as the RFC
wants it, and `Preference-Applied` says what was heeded.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header, Request, Response

from app.api.changes import Changes, Subject, Watch
from app.api.direct import Read

MOST_SECONDS = 60
"""Proxies and clients seldom hold a silent connection for longer."""

# A name, and a value in quotes or without; then whatever follows up to a comma that stands in no quotes.
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PREFERENCE = re.compile(rf"""([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*({_QUOTED}|[^\s;,"]*))?(?:{_QUOTED}|[^,"])*""")

PreferHeader = Annotated[
    list[str] | None,
    Header(
        alias="Prefer",
        description=f"`wait=N`: answer when it has ended, or after N seconds (≤ {MOST_SECONDS}, as `wait` alone).",
    ),
    Read(lambda request: request.headers.getlist("prefer")),
]


@dataclass(frozen=True)
class Preference:
    """How long a client wants to wait; None where it says nothing of it."""

    wait: int | None = None
    respond_async: bool = False

    @classmethod
    def of(cls, lines: Sequence[str] | None) -> "Preference":
        """What the header says, in however many lines; of a preference that is there twice, the first counts."""
        found: dict[str, str] = {}
        for name, value in _PREFERENCE.findall(", ".join(lines or ())):
            found.setdefault(name.lower(), value.strip('"'))
        # To say no value and to say an empty one are the same (RFC 7240, 2).
        seconds = (found["wait"] or str(MOST_SECONDS)) if "wait" in found else ""
        is_number = seconds.isascii() and seconds.isdigit()
        return cls(min(int(seconds[:9]), MOST_SECONDS) if is_number else None, "respond-async" in found)

    def apply(self, response: Response, *, ended: bool) -> None:
        """Tells the client what was heeded."""
        applied = [] if self.wait is None else [f"wait={self.wait}"]
        if self.respond_async and not ended:
            applied.insert(0, "respond-async")
        if applied:
            response.headers["Preference-Applied"] = ", ".join(applied)


async def until_ended(request: Request, changes: Changes, seen: Subject, seconds: float) -> Subject:
    """It once it has ended, or as it is after so many seconds, or when the client or the process leaves."""
    if seen.ended or seconds <= 0:
        return seen
    try:
        async with asyncio.timeout(seconds), attended(request, changes, seen) as watch:
            while not seen.ended and (news := await watch.news()):
                seen = news
    except TimeoutError:
        pass
    return seen


@asynccontextmanager
async def attended(request: Request, changes: Changes, seen: Subject) -> AsyncIterator[Watch[Subject]]:
    """A watch that is over when the client has gone: a wait for nobody would only fill the memory."""

    async def close_when_gone(watch: Watch[Subject]) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        watch.close()

    with changes.watch(seen) as watch:
        leaving = asyncio.create_task(close_when_gone(watch))
        try:
            yield watch
        finally:
            leaving.cancel()
