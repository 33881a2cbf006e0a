"""The log of a session, live: server-sent events while it runs, the finished log as a JSON array afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response

from workers.emulator.effects import CutBody, Fault
from workers.emulator.faults import STALE_VERSION
from workers.emulator.kernels import KernelsService
from workers.emulator.logs import END_OF_LOG, LogFollower, log_text
from workers.emulator.models import Session, Status
from workers.emulator.sessions import Sessions
from workers.emulator.wire import not_found

LOOK_SECONDS = 0.03
"""Time between two looks at a growing log."""

CUT_SECONDS = 240
"""A stream is cut after some minutes, whether or not its session has ended; the next one begins at the start."""

DEFAULT_WAIT_SECONDS = 60
MAX_WAIT_SECONDS = 300


class LogStream:
    """Answers both addresses of the log stream."""

    def __init__(self, service: KernelsService, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions

    async def response(self, request: dict[str, Any], fault: Fault) -> Response:
        """The log of the session that the request names; a queued one is waited for, then answered with 404."""
        stale = fault.get("kind") == STALE_VERSION
        wait = min(request.get("waitForLogsUrlSeconds") or DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS)
        deadline = time.monotonic() + wait
        _, session = self._service.find_session(request, stale=stale)
        while session.status is Status.QUEUED:
            if time.monotonic() >= deadline:
                raise not_found()
            await asyncio.sleep(LOOK_SECONDS)
            _, session = self._service.find_session(request, stale=stale)
        if session.ended:
            return Response(log_text(self._sessions.workspace(session).log), media_type="application/json")
        # Set by hand: as a media type it would get a charset (see LogFollower.events).
        return CutBody(self._events(session, fault), {"Content-Type": "text/event-stream"}, whole_after=END_OF_LOG)

    async def _events(self, session: Session, fault: Fault) -> AsyncIterator[bytes]:
        """The events up to END_OF_LOG; without that where the stream is cut."""
        kind, left = fault.get("kind"), fault.get("events", 0)
        follower = LogFollower(self._sessions.workspace(session).log)
        cut_at = time.monotonic() + CUT_SECONDS
        while time.monotonic() < cut_at:
            # The state is read before the log, so that nothing written before the end is missed.
            session = self._sessions.advance(session)
            for event in follower.events():
                if kind in {"cut_stream", "end_stream"} and left == 0:
                    break
                left -= 1
                yield event * (2 if kind == "doubled_stream" else 1)
            if kind == "cut_stream" and left == 0:
                return
            if (kind == "end_stream" and left == 0) or (session.ended and kind != "endless_stream"):
                yield END_OF_LOG
                return
            await asyncio.sleep(LOOK_SECONDS)
