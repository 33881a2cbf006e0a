"""The log of a session, live: server-sent events while it runs, the finished log as a JSON array afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from workers.emulator.kernels import KernelsService
from workers.emulator.logs import END_OF_LOG, LogFollower, log_text
from workers.emulator.models import Session, Status
from workers.emulator.sessions import Sessions
from workers.emulator.wire import not_found

LOOK_SECONDS = 0.1
"""Time between two looks at a growing log."""

DEFAULT_WAIT_SECONDS = 60
MAX_WAIT_SECONDS = 300


class LogStream:
    """Answers both addresses of the log stream."""

    def __init__(self, service: KernelsService, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions

    async def response(self, request: dict[str, Any]) -> Response:
        """The log of the session that the request names; a queued one is waited for, then answered with 404."""
        wait = min(request.get("waitForLogsUrlSeconds") or DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS)
        deadline = time.monotonic() + wait
        _, session = self._service.find_session(request)
        while session.status is Status.QUEUED:
            if time.monotonic() >= deadline:
                raise not_found()
            await asyncio.sleep(LOOK_SECONDS)
            _, session = self._service.find_session(request)
        if session.ended:
            return Response(log_text(self._sessions.workspace(session).log), media_type="application/json")
        # Set by hand: as a media type it would get a charset (see LogFollower.events).
        return StreamingResponse(self._events(session), headers={"Content-Type": "text/event-stream"})

    async def _events(self, session: Session) -> AsyncIterator[bytes]:
        follower = LogFollower(self._sessions.workspace(session).log)
        while True:
            # The state is read before the log, so that nothing written before the end is missed.
            session = self._sessions.advance(session)
            for event in follower.events():
                yield event
            if session.ended:
                yield END_OF_LOG
                return
            await asyncio.sleep(LOOK_SECONDS)
