"""A provider: one notebook plus the manifest beside it, `notebooks/<name>.ipynb` and `notebooks/<name>.toml`.

The manifest tells the truth about the engine (models, voices, languages, options, limits), and the service believes
nothing else: what it does not list is refused by name.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.shared.errors import ConfigurationError, RequestRefused

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Engine(_Part):
    """The package that speaks."""

    name: str
    version: str

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"


class Model(_Part):
    """One model of the engine. `clones`: it can take a voice from a recording of so many seconds or more."""

    id: Name
    title: str
    description: str = ""
    revision: str = ""
    clones: bool = False
    shortest_reference_seconds: float = Field(3.0, gt=0)


class Voice(_Part):
    """One voice; `models` are those it works with, all when empty."""

    id: Name
    title: str
    languages: Sequence[str]
    gender: str = ""
    description: str = ""
    models: Sequence[Name] = ()


class Language(_Part):
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


class Option(_Part):
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
                return (
                    f"must be from {low:g} to {high:g}" if low is not None and high is not None else "is out of range"
                )
        return None


class Limits(_Part):
    """What the engine does well. A clip lasts so many seconds per letter of text, plus at most a fixed part.

    At speed 1, and in a language of this `characters_per_second`; `workers/speech_bounds.py` says what counts as what.
    """

    max_text_characters: int = Field(gt=0)
    max_chunk_characters: int = Field(gt=0)
    characters_per_second: float = Field(gt=0)
    shortest_seconds_per_character: float = Field(ge=0)
    longest_seconds_per_character: float = Field(gt=0)
    longest_fixed_seconds: float = Field(ge=0)


class Provider(_Part):
    """One notebook and what it can do.

    `gpu`: it needs one, and `machine_shape` is Kaggle's name for which (NvidiaTeslaT4); `packages`: what a local host
    must be able to import, and `extra` the extra of Kavox that brings them; `environment`: variables, such as a key,
    that the local host must have and passes on to this provider's notebook alone.
    """

    name: Name
    title: str
    description: str
    license: str
    gpu: bool
    machine_shape: str | None = None
    hosts: Sequence[Literal["kaggle", "local"]] = Field(min_length=1)
    seed: bool
    packages: Sequence[str]
    extra: Name | None = None
    environment: Sequence[Variable] = ()
    engine: Engine
    default_model: str
    default_voice: str
    models: Sequence[Model] = Field(min_length=1)
    voices: Sequence[Voice] = Field(min_length=1)
    languages: Sequence[Language] = Field(min_length=1)
    options: Mapping[str, Option] = {}
    limits: Limits

    @model_validator(mode="after")
    def _is_consistent(self) -> "Provider":
        if self.gpu != (self.machine_shape is not None):
            raise ValueError("machine_shape names the GPU, so it goes with gpu = true and only with it")
        if self.environment and "kaggle" in self.hosts:
            raise ValueError("environment is for providers that run locally only: nothing of it may reach Kaggle")
        if any(name.startswith(("KAVOX", "KAGGLE")) for name in self.environment):
            raise ValueError("environment must not name variables of Kavox or Kaggle")
        if self.default_model not in {model.id for model in self.models}:
            raise ValueError(f"default_model '{self.default_model}' is not among the models")
        if self.default_voice not in {voice.id for voice in self.voices}:
            raise ValueError(f"default_voice '{self.default_voice}' is not among the voices")
        models = {model.id for model in self.models}
        parts: list[Voice | Option] = [*self.voices, *self.options.values()]
        for part in parts:
            if unknown := set(part.models) - models:
                raise ValueError(f"a voice or option names the unknown models {', '.join(sorted(unknown))}")
        codes = {language.code for language in self.languages}
        for voice in self.voices:
            if unknown := set(voice.languages) - codes:
                raise ValueError(f"voice '{voice.id}' speaks {', '.join(sorted(unknown))}, which languages do not list")
        return self

    def model(self, wanted: str | None) -> Model:
        """The model with this id, the default one for None. Raises RequestRefused, listing the valid ones."""
        for model in self.models:
            if model.id == (wanted or self.default_model):
                return model
        raise _unknown("model", wanted, self.name, [model.id for model in self.models])

    def voice(self, wanted: str | None, model: Model) -> Voice:
        """The voice with this id, the default one for None. Raises RequestRefused, listing those of the model."""
        voices = [voice for voice in self.voices if not voice.models or model.id in voice.models]
        for voice in voices:
            if voice.id == (wanted or self.default_voice):
                return voice
        raise _unknown("voice", wanted, f"{self.name} with model {model.id}", [voice.id for voice in voices])

    def language(self, wanted: str | None, spoken: Sequence[str], speaker: str) -> Language:
        """The language with this code, the first one that the speaker speaks for None. Raises RequestRefused."""
        code = wanted or spoken[0]
        for language in self.languages:
            if language.code == code and code in spoken:
                return language
        raise _unknown("language", wanted, speaker, list(spoken))

    def languages_of(self, model: Model) -> Sequence[str]:
        """What a voice that is none of the model's own can speak: what those speak, all languages where it has none."""
        own = {
            code for voice in self.voices if not voice.models or model.id in voice.models for code in voice.languages
        }
        return [language.code for language in self.languages if not own or language.code in own]

    @property
    def cloning_models(self) -> Sequence[Model]:
        """The models that speak with the voice of a recording."""
        return [model for model in self.models if model.clones]

    def check_options(self, options: Mapping[str, object], model: Model) -> None:
        """Raises RequestRefused for an option that the model has not, or a value that it does not take."""
        has = {name: option for name, option in self.options.items() if not option.models or model.id in option.models}
        for name, value in options.items():
            option = has.get(name)
            if option is None:
                owner = f"{self.name} with model {model.id}"
                raise _unknown(f"options.{name}", name, owner, list(has), code="unknown_option")
            if refusal := option.refusal(value):
                raise RequestRefused(f"options.{name}", f"{name} {refusal}", code="invalid_option")

    def estimated_seconds(self, text: str, language: Language, options: Mapping[str, Any]) -> float:
        """How long the speech will be, in seconds, roughly."""
        speed = options.get("speed", 1.0) if "speed" in self.options else 1.0
        return len(text) / (language.characters_per_second or self.limits.characters_per_second) / float(speed)


def load_providers(directory: Path) -> Mapping[str, Provider]:
    """Every provider of a folder, by name. Raises ConfigurationError with one line for what is broken or missing."""
    if not directory.is_dir():
        raise ConfigurationError(f"KAVOX_NOTEBOOKS_DIR: there is no folder {directory}")
    providers = {manifest.stem: _load(manifest) for manifest in sorted(directory.glob("*.toml"))}
    if not providers:
        raise ConfigurationError(f"KAVOX_NOTEBOOKS_DIR: no manifest (*.toml) in {directory}")
    return providers


def _load(manifest: Path) -> Provider:
    try:
        provider = Provider(**tomllib.loads(manifest.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"manifest {manifest}: {error}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the whole"
        raise ConfigurationError(f"manifest {manifest}: {where}: {problem['msg']}") from None
    if provider.name != manifest.stem:
        raise ConfigurationError(f"manifest {manifest}: name is '{provider.name}', it must be '{manifest.stem}'")
    notebook = manifest.with_suffix(".ipynb")
    if not notebook.is_file():
        raise ConfigurationError(f"provider {provider.name}: its notebook {notebook} is missing")
    return provider


def _unknown(
    field: str, wanted: str | None, owner: str, valid: Sequence[str], *, code: str | None = None
) -> RequestRefused:
    detail = f"{owner} has no {field.partition('.')[0].rstrip('s')} '{wanted}'; valid: {', '.join(valid) or 'none'}"
    return RequestRefused(field, detail, code=code or f"unknown_{field}", valid=list(valid))
