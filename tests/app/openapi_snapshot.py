"""The OpenAPI document as it was last looked at: `openapi.json` beside this file. `make snapshot` writes it anew.

The version is left out: it changes with every release, and nothing else need.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.main import create_app
from app.shared.settings import Settings

SNAPSHOT = Path(__file__).with_name("openapi.json")


def current(data_dir: Path) -> dict[str, Any]:
    """The document of a service with keys, whose default settings are otherwise kept."""
    settings = Settings(
        _env_file=None,
        redis_url="redis://127.0.0.1:6379/0",
        kaggle_api_url="http://127.0.0.1:7777",
        data_dir=data_dir,
    )
    document = create_app(settings).openapi()
    del document["info"]["version"]
    return document


def differences(before: Any, after: Any) -> list[str]:
    """What is gone, new or changed, each by its place in the document."""
    was, now = dict(_leaves(before)), dict(_leaves(after))
    return [
        *(f"gone:    {place} = {was[place]}" for place in was if place not in now),
        *(f"new:     {place} = {now[place]}" for place in now if place not in was),
        *(
            f"changed: {place} = {was[place]} -> {now[place]}"
            for place in was
            if was[place] != now.get(place, was[place])
        ),
    ]


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from _leaves(part, f"{place}/{name}")
    if not isinstance(value, dict | list) or not value:
        yield place, json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        text = json.dumps(current(Path(folder)), indent=1, sort_keys=True, ensure_ascii=False)
    SNAPSHOT.write_text(text + "\n", encoding="utf-8")
