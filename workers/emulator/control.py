"""What tests and benchmarks tell and ask the emulator itself; Kaggle has none of it, and it needs no credentials.

    GET    /control/stats            counters since the data directory was made
    POST   /control/faults           adds a list of faults (faults.py); GET lists them, DELETE clears them
    POST   /control/scripts          adds a list of scripts for pushes to come; GET lists them, DELETE clears them
    PUT    /control/scripts/{slug}   lets the newest session of this kernel, a scripted one, go on by another script
    POST   /control/account          sets what else goes on in the account (elsewhere.py); GET shows, DELETE resets

A script (scripts.py) stands for the execution of a notebook. Those for pushes to come have two fields more: "slug", a
pattern with * (default all), and "times", how many pushes it is for (default 1, null for no end). The first that fits
a push is taken; a push that none fits is executed.

    [{"slug": "kavox-*", "states": [{"status": "RUNNING", "seconds": 0.2}, {"status": "COMPLETE"}],
      "outputs": {"result.json": {"json": {}}}, "log": ["hello"]}]

All of it is kept over a restart; what is wrong in a request is refused with 400, and then nothing of it is taken.
"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workers.emulator.elsewhere import AccountState
from workers.emulator.faults import check_fault
from workers.emulator.models import Session
from workers.emulator.quota import gpu_seconds
from workers.emulator.scripts import BOOK, check_script, read_script
from workers.emulator.sessions import Sessions
from workers.emulator.store import Store
from workers.emulator.wire import ApiError, json_body, not_found


class Control:
    """The routes below /control."""

    def __init__(self, store: Store, sessions: Sessions, account_state: AccountState) -> None:
        self._store = store
        self._sessions = sessions
        self._account_state = account_state

    def routes(self) -> list[Route]:
        every = ["GET", "POST", "DELETE"]
        return [
            Route("/control/stats", self.statistics),
            Route("/control/faults", self.faults, methods=every),
            Route("/control/scripts", self.scripts, methods=every),
            Route("/control/scripts/{slug}", self.script, methods=["PUT"]),
            Route("/control/account", self.account, methods=every),
        ]

    async def statistics(self, _: Request) -> Response:
        return JSONResponse(statistics(self._store, self._sessions, time.time()))

    async def faults(self, request: Request) -> Response:
        if request.method == "POST":
            for fault in [check_fault(fault) for fault in await json_body(request, list)]:
                self._store.add_fault(fault)
        elif request.method == "DELETE":
            for fault_id in self._store.faults():
                self._store.remove_fault(fault_id)
        return JSONResponse(list(self._store.faults().values()))

    async def scripts(self, request: Request) -> Response:
        if request.method == "POST":
            given = [check_script(script) for script in await json_body(request, list)]
            self._store.keep_document(BOOK, [*(self._store.document(BOOK) or []), *given])
        elif request.method == "DELETE":
            self._store.keep_document(BOOK, [])
        return JSONResponse(self._store.document(BOOK) or [])

    async def script(self, request: Request) -> Response:
        """Another script for a session that has one, from now on."""
        script = await json_body(request, dict)
        read_script(script)
        kernel = self._store.kernel(request.path_params["slug"])
        if kernel is None or kernel.deleted_at is not None:
            raise not_found()
        session = self._sessions.advance(self._store.sessions_of(kernel.id)[-1])
        if session.ended or not session.scripted:
            raise ApiError(409, "The session has ended, or is not a scripted one.")
        self._store.set_script(session.id, time.time(), script)
        return JSONResponse(script)

    async def account(self, request: Request) -> Response:
        if request.method == "POST":
            self._account_state.change(await json_body(request, dict))
        elif request.method == "DELETE":
            self._account_state.reset()
        return JSONResponse(self._account_state.now().__dict__)


def statistics(store: Store, sessions: Sessions, now: float) -> dict[str, Any]:
    """Counters since the data directory was made.

    `billed_seconds` are GPU seconds, of sessions under way too; `pushes_refused` are those with HTTP 200 and an error;
    `kernels` are those that were not deleted, with the newest version's status.
    """
    sessions.advance_all()
    all_sessions = store.sessions()
    return {
        "calls": store.counts("call"),
        "downloads": store.counts("download"),
        "pushes_accepted": len(all_sessions),
        "pushes_refused": store.counts("push").get("refused", 0),
        "most_sessions_at_once": most_at_once(all_sessions),
        "billed_seconds": round(sum(gpu_seconds(all_sessions, 0.0, now, ended=ended) for ended in (True, False)), 3),
        "kernels": [
            {"slug": kernel.slug, "versions": len(versions), "status": sessions.status(versions[-1])[0].value}
            for kernel in store.kernels()
            if (versions := store.sessions_of(kernel.id))
        ],
    }


def most_at_once(sessions: list[Session]) -> int:
    """The largest number of sessions that were open (queued or running) at the same moment."""
    begun = [(session.pushed_at, 1) for session in sessions]
    ended = [(session.ended_at, -1) for session in sessions if session.ended_at is not None]
    open_now = most = 0
    for _, change in sorted(begun + ended):
        open_now += change
        most = max(most, open_now)
    return most
