"""Requests that are refused: each names its culprit and says what would be right."""

from typing import Any

import httpx
import pytest

from tests.app.manifests import MOST_CHARACTERS

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    # request, field, code
    ({}, "text", "missing_field"),
    ({"text": None}, "text", "wrong_type"),
    ({"text": 5}, "text", "wrong_type"),
    ({"text": ""}, "text", "text_empty"),
    ({"text": " \n\t\u2003 "}, "text", "text_empty"),
    ({"text": "a" * (MOST_CHARACTERS + 1)}, "text", "text_too_long"),
    ({"text": "a" * 20_001, "provider": "edge"}, "text", "text_too_long"),
    ({"text": "?!… 😀 مرحبا"}, "text", "nothing_to_speak"),
    ({"text": "a", "provider": "nobody"}, "provider", "unknown_provider"),
    ({"text": "a", "provider": ""}, "provider", "invalid_value"),
    ({"text": "a", "model": "huge"}, "model", "unknown_model"),
    ({"text": "a", "voice": "Heart"}, "voice", "unknown_voice"),
    ({"text": "a", "voice": "grand"}, "voice", "unknown_voice"),
    ({"text": "a", "language": "fr"}, "language", "unknown_language"),
    ({"text": "a", "model": "large", "voice": "grand", "language": "de-at"}, "language", "unknown_language"),
    ({"text": "a", "format": "aac"}, "format", "unsupported_format"),
    ({"text": "a", "provider": "edge", "seed": 1}, "seed", "unsupported_seed"),
    ({"text": "a", "seed": -1}, "seed", "invalid_value"),
    ({"text": "a", "seed": 2**31}, "seed", "invalid_value"),
    ({"text": "a", "seed": "5"}, "seed", "wrong_type"),
    ({"text": "a", "seed": 5.5}, "seed", "wrong_type"),
    ({"text": "a", "seed": True}, "seed", "wrong_type"),
    ({"text": "a", "gpu": 1}, "gpu", "wrong_type"),
    ({"text": "a", "gpu": "true"}, "gpu", "wrong_type"),
    ({"text": "a", "priority": "urgent"}, "priority", "invalid_value"),
    ({"text": "a", "options": []}, "options", "wrong_type"),
    ({"text": "a", "options": {"sped": 1}}, "options.sped", "unknown_option"),
    ({"text": "a", "options": {"speed": "1"}}, "options.speed", "invalid_option"),
    ({"text": "a", "options": {"speed": True}}, "options.speed", "invalid_option"),
    ({"text": "a", "options": {"speed": 3}}, "options.speed", "invalid_option"),
    ({"text": "a", "options": {"mood": "angry"}}, "options.mood", "invalid_option"),
    ({"text": "a", "options": {"describe": "old"}}, "options.describe", "unknown_option"),
    ({"text": "a", "model": "large", "voice": "heart", "options": {"describe": "old"}}, "voice", "voice_and_option"),
    (
        {"text": "a", "model": "large", "options": {"describe": "old", "whisper": True}},
        "options.whisper",
        "option_needs_voice",
    ),
    ({"text": "a", "voice": "voice-0123456789abcdef01234"}, "voice", "unknown_voice"),
    ({"text": "a", "metadata": "mine"}, "metadata", "wrong_type"),
    ({"text": "a", "metadata": {"big": "x" * 17_000}}, "metadata", "metadata_too_large"),
    ({"text": "a", "metadata": {"big": 10**30}}, "metadata.big", "invalid_value"),
    ({"text": "a", "speeed": 1}, "speeed", "unknown_field"),
]


@pytest.mark.parametrize(("request_body", "field", "code"), REFUSED)
def test_a_refused_request_names_its_field(
    api: httpx.Client, request_body: dict[str, Any], field: str, code: str
) -> None:
    """Whatever is wrong, the problem names the field and a stable code, and no job is made."""
    answer = api.post("/synthesize", json=request_body)
    problem = answer.json()
    assert (answer.status_code, problem["field"], problem["code"]) == (422, field, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["errors"][0].keys() == {"field", "code", "detail"}
    assert api.get("/jobs").json()["jobs"] == []


def test_a_problem_is_complete(api: httpx.Client) -> None:
    """A problem has the members of RFC 9457, and a code."""
    problem = api.post("/synthesize", json={"text": "a", "voice": "nobody"}).json()
    assert problem == {
        "type": "about:blank",
        "title": problem["title"],
        "status": 422,
        "detail": "hibari with model small has no voice 'nobody'; valid: heart",
        "code": "unknown_voice",
        "instance": "/synthesize",
        "field": "voice",
        "valid": ["heart"],
        "errors": [{"field": "voice", "code": "unknown_voice", "detail": problem["detail"]}],
    }


@pytest.mark.parametrize(
    ("request_body", "valid"),
    [
        ({"text": "a", "provider": "nobody"}, ["chatterbox", "edge", "hibari", "qwen"]),
        ({"text": "a", "model": "huge"}, ["small", "large", "careful"]),
        ({"text": "a", "model": "large", "voice": "x"}, ["heart", "grand"]),
        ({"text": "a", "language": "fr"}, ["en", "de-at"]),
        ({"text": "a", "options": {"sped": 1}}, ["speed", "mood", "whisper"]),
        ({"text": "a", "format": "aac"}, ["wav", "flac", "mp3", "opus", "pcm"]),
    ],
)
def test_an_unknown_choice_lists_the_valid_ones(
    api: httpx.Client, request_body: dict[str, Any], valid: list[str]
) -> None:
    """Who asks for something that is not there learns what is."""
    assert api.post("/synthesize", json=request_body).json()["valid"] == valid


def test_a_text_that_is_too_long_hears_both_numbers(api: httpx.Client) -> None:
    """The problem says how long the text is and how long it may be, in characters and not in bytes."""
    problem = api.post("/synthesize", json={"text": "ä" * 1200}).json()
    assert (problem["characters"], problem["most"]) == (1200, MOST_CHARACTERS)
    assert "1200" in problem["detail"]
    assert "1000" in problem["detail"]


def test_every_wrong_field_is_named_at_once(api: httpx.Client) -> None:
    """Several mistakes of form are told in one answer."""
    problem = api.post("/synthesize", json={"text": 1, "gpu": 1, "extra": 1}).json()
    assert {error["field"] for error in problem["errors"]} == {"text", "gpu", "extra"}


def test_the_longest_text_is_accepted(api: httpx.Client) -> None:
    """The limit itself is within the limit."""
    assert api.post("/synthesize", json={"text": "a" * MOST_CHARACTERS}).status_code == 202


def test_a_refusal_speaks_of_the_place_that_is_wrong(api: httpx.Client) -> None:
    """In a caller's words: the body as a whole, a field of it, or a parameter of the address."""
    whole = api.post("/synthesize", json=["Hello."]).json()
    assert (whole["field"], whole["detail"]) == ("body", "body: must be a JSON object")
    field = api.post("/synthesize", json={"text": "a", "speed": 2}).json()
    assert field["detail"] == "speed: is not a field of this request; settings of the engine go into options"
    parameter = api.post("/synthesize", params={"dry": "true"}, json={"text": "a"}).json()
    assert parameter["detail"] == "dry: is not a field of this request"
