"""The OpenAPI document keeps what it promises."""

from typing import Any

import httpx
import pytest


@pytest.fixture
def document(api: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = api.get("/openapi.json").json()
    return answer


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]


def test_examples_work_when_pasted(api: httpx.Client, document: dict[str, Any]) -> None:
    """Each example of a request is accepted as it stands, with no warning."""
    body = document["paths"]["/synthesize"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]
    for example in body["examples"].values():
        answer = api.post("/synthesize", json=example["value"])
        assert (answer.status_code, answer.json()["warnings"]) == (202, [])


def test_the_request_is_described(document: dict[str, Any]) -> None:
    """The request's schema lists every field, and needs nothing from elsewhere."""
    schema = document["paths"]["/synthesize"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["text"]
    assert schema["additionalProperties"] is False
    assert "$ref" not in str(schema)


def test_problems_are_declared(document: dict[str, Any]) -> None:
    """Every refusal in the document is problem+json, or OpenAI's envelope; FastAPI's own error shape is nowhere."""
    for path, operation in _operations(document):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and path != "/readyz":
                kind = "application/json" if path.startswith("/v1/") else "application/problem+json"
                assert list(response["content"]) == [kind], (path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_docs_page_is_there(api: httpx.Client) -> None:
    """People find the documentation at /docs."""
    assert "openapi.json" in api.get("/docs").text
