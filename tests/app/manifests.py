"""Four small providers, one of each kind, so that these tests stand whatever the real manifests say."""

from pathlib import Path

_NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "hibari.ipynb"

_MANIFEST = """
name = "{name}"
title = "{title}"
description = "For tests."
license = "Apache-2.0"
gpu = {gpu}
hosts = [{hosts}]
seed = {seed}
packages = ["{name}_package"]
default_model = "small"
default_voice = "heart"

[engine]
name = "{name}-engine"
version = "1.0"

[[models]]
id = "small"
title = "Small"

[[models]]
id = "large"
title = "Large"
clones = {clones}

[[models]]
id = "careful"
title = "Careful"
clones = {clones}
shortest_reference_seconds = 8

[[voices]]
id = "heart"
title = "Heart"
languages = ["en", "de-at"]

[[voices]]
id = "grand"
title = "Grand"
languages = ["en"]
models = ["large"]

[[languages]]
code = "en"
title = "English"
speakable = "[A-Za-z0-9&]"

[[languages]]
code = "de-at"
title = "Austrian German"
speakable = "[A-Za-zÄÖÜäöüß]"

[options.speed]
type = "number"
description = "Pace."
minimum = 0.5
maximum = 2.0

[options.mood]
type = "string"
description = "Mood."
choices = ["glad", "sad"]

[options.whisper]
type = "boolean"
description = "In a whisper."
manifest_voice_only = true

[options.describe]
type = "string"
description = "A voice in words."
models = ["large"]
replaces_voice = true

[limits]
max_text_characters = {most}
max_chunk_characters = 300
characters_per_second = 15
shortest_seconds_per_character = 0.02
longest_seconds_per_character = 0.5
longest_fixed_seconds = 5
"""

MOST_CHARACTERS = 1000
"""What `hibari` takes here; the service's own bound stays at 20,000."""


def write_manifests(directory: Path) -> Path:
    """Writes hibari (CPU, both hosts), qwen (GPU, both), chatterbox (GPU, Kaggle), edge (local); gives `directory`."""
    _write(directory, "hibari", gpu=False, hosts=["kaggle", "local"], seed=True, most=MOST_CHARACTERS)
    _write(directory, "qwen", gpu=True, hosts=["kaggle", "local"], seed=True)
    _write(directory, "chatterbox", gpu=True, hosts=["kaggle"], seed=True)
    _write(directory, "edge", gpu=False, hosts=["local"], seed=False, most=100_000, clones=False)
    return directory


def _write(
    directory: Path,
    name: str,
    *,
    gpu: bool,
    hosts: list[str],
    seed: bool,
    most: int = MOST_CHARACTERS,
    clones: bool = True,
) -> None:
    text = _MANIFEST.format(
        name=name,
        title=name.title(),
        gpu='true\nmachine_shape = "NvidiaTeslaT4"' if gpu else "false",
        hosts=", ".join(f'"{host}"' for host in hosts),
        seed=str(seed).lower(),
        most=most,
        clones=str(clones).lower(),
    )
    (directory / f"{name}.toml").write_text(text, encoding="utf-8")
    (directory / f"{name}.ipynb").write_bytes(_NOTEBOOK.read_bytes())
