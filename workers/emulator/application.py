"""The emulator's routes: Kaggle's calls, the addresses of output files and uploads, and /control."""

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from workers.emulator import control
from workers.emulator.auth import Account
from workers.emulator.blobs import Blobs
from workers.emulator.datasets import DatasetsService
from workers.emulator.faults import FAIL_PROCESSING, REFUSALS, RESPONSES, check_fault, take_fault
from workers.emulator.kernels import KernelsService
from workers.emulator.outputs import Signer, storage_error
from workers.emulator.server import DROP
from workers.emulator.sessions import REAP_SECONDS, Sessions
from workers.emulator.store import Store
from workers.emulator.stream import LogStream
from workers.emulator.wire import ApiError

logger = logging.getLogger(__name__)

STREAM_CALL = "GetKernelSessionLogsStream"

DEFAULT_HOLD_SECONDS = 30
"""How long a timeout_before fault holds a call that does not say it."""


class Dropped(Response):
    """Closes the connection instead of answering."""

    async def __call__(self, scope: Any, receive: Any, _: Any) -> None:
        scope["extensions"][DROP]["close"]()
        while (await receive())["type"] != "http.disconnect":
            pass


class Application:
    """The HTTP face of one emulator."""

    def __init__(
        self,
        *,
        store: Store,
        sessions: Sessions,
        service: KernelsService,
        blobs: Blobs,
        datasets: DatasetsService,
        account: Account,
        signer: Signer,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._service = service
        self._blobs = blobs
        self._datasets = datasets
        self._stream = LogStream(service, sessions)
        self._account = account
        self._signer = signer
        self._pushed = asyncio.Event()

    def asgi(self) -> Starlette:
        """The application with every route; Kaggle's client uses /v1 on Kaggle and /api/v1 everywhere else."""
        routes = [
            Route("/storage/{session_id:int}/{name:path}", self.download),
            Route("/upload/{upload}", self.upload, methods=["PUT"]),
        ]
        for base in ("/v1", "/api/v1"):
            routes += [
                Route(base + "/kernels.KernelsApiService/{method}", self.call, methods=["POST"]),
                Route(base + "/datasets.DatasetApiService/{method}", self.dataset_call, methods=["POST"]),
                Route(base + "/blobs.BlobApiService/StartBlobUpload", self.start_upload, methods=["POST"]),
                Route(base + "/kernels/logs/stream/{owner}/{slug}", self.log_stream),
                Route(base + "/security.OAuthService/IntrospectToken", self.introspect, methods=["POST"]),
            ]
        routes += [
            Route("/control/stats", self.statistics),
            Route("/control/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/healthz", self.health),
        ]
        handlers: Any = {ApiError: _error_response}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    async def call(self, request: Request) -> Response:
        """A method of the KernelsApiService."""
        method = request.path_params["method"]

        async def process(kind: str) -> Response:
            self._account.check(request)
            body = await _json(request, dict)
            if method == STREAM_CALL:
                return await self._stream.response(body)
            if method == "SaveKernel":
                answer = self._service.save_kernel(body, REFUSALS.get(kind, ""))
                self._pushed.set()
            else:
                answer = self._service.method(method)(body)
            return JSONResponse(answer)

        return await self._with_faults(method, process)

    async def dataset_call(self, request: Request) -> Response:
        """A method of the DatasetApiService."""
        method = request.path_params["method"]

        async def process(kind: str) -> Response:
            self._account.check(request)
            body = await _json(request, dict)
            creating = {"CreateDataset": self._datasets.create, "CreateDatasetVersion": self._datasets.create_version}
            if method in creating:
                return JSONResponse(creating[method](body, failing=kind == FAIL_PROCESSING))
            return JSONResponse(self._datasets.method(method)(body))

        return await self._with_faults(method, process)

    async def start_upload(self, request: Request) -> Response:
        """The one method of the BlobApiService."""

        async def process(_: str) -> Response:
            self._account.check(request)
            return JSONResponse(self._blobs.start(await _json(request, dict)))

        return await self._with_faults("StartBlobUpload", process)

    async def upload(self, request: Request) -> Response:
        """The bytes of a blob, from whoever has its address."""

        async def process(_: str) -> Response:
            return await self._blobs.receive(request.path_params["upload"], request)

        return await self._with_faults("Upload", process)

    async def log_stream(self, request: Request) -> Response:
        """The log stream where the command line looks for it (kaggle_api_extended.py, `kernels_logs_stream`)."""
        names = {"userName": request.path_params["owner"], "kernelSlug": request.path_params["slug"]}

        async def process(_: str) -> Response:
            self._account.check(request)
            return await self._stream.response(names)

        return await self._with_faults(STREAM_CALL, process)

    async def introspect(self, request: Request) -> Response:
        """Whose a token is; the client asks this first, with nothing but the token to authorise it."""

        async def process(_: str) -> Response:
            token = (await _json(request, dict)).get("token") or ""
            if not self._account.knows_token(token):
                return JSONResponse({"active": False})
            return JSONResponse({"active": True, "username": self._account.username, "userId": 1})

        return await self._with_faults("IntrospectToken", process)

    async def download(self, request: Request) -> Response:
        """An output file, for whoever has its signed address."""
        session_id, name = request.path_params["session_id"], request.path_params["name"]
        expires, signature = request.query_params.get("Expires", ""), request.query_params.get("Signature", "")

        async def process(_: str) -> Response:
            if not self._signer.valid(session_id, name, expires, signature):
                return storage_error(403, "SignatureDoesNotMatch")
            session = self._store.session(session_id)
            path = self._sessions.workspace(session).working / name if session else None
            if path is None or not path.is_file():
                return storage_error(404, "NoSuchKey")
            self._store.count("download", name)
            return FileResponse(path, media_type="application/octet-stream")

        return await self._with_faults("Download", process)

    async def statistics(self, _: Request) -> Response:
        return JSONResponse(control.statistics(self._store, self._sessions, time.time()))

    async def faults(self, request: Request) -> Response:
        """Lists, adds or clears the scripted faults."""
        if request.method == "POST":
            for fault in [check_fault(fault) for fault in await _json(request, list)]:
                self._store.add_fault(fault)
        elif request.method == "DELETE":
            for fault_id in self._store.faults():
                self._store.remove_fault(fault_id)
        return JSONResponse(list(self._store.faults().values()))

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _with_faults(self, call: str, process: Callable[[str], Awaitable[Response]]) -> Response:
        """Counts a call and processes it, unless a scripted fault gets in the way.

        `process` is given the kind of the fault that it must answer to itself, or an empty string.
        """
        self._store.count("call", call)
        fault = take_fault(self._store, call)
        kind = fault.get("kind", "")
        if kind == "timeout_before":
            await asyncio.sleep(fault.get("seconds", DEFAULT_HOLD_SECONDS))
            return Dropped()
        if kind in RESPONSES:
            return RESPONSES[kind]()
        response = await process(kind)
        return Dropped() if kind == "lost_response" else response

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        scheduler = asyncio.create_task(self._schedule())
        try:
            yield
        finally:
            scheduler.cancel()
            self._store.close()

    async def _schedule(self) -> None:
        """Moves sessions along when something is due: after a push, at the end of a queue time, at a limit."""
        while True:
            try:
                self._sessions.advance_all()
                pause = self._sessions.seconds_until_due()
            except (OSError, sqlite3.Error):
                logger.exception("could not move the sessions along; trying again")
                pause = REAP_SECONDS
            self._pushed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._pushed.wait(), pause)


def _error_response(_: Request, error: ApiError) -> Response:
    return error.response()


T = TypeVar("T", dict[str, Any], list[Any])


async def _json(request: Request, kind: type[T]) -> T:
    """The request's body, which must be JSON of this kind."""
    try:
        body = json.loads(await request.body() or "{}")
    except ValueError:
        body = None
    if not isinstance(body, kind):
        raise ApiError(400, f"The body must be a JSON {kind.__name__}.")
    return body
