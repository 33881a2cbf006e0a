"""The service with endpoints beside its own that do nothing: `uvicorn --factory tests.bench.api.rivals:create_app`.

They are behind all that the service puts before its routes, and before these in the order of routes. The POST refuses
whatever POST /synthesize refuses, for the same reasons (key, JSON, fields, voice, language, length, ...), and then
answers a constant; the GET answers one. Both answers are a job, written beforehand. `/noop` is read by FastAPI, as such
endpoints are; `/lean` by hand, as the service's own are.
"""

from fastapi import APIRouter, FastAPI, Request, Response

from app import main
from app.api.dependencies import Caller, resources
from app.api.direct import DirectRoute
from app.api.json_body import read_json
from app.api.schemas import SpeechRequest

JOB = (
    b'{"id":"1a20af381a6614b769224","status":"queued","phase":"waiting","provider":"hibari","model":"hibari",'
    b'"voice":"heart","language":"en","format":"wav","gpu":false,"seed":null,"options":{},"priority":"normal",'
    b'"characters":100,"created_at":"2026-11-24T00:27:40.326243Z","started_at":null,"finished_at":null,"progress":0.0,'
    b'"position":3,"eta_seconds":null,"warnings":[],"waiting":null,"error":null,"audio":null,"cached":false,"run":null,'
    b'"gpu_seconds":0.0,"metadata":{},"urls":{"self":"/jobs/1a20af381a6614b769224",'
    b'"audio":"/jobs/1a20af381a6614b769224/audio","logs":"/jobs/1a20af381a6614b769224/logs"}}'
)


async def accept_nothing(request: Request, _: Caller) -> Response:
    """Validates, and does nothing."""
    resources(request).admission.admit(await read_json(request, SpeechRequest), ())
    return Response(JOB, 202, media_type="application/json")


async def read_nothing(job_id: str) -> Response:  # noqa: ARG001
    """Does nothing, for anybody."""
    return Response(JOB, media_type="application/json")


def create_app() -> FastAPI:
    """The service and its rivals."""
    service = main.create_app()
    for prefix, router in (("/noop", APIRouter()), ("/lean", APIRouter(route_class=DirectRoute))):
        router.add_api_route(prefix, accept_nothing, methods=["POST"], status_code=202)
        router.add_api_route(f"{prefix}/{{job_id}}", read_nothing, methods=["GET"])
        service.router.routes[:0] = router.routes
    return service
