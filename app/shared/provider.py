"""A provider: one notebook plus the manifest beside it, `notebooks/<name>.ipynb` and `notebooks/<name>.toml`.

The manifest tells the truth about the engine (models, voices, languages, options, limits), and the service believes
nothing else: what it does not list is refused by name.
"""

import hashlib
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from app.shared.chunks import Chunk, cut
from app.shared.errors import ConfigurationError, RequestRefused
from app.shared.manifest import Engine, Language, Limits, Model, Name, Option, Part, Voice

_QUOTED_CHARACTERS = 64
"""Of an option's name; ours are shorter."""

Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]


class Provider(Part):
    """One notebook and what it can do.

    `gpu`: it needs one, and `machine_shape` is Kaggle's name for which (NvidiaTeslaT4); `packages`: what a local host
    must be able to import; `extra` is the extra of Kavox that brings them, or `install` what to give to pip, call after
    call; `environment`: variables, such as a key, that the local host must have and passes on to this provider's
    notebook alone.

    `revision` is not the manifest's to say: it is the same for as long as neither of the two files changes.
    """

    name: Name
    revision: str = ""
    title: str
    description: str
    license: str
    gpu: bool
    machine_shape: str | None = None
    hosts: Sequence[Literal["kaggle", "local"]] = Field(min_length=1)
    seed: bool
    packages: Sequence[str]
    extra: Name | None = None
    install: Sequence[str] = ()
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
        self._check_defaults()
        self._check_names()
        return self

    def _check_defaults(self) -> None:
        """What a request gets that names nothing must be there."""
        voices = [voice for voice in self.voices if voice.id == self.default_voice]
        if not any(not voice.models or self.default_model in voice.models for voice in voices):
            raise ValueError(
                f"default_voice '{self.default_voice}' does not go with default_model '{self.default_model}'"
            )
        speed = self.options.get("speed")
        if speed is not None and (speed.type != "number" or not (speed.minimum or 0) > 0):
            raise ValueError("options.speed is a factor: a number with a minimum above 0")

    def _check_names(self) -> None:
        """A name stands for one thing; a voice may be there again for other models."""
        named = {"model": [model.id for model in self.models], "language": [one.code for one in self.languages]}
        for kind, names in named.items():
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"there are two of the {kind} '{min(twice)}'")
        for one, other in combinations(self.voices, 2):
            apart = one.models and other.models and not set(one.models) & set(other.models)
            if one.id == other.id and not apart:
                raise ValueError(f"there are two of the voice '{one.id}' for one model")

    def model(self, wanted: str | None) -> Model:
        """The model with this id, the default one for None. Raises RequestRefused, listing the valid ones."""
        for model in self.models:
            if model.id == (wanted or self.default_model):
                return model
        raise _unknown("model", wanted, self.name, [model.id for model in self.models], code="unknown_model")

    def voice(self, wanted: str | None, model: Model) -> Voice:
        """The voice with this id, the default one for None. Raises RequestRefused, listing those of the model."""
        voices = [voice for voice in self.voices if not voice.models or model.id in voice.models]
        for voice in voices:
            if voice.id == (wanted or self.default_voice):
                return voice
        having = [name for voice in self.voices if voice.id == wanted for name in voice.models]
        raise _unknown(
            "voice",
            wanted,
            f"{self.name} with model {model.id}",
            [voice.id for voice in voices],
            code="unknown_voice",
            having=having,
        )

    def language(self, wanted: str | None, spoken: Sequence[str], speaker: str) -> Language:
        """The language with this code, the first one that the speaker speaks for None. Raises RequestRefused."""
        code = wanted or spoken[0]
        for language in self.languages:
            if language.code == code and code in spoken:
                return language
        raise _unknown("language", wanted, speaker, list(spoken), code="unknown_language")

    def languages_of(self, model: Model) -> Sequence[str]:
        """What a voice that is none of the model's own can speak: what those speak, all languages where it has none."""
        own = {
            code for voice in self.voices if not voice.models or model.id in voice.models for code in voice.languages
        }
        return [language.code for language in self.languages if not own or language.code in own]

    @property
    def install_command(self) -> str | None:
        """What to type to have the packages, None where the manifest does not say."""
        if self.extra:
            return f"pip install 'kavox[{self.extra}]'"
        return " && ".join(f"pip install {shlex.join(one.split())}" for one in self.install) or None

    @property
    def cloning_models(self) -> Sequence[Model]:
        """The models that speak with the voice of a recording."""
        return [model for model in self.models if model.clones]

    def check_options(self, options: Mapping[str, object], model: Model) -> None:
        """Raises RequestRefused for an option that the model has not, or a value that it does not take."""
        if not options:
            return
        has = {name: option for name, option in self.options.items() if not option.models or model.id in option.models}
        for name, value in options.items():
            option = has.get(name)
            if option is None:
                quoted = name[:_QUOTED_CHARACTERS]
                owner = f"{self.name} with model {model.id}"
                having = self.options[name].models if name in self.options else ()
                raise _unknown(f"options.{quoted}", quoted, owner, list(has), code="unknown_option", having=having)
            if refusal := option.refusal(value):
                raise RequestRefused(f"options.{name}", f"{name} {refusal}", code="invalid_option")

    def chunks(self, text: str, language: str) -> Sequence[Chunk]:
        """The text in pieces that the engine speaks well; `language` is the code of one that it is in."""
        longest = next((one.max_chunk_characters for one in self.languages if one.code == language), None)
        return cut(text, language, longest or self.limits.max_chunk_characters)

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
        content = manifest.read_bytes()
        described = tomllib.loads(content.decode("utf-8"))
        if "revision" in described:
            raise ConfigurationError(f"manifest {manifest}: revision: is not a key of a manifest")
        provider = Provider(**described, revision=_revision(content, manifest.with_suffix(".ipynb")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"manifest {manifest}: {error}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = "".join(f"{part}: " for part in (".".join(map(str, problem["loc"])),) if part)
        raise ConfigurationError(
            f"manifest {manifest}: {where}{problem['msg'].removeprefix('Value error, ')}"
        ) from None
    if provider.name != manifest.stem:
        raise ConfigurationError(f"manifest {manifest}: name is '{provider.name}', it must be '{manifest.stem}'")
    notebook = manifest.with_suffix(".ipynb")
    if not notebook.is_file():
        raise ConfigurationError(f"provider {provider.name}: its notebook {notebook} is missing")
    return provider


def _revision(manifest: bytes, notebook: Path) -> str:
    """A digest of the provider's files; a missing notebook is somebody else's complaint."""
    return hashlib.sha256(manifest + (notebook.read_bytes() if notebook.is_file() else b"")).hexdigest()[:16]


def _unknown(
    field: str,
    wanted: str | None,
    owner: str,
    valid: Sequence[str],
    *,
    code: str,
    having: Sequence[str] = (),
) -> RequestRefused:
    """`having` are the models that have what was wanted."""
    detail = f"{owner} has no {field.partition('.')[0].rstrip('s')} '{wanted}'; valid: {', '.join(valid) or 'none'}"
    if having:
        detail += f"; '{wanted}' goes with model {' or '.join(having)}"
    return RequestRefused(field, detail, code=code, valid=list(valid))
