"""docker-compose.yml as Compose reads it: variables filled in, then YAML with its anchors."""

import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from tests.containers.dockerfile import ROOT

COMPOSE = ROOT / "docker-compose.yml"
NOTHING: Mapping[str, str] = {}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


def compose(environment: Mapping[str, str] = NOTHING) -> dict[str, Any]:
    """The file as it is in this environment; nothing has to be named in it."""

    def value(found: re.Match[str]) -> str:
        return environment.get(found["name"]) or found["default"] or ""

    text = _VARIABLE.sub(value, COMPOSE.read_text("utf-8"))
    loaded: dict[str, Any] = YAML(typ="safe").load(text)
    return loaded


def environment_of(service: str, environment: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """What the processes of a service see; a key without a value is the one of `environment`, if that has it."""
    told = compose(environment)["services"][service]["environment"]
    seen = {name: environment.get(name) if value is None else str(value) for name, value in told.items()}
    return {name: value for name, value in seen.items() if value is not None}
