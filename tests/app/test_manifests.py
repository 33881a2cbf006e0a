"""A manifest that is wrong: one clear line when the service starts, never a failure of somebody's request."""

from pathlib import Path

import httpx
import pytest

from app.shared.errors import ConfigurationError
from app.shared.provider import load_providers
from tests.app.manifests import write_manifests

WRONG = [
    # what a manifest says, what this one says instead, what the line says of it
    ('name = "hibari"', 'nom = "hibari"', "name: Field required"),
    ("gpu = false", 'gpu = "perhaps"', "gpu: Input should be a valid boolean"),
    ('languages = ["en", "de-at"]', "languages = []", "voices.0.languages: Value should have at least 1 item"),
    ('id = "careful"', 'id = "small"', "there are two of the model 'small'"),
    ('id = "grand"', 'id = "heart"', "there are two of the voice 'heart' for one model"),
    ('default_voice = "heart"', 'default_voice = "grand"', "'grand' does not go with default_model 'small'"),
    ("minimum = 0.5", "minimum = 5", "options.speed: minimum is above maximum"),
    ("minimum = 0.5", "minimum = 0", "options.speed is a factor: a number with a minimum above 0"),
    ("minimum = 0.5", "minimum = nan", "options.speed.minimum: Input should be a finite number"),
    ("maximum = 2.0", "maximum = 2.0\ndefault = 9", "options.speed: default must be from 0.5 to 2"),
    ('choices = ["glad", "sad"]', "minimum = 1", "options.mood: minimum and maximum are for numbers"),
    ("shortest_seconds_per_character = 0.02", "shortest_seconds_per_character = 9", "limits: shortest_seconds_per_"),
    ("longest_fixed_seconds = 5", "longest_fixed_seconds = inf", "limits.longest_fixed_seconds: Input should be"),
    ("[limits]", "[limits", "Expected ']' at the end of a table declaration"),
]


@pytest.mark.parametrize(("right", "wrong", "told"), WRONG)
def test_a_wrong_manifest_is_one_line_that_says_where(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    """It names the file and the key, and nothing of the library that has noticed."""
    manifest = write_manifests(tmp_path) / "hibari.toml"
    text = manifest.read_text(encoding="utf-8")
    assert right in text
    manifest.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_providers(tmp_path)
    line = refused.value.detail
    assert line.startswith(f"manifest {manifest}: ")
    assert told in line
    assert "\n" not in line
    assert "Value error" not in line


def test_what_another_model_can_do_is_refused_with_its_name(api: httpx.Client) -> None:
    """Who asks the default model for a voice or an option of another one is told which."""
    for fields, name in (({"options": {"describe": "old"}}, "describe"), ({"voice": "grand"}, "grand")):
        problem = api.post("/synthesize", json={"text": "a", "provider": "hibari", **fields}).json()
        assert problem["detail"].endswith(f"; '{name}' goes with model large")
