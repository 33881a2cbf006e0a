"""The endpoint that the documentation of FastAPI and RQ leads to, and Starlette's FileResponse: an application of its
own, in a process of its own, without any middleware. `uvicorn --factory tests.bench.api.textbook:create_app`.
"""

import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from redis import Redis
from rq import Queue

REDIS_URL, FILE = "BENCH_REDIS_URL", "BENCH_FILE"
"""The variables that name the server and the file behind /audio."""


class TextbookRequest(BaseModel):
    """The fields that such an endpoint would have."""

    text: str = Field(min_length=1, max_length=5000)
    voice: str | None = None
    language: str = "en"


def create_app() -> FastAPI:
    """The application, as its documentation would build it."""
    app = FastAPI()
    queue = Queue("textbook", connection=Redis.from_url(os.environ[REDIS_URL]))
    file = Path(os.environ[FILE])

    @app.post("/synthesize", status_code=202)
    def enqueue(request: TextbookRequest) -> dict[str, str]:
        job = queue.enqueue("textbook.speak", request.text, request.voice, request.language)
        return {"id": job.id, "status": "queued"}

    @app.get("/audio")
    async def audio() -> FileResponse:
        return FileResponse(file, media_type="audio/wav")

    return app
