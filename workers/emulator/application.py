"""The emulator's routes: Kaggle's calls, the addresses of output files and uploads, and /control."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from workers.emulator.auth import Account
from workers.emulator.blobs import Blobs
from workers.emulator.control import Control
from workers.emulator.datasets import DatasetsService
from workers.emulator.effects import DISTORTIONS, Fault, answer_with, distorted
from workers.emulator.faults import FAIL_PROCESSING, STREAM_CALL, take_fault
from workers.emulator.kernels import KernelsService
from workers.emulator.outputs import Signer, storage_error
from workers.emulator.sessions import REAP_SECONDS, Sessions
from workers.emulator.store import Store
from workers.emulator.stream import LogStream
from workers.emulator.wire import ApiError, json_body

logger = logging.getLogger(__name__)


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
        control: Control,
    ) -> None:
        self._control = control
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
        routes += [*self._control.routes(), Route("/healthz", self.health)]
        handlers: Any = {ApiError: _error_response}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    async def call(self, request: Request) -> Response:
        """A method of the KernelsApiService."""
        method = request.path_params["method"]

        async def process(fault: Fault) -> Response:
            self._account.check(request)
            body = await json_body(request, dict)
            if method == STREAM_CALL:
                return await self._stream.response(body, fault)
            answer = self._service.method(method, fault.get("kind", ""))(body)
            if method == "SaveKernel":
                self._pushed.set()
            return JSONResponse(answer)

        return await self._with_faults(method, process)

    async def dataset_call(self, request: Request) -> Response:
        """A method of the DatasetApiService."""
        method = request.path_params["method"]

        async def process(fault: Fault) -> Response:
            self._account.check(request)
            body = await json_body(request, dict)
            creating = {"CreateDataset": self._datasets.create, "CreateDatasetVersion": self._datasets.create_version}
            if method in creating:
                return JSONResponse(creating[method](body, failing=fault.get("kind") == FAIL_PROCESSING))
            return JSONResponse(self._datasets.method(method)(body))

        return await self._with_faults(method, process)

    async def start_upload(self, request: Request) -> Response:
        """The one method of the BlobApiService."""

        async def process(_: Fault) -> Response:
            self._account.check(request)
            return JSONResponse(self._blobs.start(await json_body(request, dict)))

        return await self._with_faults("StartBlobUpload", process)

    async def upload(self, request: Request) -> Response:
        """The bytes of a blob, from whoever has its address."""

        async def process(_: Fault) -> Response:
            return await self._blobs.receive(request.path_params["upload"], request)

        return await self._with_faults("Upload", process)

    async def log_stream(self, request: Request) -> Response:
        """The log stream where the command line looks for it (kaggle_api_extended.py, `kernels_logs_stream`)."""
        names = {"userName": request.path_params["owner"], "kernelSlug": request.path_params["slug"]}

        async def process(fault: Fault) -> Response:
            self._account.check(request)
            return await self._stream.response(names, fault)

        return await self._with_faults(STREAM_CALL, process)

    async def introspect(self, request: Request) -> Response:
        """Whose a token is; the client asks this first, with nothing but the token to authorise it."""

        async def process(_: Fault) -> Response:
            token = (await json_body(request, dict)).get("token") or ""
            if not self._account.knows_token(token):
                return JSONResponse({"active": False})
            return JSONResponse({"active": True, "username": self._account.username, "userId": 1})

        return await self._with_faults("IntrospectToken", process)

    async def download(self, request: Request) -> Response:
        """An output file, for whoever has its signed address."""
        session_id, name = request.path_params["session_id"], request.path_params["name"]
        expires, signature = request.query_params.get("Expires", ""), request.query_params.get("Signature", "")

        async def process(fault: Fault) -> Response:
            if not self._signer.valid(session_id, name, expires, signature):
                return storage_error(403, "SignatureDoesNotMatch")
            session = self._store.session(session_id)
            output = self._sessions.output(session, name) if session else None
            if output is None:
                return storage_error(404, "NoSuchKey")
            self._store.count("download", name)
            if fault.get("kind") in DISTORTIONS:
                return distorted(fault, output if isinstance(output, bytes) else output.read_bytes())
            if isinstance(output, bytes):
                return Response(output, media_type="application/octet-stream")
            return FileResponse(output, media_type="application/octet-stream")

        return await self._with_faults("Download", process)

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _with_faults(self, call: str, process: Callable[[Fault], Awaitable[Response]]) -> Response:
        """Counts a call and processes it, unless a scripted fault gets in the way."""
        self._store.count("call", call)
        return await answer_with(take_fault(self._store, call), process)

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
