"""The OpenAPI document keeps what it promises."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate

from app.shared.settings import Settings
from tests.app.openapi_snapshot import SNAPSHOT, current, differences
from tests.app.test_error_codes import MET

MOST = Settings.model_fields["max_text_chars"].default
SHAPES = {"application/json", "application/problem+json"}


@pytest.fixture
def document(api: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = api.get("/openapi.json").json()
    return answer


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of a service with keys."""
    return current(tmp_path_factory.mktemp("data"))


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]


def _resolved(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    for name in found.get("$ref", "#/").split("/")[1:] if "$ref" in found else ():
        document = document[name]
    return document if "$ref" in found else found


def _answers(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every answer of every operation."""
    for _, operation in _operations(document):
        for status, response in operation["responses"].items():
            yield f"{operation['operationId']} {status}", _resolved(document, response)


def _examples(document: dict[str, Any], schema: dict[str, Any]) -> list[Any]:
    """One of the schema, or one of each that it may be; None where there is none."""
    models = [_resolved(document, one) for one in schema.get("anyOf", [schema])]
    return [next(iter(model.get("examples", [])), None) for model in models]


def _check(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """Raises when the value is not what the schema wants."""
    whole = {**schema, "components": document["components"]}
    OAS31Validator(whole, format_checker=oas31_format_checker).validate(value)


def test_the_document_is_valid(document: dict[str, Any], guarded: dict[str, Any]) -> None:
    """It is what OpenAPI 3.1 says that it must be."""
    validate(document)
    validate({**guarded, "info": {**guarded["info"], "version": "1"}})


def test_the_document_is_the_one_that_was_looked_at(guarded: dict[str, Any]) -> None:
    """Nobody's client breaks unseen: what changes is named, and kept when it is meant."""
    found = differences(json.loads(SNAPSHOT.read_text(encoding="utf-8")), guarded)
    assert not found, "\n".join(
        ["the API has changed; what is gone or newly required breaks callers. If it is meant: make snapshot", *found]
    )


def test_a_breaking_change_is_named(guarded: dict[str, Any]) -> None:
    """A field that is gone, one that is newly required, an answer that is gone."""
    changed = copy.deepcopy(guarded)
    del changed["components"]["schemas"]["JobView"]["properties"]["voice"]
    changed["components"]["schemas"]["SpeechRequest"]["required"].append("voice")
    del changed["paths"]["/jobs/{job_id}"]["delete"]["responses"]["409"]
    found = differences(guarded, changed)
    assert any(line.startswith("gone:    /components/schemas/JobView/properties/voice/") for line in found)
    assert 'new:     /components/schemas/SpeechRequest/required/1 = "voice"' in found
    assert 'gone:    /paths//jobs/{job_id}/delete/responses/409/$ref = "#/components/responses/Problem409"' in found


def test_every_answer_has_an_example_that_is_right(guarded: dict[str, Any]) -> None:
    """Of its media type, or of its model; what has none is named."""
    for label, response in _answers(guarded):
        for media_type, content in response.get("content", {}).items():
            if media_type in SHAPES:
                schema = content["schema"]
                examples = [content["example"]] if "example" in content else _examples(guarded, schema)
                assert all(examples), f"{label} has no example: see app/api/openapi_examples.py"
                for example in examples:
                    _check(guarded, schema, example)


def test_every_example_of_a_problem_has_a_code_that_there_is(guarded: dict[str, Any]) -> None:
    """As docs/errors.md explains them."""
    shared = guarded["components"]["responses"].values()
    examples = [content["example"] for response in shared for content in response["content"].values()]
    assert {example.get("error", example)["code"] for example in examples} <= MET


def test_every_request_has_examples_that_are_right(guarded: dict[str, Any]) -> None:
    """Each body that is JSON; each id in an address."""
    for path, operation in _operations(guarded):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if media_type == "application/json":
                for example in content["examples"].values():
                    _check(guarded, content["schema"], example["value"])
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                assert parameter["schema"]["examples"], path
            for example in parameter["schema"].get("examples", []):
                _check(guarded, parameter["schema"], example)


def test_every_answer_names_its_headers(guarded: dict[str, Any]) -> None:
    """All have an id; one that says that something is elsewhere, later or forbidden has the header for it."""
    needed = {"201": "Location", "202": "Retry-After", "401": "WWW-Authenticate", "409": "Retry-After", "206": "ETag"}
    for label, response in _answers(guarded):
        assert {"X-Request-ID", "Cache-Control"} <= response["headers"].keys(), label
        assert needed.get(label.split()[1], "X-Request-ID") in response["headers"], label


def test_operations_have_names_that_stay(guarded: dict[str, Any]) -> None:
    """Short, readable, each once; and every tag is described."""
    names = [operation["operationId"] for _, operation in _operations(guarded)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z_]{5,30}", name) for name in names), names
    used = {tag for _, operation in _operations(guarded) for tag in operation["tags"]}
    assert {tag["name"] for tag in guarded["tags"] if tag["description"]} == used


def test_a_key_is_wanted_only_where_one_is_needed(document: dict[str, Any], guarded: dict[str, Any]) -> None:
    """Health is open to all; without any keys everything is."""
    kinds: list[dict[str, list[str]]] = [{"HTTPBearer": []}, {"APIKeyHeader": []}]
    for path, operation in _operations(guarded):
        assert operation.get("security", []) == ([] if path in {"/healthz", "/readyz"} else kinds)
    for path, operation in _operations(document):
        assert operation.get("security", []) == ([] if path in {"/healthz", "/readyz"} else [*kinds, {}])


def test_examples_work_when_pasted(api: httpx.Client, document: dict[str, Any]) -> None:
    """Each example of a request is accepted as it stands, with no warning."""
    body = document["paths"]["/synthesize"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]
    for example in body["examples"].values():
        answer = api.post("/synthesize", json=example["value"])
        assert (answer.status_code, answer.json()["warnings"]) == (202, [])


def test_the_request_is_described(document: dict[str, Any]) -> None:
    """The request's schema lists every field, with its bounds."""
    body = document["paths"]["/synthesize"]["post"]["requestBody"]["content"]["application/json"]
    schema = _resolved(document, body["schema"])
    assert schema["required"] == ["text"]
    assert schema["additionalProperties"] is False
    assert (schema["properties"]["text"]["minLength"], schema["properties"]["text"]["maxLength"]) == (1, MOST)


def test_problems_are_declared(document: dict[str, Any]) -> None:
    """Every refusal in the document is problem+json, or OpenAI's envelope; FastAPI's own error shape is nowhere."""
    for path, operation in _operations(document):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and (path, status) != ("/readyz", "503"):
                kind = "application/json" if path.startswith("/v1/") else "application/problem+json"
                assert list(_resolved(document, response)["content"]) == [kind], (path, status)
    assert "HTTPValidationError" not in str(document)


def test_the_docs_page_is_there(api: httpx.Client) -> None:
    """People find the documentation at /docs."""
    assert "openapi.json" in api.get("/docs").text
