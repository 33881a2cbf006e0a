"""The parts of a provider's manifest, each checked on its own; `provider.py` puts them together."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Part(BaseModel):
    """A table of the manifest: nothing in it is unknown, infinite or changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Engine(Part):
    """The package that speaks."""

    name: str
    version: str

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"


class Model(Part):
    """One model of the engine. `clones`: it can take a voice from a recording of so many seconds or more."""

    id: Name
    title: str
    description: str = ""
    revision: str = ""
    clones: bool = False
    shortest_reference_seconds: float = Field(3.0, gt=0)


class Voice(Part):
    """One voice; `models` are those it works with, all when empty."""

    id: Name
    title: str
    languages: Sequence[str] = Field(min_length=1)
    gender: str = ""
    description: str = ""
    models: Sequence[Name] = ()


class Language(Part):
    """One language; `speakable` is a regular expression that matches a single character with a sound in it.

    `engine` is the engine's own name for it, the code where there is none. A language that says more in a character has
    limits of its own.
    """

    code: str
    title: str
    speakable: str
    engine: str = ""
    characters_per_second: float | None = Field(None, gt=0)
    max_chunk_characters: int | None = Field(None, gt=0)

    @property
    def engine_name(self) -> str:
        return self.engine or self.code

    @field_validator("speakable")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return value


class Option(Part):
    """One setting of the engine that a request may give; `models` are those that have it, all when empty.

    `replaces_voice`: a request gives it instead of a voice. `manifest_voice_only`: it goes with a voice of the manifest
    alone, not with a cloned one, nor with an option that replaces the voice.
    """

    type: Literal["number", "integer", "boolean", "string"]
    description: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = Field(None, gt=0)
    choices: Sequence[str] = ()
    models: Sequence[Name] = ()
    replaces_voice: bool = False
    manifest_voice_only: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.type not in {"number", "integer"} and (self.minimum is not None or self.maximum is not None):
            raise ValueError("minimum and maximum are for numbers")
        if self.type != "string" and (self.choices or self.max_length is not None):
            raise ValueError("choices and max_length are for strings")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        if self.default is not None and (refusal := self.refusal(self.default)):
            raise ValueError(f"default {refusal}")
        return self

    def refusal(self, value: object) -> str | None:
        """Why this value cannot be taken, None when it can."""
        kinds: Mapping[str, tuple[type, ...]] = {
            "number": (int, float),
            "integer": (int,),
            "boolean": (bool,),
            "string": (str,),
        }
        if not isinstance(value, kinds[self.type]) or (isinstance(value, bool) and self.type != "boolean"):
            return f"must be a {self.type}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(self.choices)}"
        if isinstance(value, str) and self.max_length is not None and not 0 < len(value.strip()) <= self.max_length:
            return f"must have 1 to {self.max_length} characters"
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = self.minimum, self.maximum
            if (low is not None and not value >= low) or (high is not None and not value <= high):
                return f"must be {_span(low, high)}"
        return None


def _span(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    return f"at most {high:g}" if low is None else f"at least {low:g}"


class Limits(Part):
    """What the engine does well. A clip lasts so many seconds per letter of text, plus at most a fixed part.

    At speed 1, and in a language of this `characters_per_second`; `workers/speech_bounds.py` says what counts as what.
    """

    max_text_characters: int = Field(gt=0)
    max_chunk_characters: int = Field(gt=0)
    characters_per_second: float = Field(gt=0)
    shortest_seconds_per_character: float = Field(ge=0)
    longest_seconds_per_character: float = Field(gt=0)
    longest_fixed_seconds: float = Field(ge=0)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.shortest_seconds_per_character > self.longest_seconds_per_character:
            raise ValueError("shortest_seconds_per_character is above longest_seconds_per_character")
        return self
