"""What a command line asks for, as a request of POST /synthesize.

Names are taken as people write them: a voice by its id or its title, in any case, or with its provider before it, as
the original system has them (`Ryan`, `kokoro-af_heart`). An option's value becomes the type that the manifest gives it;
what the manifest does not have goes to the service as it is, which refuses it and says what there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.client import Client
from app.exit_codes import WrongUsage


@dataclass(frozen=True)
class Wish:
    """The options of a command line; what is None is left to the service."""

    provider: str | None = None
    model: str | None = None
    voice: str | None = None
    language: str | None = None
    format: str | None = None
    gpu: bool | None = None
    seed: int | None = None
    speed: float | None = None
    options: Sequence[str] = ()
    priority: str | None = None
    max_wait_seconds: float | None = None
    on_unavailable: str | None = None
    cache: bool = True

    def request(self, client: Client) -> dict[str, Any]:
        """The request, but for its text. Raises WrongUsage for an option that is no name=value."""
        given = self._options()
        known = _provider(client, self.provider) if self.voice or given else {}
        request: dict[str, Any] = {
            "provider": self.provider,
            "model": self.model,
            "voice": _voice(self.voice, known),
            "language": self.language,
            "format": self.format,
            "gpu": self.gpu,
            "seed": self.seed,
            "priority": self.priority,
            "max_wait_seconds": self.max_wait_seconds,
            "on_unavailable": self.on_unavailable,
            "options": {name: _value(name, value, known) for name, value in given.items()} or None,
            "cache": None if self.cache else False,
        }
        return {name: value for name, value in request.items() if value is not None}

    def _options(self) -> dict[str, str]:
        given = {}
        for option in self.options:
            name, equals, value = option.partition("=")
            if not equals or not name.strip():
                raise WrongUsage(f"--option {option} must look like name=value")
            given[name.strip()] = value
        return given | ({} if self.speed is None else {"speed": str(self.speed)})


def _provider(client: Client, wanted: str | None) -> Mapping[str, Any]:
    """What the service's manifest says of a provider; nothing where it has none of that name."""
    answer = client.providers()
    return next((one for one in answer["providers"] if one["name"] == (wanted or answer["default"])), {})


def _voice(wanted: str | None, provider: Mapping[str, Any]) -> str | None:
    if wanted is None:
        return None
    voices = provider.get("voices", [])
    if any(voice["id"] == wanted for voice in voices):
        return wanted
    for voice in voices:
        names = (voice["id"], voice["title"], f"{provider['name']}-{voice['id']}")
        if wanted.casefold() in {name.casefold() for name in names}:
            return str(voice["id"])
    return wanted


def _value(name: str, value: str, provider: Mapping[str, Any]) -> Any:
    kind = provider.get("options", {}).get(name, {}).get("type")
    try:
        if kind == "number":
            return float(value)
        if kind == "integer":
            return int(value)
    except ValueError:
        return value
    return {"true": True, "false": False}.get(value.lower(), value) if kind == "boolean" else value
