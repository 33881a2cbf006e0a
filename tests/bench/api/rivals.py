"""What the service is held against, in the same process: `uvicorn --factory tests.bench.api.rivals:create_app`.

- `/noop`, behind all that the service puts before its routes, and before these in the order of routes: a POST that
  refuses whatever POST /synthesize refuses, for the same reasons (key, JSON, fields, voice, language, length, ...), and
  then answers a constant; a GET that answers one. Both answers are a job, written beforehand.
- `/textbook`, in an application beside it, without any middleware: the endpoint that the documentation of FastAPI and
  RQ leads to, and Starlette's FileResponse.
"""

import os
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from redis import Redis
from rq import Queue
from starlette.types import ASGIApp, Receive, Scope, Send

from app import main
from app.api.dependencies import Caller, resources
from app.api.json_body import read_json
from app.api.schemas import SpeechRequest
from app.shared.settings import load_settings

FILE = "BENCH_FILE"
"""The variable that names the file behind /textbook/audio."""

JOB = (
    b'{"id":"1a20af381a6614b769224","status":"queued","phase":"waiting","provider":"hibari","model":"hibari",'
    b'"voice":"heart","language":"en","format":"wav","gpu":false,"seed":null,"options":{},"priority":"normal",'
    b'"characters":100,"created_at":"2026-11-24T00:27:40.326243Z","started_at":null,"finished_at":null,"progress":0.0,'
    b'"position":3,"eta_seconds":null,"warnings":[],"waiting":null,"error":null,"audio":null,"cached":false,"run":null,'
    b'"gpu_seconds":0.0,"metadata":{},"urls":{"self":"/jobs/1a20af381a6614b769224",'
    b'"audio":"/jobs/1a20af381a6614b769224/audio","logs":"/jobs/1a20af381a6614b769224/logs"}}'
)

noops = APIRouter()


@noops.post("/noop", status_code=202)
async def noop_post(request: Request, _: Caller) -> Response:
    """Validates, and does nothing."""
    resources(request).admission.admit(await read_json(request, SpeechRequest), ())
    return Response(JOB, 202, media_type="application/json")


@noops.get("/noop/{job_id}")
async def noop_get(job_id: str) -> Response:  # noqa: ARG001
    """Does nothing."""
    return Response(JOB, media_type="application/json")


class TextbookRequest(BaseModel):
    """The fields that such an endpoint would have."""

    text: str = Field(min_length=1, max_length=5000)
    voice: str | None = None
    language: str = "en"


def create_app() -> ASGIApp:
    """The service and its rivals."""
    service, textbook = main.create_app(), _textbook()
    service.router.routes[:0] = noops.routes

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        beside = scope["type"] == "http" and scope["path"].startswith("/textbook/")
        await (textbook if beside else service)(scope, receive, send)

    return app


def _textbook() -> FastAPI:
    app = FastAPI()
    queue = Queue("textbook", connection=Redis.from_url(str(load_settings().redis_url)))
    file = Path(os.environ[FILE])

    @app.post("/textbook/synthesize", status_code=202)
    def enqueue(request: TextbookRequest) -> dict[str, str]:
        job = queue.enqueue("textbook.speak", request.text, request.voice, request.language)
        return {"id": job.id, "status": "queued"}

    @app.get("/textbook/audio")
    async def audio() -> FileResponse:
        return FileResponse(file, media_type="audio/wav")

    return app
