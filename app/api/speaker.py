"""Whose voice a request is spoken with. Pure.

a voice of the manifest     `voice` names it, or nobody does and it is the manifest's default one
a cloned voice              `voice` is the id of one of the caller's own; its provider and a model that clones
an option instead           the request gives one that replaces the voice, a description of it for example
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.api.schemas import SpeechRequest
from app.shared.errors import RequestRefused
from app.shared.manifest import Model
from app.shared.provider import Provider
from app.shared.voice import ClonedVoice


@dataclass(frozen=True)
class Speaker:
    """Who speaks: `voice` is None for an option's voice, and `languages` starts with the one taken by default."""

    voice: str | None
    languages: Sequence[str]
    label: str
    reference: dict[str, Any] | None = None


def choose_model(request: SpeechRequest, provider: Provider, cloned: ClonedVoice | None) -> Model:
    """The model that the request names; without a name the default one, or the first that clones where one must."""
    default = provider.model(None)
    if request.model is None and cloned is not None and not default.clones and provider.cloning_models:
        return provider.cloning_models[0]
    return provider.model(request.model)


def choose_speaker(request: SpeechRequest, provider: Provider, model: Model, cloned: ClonedVoice | None) -> Speaker:
    """Raises RequestRefused, naming the field."""
    replacing = [name for name in request.options if provider.options[name].replaces_voice]
    if replacing or cloned is not None:
        _refuse_bound_options(request, provider)
    if replacing:
        if request.voice is not None:
            detail = f"the option {replacing[0]} stands for a voice; give it or a voice, not both"
            raise RequestRefused("voice", detail, code="voice_and_option")
        return Speaker(None, provider.languages_of(model), f"{provider.name} with model {model.id}")
    if cloned is not None:
        return _cloned_speaker(provider, model, cloned)
    voice = provider.voice(request.voice, model)
    return Speaker(voice.id, voice.languages, f"voice {voice.id}")


def _refuse_bound_options(request: SpeechRequest, provider: Provider) -> None:
    """An engine would drop such an option in silence, and the caller wonder why it is not heard."""
    for name in request.options:
        if provider.options[name].manifest_voice_only:
            detail = f"{name} goes with a voice of GET /voices only, not with a cloned or a described one"
            raise RequestRefused(f"options.{name}", detail, code="option_needs_voice")


def _cloned_speaker(provider: Provider, model: Model, voice: ClonedVoice) -> Speaker:
    if voice.provider != provider.name:
        detail = f"the voice {voice.id} was made for {voice.provider}, not for {provider.name}"
        raise RequestRefused("voice", detail, code="voice_of_other_provider")
    if not model.clones:
        valid = [one.id for one in provider.cloning_models]
        detail = f"{provider.name} cannot clone a voice with model {model.id}; valid: {', '.join(valid) or 'none'}"
        raise RequestRefused("model", detail, code="model_cannot_clone", valid=valid)
    if voice.seconds < model.shortest_reference_seconds:
        detail = (
            f"the recording of {voice.id} lasts {voice.seconds:.1f} s; model {model.id} needs at least "
            f"{model.shortest_reference_seconds:g}"
        )
        raise RequestRefused("voice", detail, code="reference_too_short")
    languages = provider.languages_of(model)
    first = [code for code in languages if code == voice.language]
    return Speaker(voice.id, [*first, *(code for code in languages if code not in first)], voice.id, voice.reference())
