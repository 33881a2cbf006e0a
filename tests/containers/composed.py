"""docker-compose.yml as Compose reads it: variables filled in, then YAML with its anchors."""

import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from tests.containers.dockerfile import ROOT

COMPOSE = ROOT / "docker-compose.yml"
GIVEN = {"KAVOX_API_KEYS": "reader:some-long-secret"}
"""All that a person has to name."""

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<rest>[^}]*))?\}")


class MissingVariable(Exception):  # noqa: N818  # what Compose stops with
    """A variable that is required, and what is said of it."""


def compose(environment: Mapping[str, str] = GIVEN) -> dict[str, Any]:
    """The file as it is in this environment. Raises MissingVariable."""

    def value(found: re.Match[str]) -> str:
        given = environment.get(found["name"], "")
        if not given and found["how"] == ":?":
            raise MissingVariable(f"{found['name']}: {found['rest']}")
        return given or (found["rest"] if found["how"] else "")

    text = _VARIABLE.sub(value, COMPOSE.read_text("utf-8"))
    loaded: dict[str, Any] = YAML(typ="safe").load(text)
    return loaded


def environment_of(service: str, environment: Mapping[str, str] = GIVEN) -> dict[str, str]:
    """What the processes of a service see; a key without a value is the one of `environment`, if that has it."""
    told = compose(environment)["services"][service]["environment"]
    seen = {name: environment.get(name) if value is None else str(value) for name, value in told.items()}
    return {name: value for name, value in seen.items() if value is not None}
