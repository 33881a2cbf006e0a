"""GET /providers and GET /voices: what can be asked for."""

import httpx
import pytest


def test_providers_are_listed_with_all_they_can_do(api: httpx.Client) -> None:
    """Each provider shows its manifest, and the default one is named."""
    listing = api.get("/providers").json()
    assert listing["default"] == "hibari"
    providers = {provider["name"]: provider for provider in listing["providers"]}
    assert providers.keys() == {"hibari", "qwen", "chatterbox", "edge"}
    assert providers["qwen"]["gpu"] is True
    assert providers["hibari"]["hosts"] == ["kaggle", "local"]
    assert providers["hibari"]["options"]["speed"]["maximum"] == 2.0
    # Its manifest allows 100,000, KAVOX_MAX_TEXT_CHARS does not.
    assert providers["edge"]["limits"]["max_text_characters"] == 20_000


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 8),
        ({"provider": "edge"}, 2),
        ({"language": "de"}, 4),
        ({"language": "EN", "provider": "qwen"}, 2),
        ({"language": "e"}, 0),
        ({"language": "fr"}, 0),
    ],
)
def test_voices_are_listed(api: httpx.Client, parameters: dict[str, str], count: int) -> None:
    """Voices can be asked for by provider and by language."""
    assert len(api.get("/voices", params=parameters).json()["voices"]) == count


def test_a_listed_voice_can_be_asked_for(api: httpx.Client) -> None:
    """A voice has the names that POST /synthesize takes."""
    voice = api.get("/voices", params={"provider": "hibari"}).json()["voices"][0]
    request = {"text": "a", "provider": voice["provider"], "voice": voice["id"], "language": voice["languages"][0]}
    assert api.post("/synthesize", json=request).status_code == 202


def test_voices_of_nobody_are_refused(api: httpx.Client) -> None:
    """An unknown provider is named, with the valid ones."""
    answer = api.get("/voices", params={"provider": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_provider")
    assert answer.json()["valid"] == ["chatterbox", "edge", "hibari", "qwen"]
