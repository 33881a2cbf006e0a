"""Whatever is sent, the answer is a job or a problem that names a field; never a mistake of ours."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.schemas import SpeechRequest

JSON = {"content-type": "application/json"}

# Any code point, lone surrogates included.
_text = st.text(st.characters(exclude_categories=()), max_size=60)
_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_field = st.sampled_from(sorted(SpeechRequest.model_fields))
_bodies = _value | st.dictionaries(_field, _value, max_size=6).map(lambda body: {"text": "a", **body})

_hostile = settings(
    max_examples=100,
    deadline=None,
    # The process and its Redis stay the same over all examples, as they do in life.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


def _post(api: httpx.Client, body: Any) -> httpx.Response:
    return api.post("/synthesize", content=json.dumps(body), headers=JSON)


@_hostile
@given(body=_bodies)
def test_any_json_is_answered(api: httpx.Client, body: Any) -> None:
    """Any JSON at all becomes a job, or a problem that names the culprit."""
    answer = _post(api, body)
    if answer.status_code != 202:
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (422, 422)
        assert problem["field"]
        assert problem["code"] != "invalid_request"


@_hostile
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_is_kept_as_it_is(api: httpx.Client, text: str) -> None:
    """A text with something to speak in it is accepted whole, whatever surrounds it."""
    answer = _post(api, {"text": f"ok {text}", "metadata": {"copy": text}})
    assert answer.status_code == 202
    job = api.get(answer.headers["location"]).json()
    assert (job["characters"], job["metadata"]) == (len(text) + 3, {"copy": text})


@_hostile
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered(api: httpx.Client, body: bytes) -> None:
    """Bytes that are no JSON are a 400, and the few that are get their answer too."""
    assert api.post("/synthesize", content=body, headers=JSON).status_code in {202, 400, 422}


@pytest.mark.parametrize(
    "path", ["/jobs/%00", "/jobs/%ff", "/jobs/%0d%0ax", "/voices?provider=%ff%00", "/jobs?cursor=%ff"]
)
def test_strange_addresses_are_answered(api: httpx.Client, path: str) -> None:
    """Bytes that are no text in an address are a refusal like any other."""
    answer = api.get(path)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"
