"""The OpenAPI document: what FastAPI finds in the routes, completed with what is the same for all of them.

So a route says only what is its own: the statuses it may answer with, and the headers of its successes. What is shared
(problems, headers, examples, the forms of ids) is found here and in the three modules beside this one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api.openai_errors import is_openai
from app.api.openapi_examples import ADDRESSES, MODELS
from app.api.openapi_headers import EVERYWHERE, HEADERS, RATES, named
from app.api.openapi_problems import ENVELOPE, PROBLEM, SCHEMAS, response_name, shared_response
from app.api.openapi_webhooks import message_schemas, webhooks
from app.shared.settings import Settings

DESCRIPTION = """Kavox speaks text on Kaggle's free GPUs. POST a text, follow its job, fetch its audio.

Every GET is a HEAD too. A method that an address has not is a 405 whose `Allow` names those that it has. Errors are
`application/problem+json` (RFC 9457), below `/v1` they have OpenAI's form; `code` is for programs and never changes its
meaning. Every answer has an `X-Request-ID`. Times are ISO 8601 in UTC, durations seconds, sizes bytes."""

ABOUT: Mapping[str, Any] = {
    "title": "Kavox",
    "summary": "Speech from Kaggle's free GPUs",
    "description": DESCRIPTION,
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "servers": [{"url": "/", "description": "The service that this document came from."}],
    "openapi_tags": [
        {"name": "speech", "description": "Text in; a job out."},
        {"name": "jobs", "description": "How far a job has come, its audio and its run's log; its end, if you wish."},
        {"name": "batches", "description": "Many texts at once, and their audio as a whole."},
        {"name": "webhooks", "description": "Being told what happens to a job; how that went, and what signs it."},
        {"name": "voices", "description": "What can be spoken with: the providers' voices, and those cloned by you."},
        {"name": "openai", "description": "The same road for clients of OpenAI's API."},
        {"name": "operations", "description": "Whether it is well, and what is left of the week's GPU quota."},
    ],
}

Operation = dict[str, Any]

# FastAPI would only know them from its own dependencies for them (`dependencies.py`).
_KEYS = {
    "HTTPBearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "What `kavox keys create` prints; as long as there is none, none is needed on this machine.",
    },
    "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

# Who makes something, where its id then stands, and what can be done with it.
_MAKERS = (
    ("/synthesize", "post", "job_id", "$response.body#/id"),
    ("/jobs", "get", "job_id", "$response.body#/jobs/0/id"),
    ("/batches", "post", "batch_id", "$response.body#/id"),
    ("/batches", "get", "batch_id", "$response.body#/batches/0/id"),
    ("/jobs/{job_id}/deliveries", "get", "delivery_id", "$response.body#/deliveries/0/id"),
    ("/batches/{batch_id}/deliveries", "get", "delivery_id", "$response.body#/deliveries/0/id"),
    ("/voices", "post", "voice_id", "$response.body#/id"),
)


def install(app: FastAPI, settings: Settings, needs_keys: Callable[[], bool]) -> None:
    """Has the application serve the completed document at /openapi.json; it says whether a key is needed now."""
    found = app.openapi

    @cache
    def complete() -> dict[str, Any]:
        for route in app.routes:
            if isinstance(route, APIRoute):
                route.operation_id = route.name  # what generated clients call it
        return _complete(found(), settings)

    @cache
    def without_keys() -> dict[str, Any]:
        document = deepcopy(complete())
        for _, operation in _operations(document):
            if "security" in operation:
                operation["security"].append({})
        return document

    def openapi() -> dict[str, Any]:
        return complete() if needs_keys() else without_keys()

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own documentation does it


def _complete(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    components = document["components"]
    schemas = components["schemas"]
    # FastAPI's own form of a refusal, which no route here answers with.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= {name: dict(schema) for name, schema in SCHEMAS.items()} | message_schemas()
    document["webhooks"] = webhooks()
    components["headers"] = {name: dict(header) for name, header in HEADERS.items()}
    for path, operation in _operations(document):
        _complete_parameters(operation)
        _add_refusals(path, operation)
        _complete_responses(path, operation)
        _share_body(operation, schemas)
        if "401" in operation["responses"]:
            operation["security"] = [{name: []} for name in _KEYS]
    components["responses"] = _shared_responses(document)
    components["securitySchemes"] = _KEYS
    _link(document)
    for name, example in MODELS.items():
        schemas[name]["examples"] = [example]
    for name, field in (("SpeechRequest", "text"), ("OpenAISpeech", "input")):
        schemas[name]["properties"][field]["maxLength"] = settings.max_text_chars
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, Operation]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _complete_parameters(operation: Operation) -> None:
    for parameter in operation.get("parameters", []):
        schema = _without_null(parameter["schema"])
        # A header that may be there several times is one list all the same (RFC 9110, 5.3).
        lines = parameter["in"] == "header" and schema.get("type") == "array"
        parameter["schema"] = {**schema["items"], "title": schema["title"]} if lines else schema
        if parameter["in"] == "path":
            parameter["schema"] |= ADDRESSES[parameter["name"]]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The same of what is left out where it is not sent: no address, header or form can say null."""
    some = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**(some[0] if len(some) == 1 else {"anyOf": some} if some else {}), **rest}


def _add_refusals(path: str, operation: Operation) -> None:
    """What may become of a request wherever a key may be needed."""
    form = ENVELOPE if is_openai(path) else PROBLEM
    if "401" in operation["responses"]:
        for status in (403, 429, 503):
            operation["responses"].setdefault(str(status), _shared(form, status))


def _shared(form: str, status: int) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/{response_name(form, status)}"}


def _complete_responses(path: str, operation: Operation) -> None:
    responses = operation["responses"]
    if "$ref" not in responses.get("422", {"$ref": ""}):
        del responses["422"]  # FastAPI's own, for a route that refuses nothing
    form = ENVELOPE if is_openai(path) else PROBLEM
    responses.setdefault("500", _shared(form, 500))
    waits = any(parameter["name"] == "Prefer" for parameter in operation.get("parameters", []))
    for status, response in responses.items():
        if "$ref" in response:
            responses[status] = {"$ref": response["$ref"]}
            continue
        preferred = ("Preference-Applied",) if waits and status.startswith("2") else ()
        rates = RATES if "401" in responses and status.startswith("2") else ()
        response["headers"] = {**response.get("headers", {}), **named(*preferred, *rates, *EVERYWHERE)}
        for media_type, content in response.get("content", {}).items():
            # FastAPI adds what a status of its own answers with to what the route answers with.
            if model := content["schema"].get("$ref"):
                content["schema"] = _event(model) if media_type == "text/event-stream" else {"$ref": model}
    operation["responses"] = dict(sorted(responses.items()))


def _event(data: str) -> dict[str, Any]:
    """One event of a stream; OpenAPI 3.1 has no word for the whole of it."""
    return {
        "type": "object",
        "description": "One event; the stream is many of them.",
        "required": ["event", "id", "data"],
        "properties": {
            "event": {"enum": ["progress", "end"]},
            "id": {"type": "string", "description": "For Last-Event-ID."},
            "retry": {"type": "integer", "description": "Milliseconds until a client should come back."},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"$ref": data}},
        },
    }


def _share_body(operation: Operation, schemas: dict[str, Any]) -> None:
    """Gives the form of a body its name, which FastAPI does only for bodies that it reads itself."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        if media_type == "multipart/form-data":
            fields = schema["properties"].items()
            schema = {**schema, "properties": {name: _without_null(field) for name, field in fields}}
        schemas[schema["title"]] = schema
        content["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}


def _shared_responses(document: Mapping[str, Any]) -> dict[str, Any]:
    """Every problem that some route may answer with."""
    used = {
        response["$ref"].rpartition("/")[2]
        for _, operation in _operations(document)
        for response in operation["responses"].values()
        if "$ref" in response
    }
    shared = {}
    for name in sorted(used):
        form = ENVELOPE if name.startswith(ENVELOPE) else PROBLEM
        shared[name] = shared_response(form, int(name.removeprefix(form)))
        shared[name]["headers"] |= named(*EVERYWHERE)
    return shared


def _link(document: dict[str, Any]) -> None:
    """Says where the ids in addresses come from."""
    links = document["components"].setdefault("links", {})
    for path, method, parameter, place in _MAKERS:
        maker = document["paths"][path][method]
        used = {}
        shared = {found: f"$request.path.{found}" for found in _in_path(path)}
        for other, operation in _operations(document):
            if {parameter, *shared} <= _in_path(other):
                name = f"{maker['operationId']}.{operation['operationId']}"
                links[name] = {"operationId": operation["operationId"], "parameters": {**shared, parameter: place}}
                used[operation["operationId"]] = {"$ref": f"#/components/links/{name}"}
        for status, response in maker["responses"].items():
            if status.startswith("2"):
                response["links"] = used


def _in_path(path: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", path))
