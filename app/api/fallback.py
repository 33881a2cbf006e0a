"""`on_unavailable`: what is spoken, and by whom, when there is no GPU quota. Pure.

It is about the week's GPU quota alone: a job whose run failed, or that waits for a session, is not moved. What belongs
to the first provider (voice, model, options) is asked of the second one only where it is the same; else it speaks the
same text in the same language with a voice of its own.
"""

from collections.abc import Collection
from typing import Any

from app.api.admission import LOCAL, Admission
from app.api.schemas import SpeechRequest
from app.shared.errors import RequestRefused
from app.shared.job import Speech
from app.shared.provider import Provider
from app.shared.voice import ClonedVoice

FIELD = "on_unavailable"


def admit_fallback(
    admission: Admission,
    request: SpeechRequest,
    speech: Speech,
    local_providers: Collection[str],
    cloned: ClonedVoice | None = None,
) -> tuple[Speech | None, list[str]]:
    """The second speech of an admitted request, and what its caller should know. Raises RequestRefused."""
    if request.on_unavailable is None:
        return None, []
    host, _, name = request.on_unavailable.partition(":")
    if host != LOCAL:
        detail = f"'{request.on_unavailable}' must look like {LOCAL}:<provider>"
        raise RequestRefused(FIELD, detail, code="invalid_on_unavailable")
    try:
        provider = admission.provider(name)
        other = _request_for(provider, request, speech)
        fallback = admission.admit(other, local_providers, cloned if provider.name == speech.provider else None)
    except RequestRefused as error:
        detail = f"as a stand-in: {error.detail}"
        raise RequestRefused(FIELD, detail, code=error.code, **error.extra) from None
    if not speech.gpu:
        return None, [f"on_unavailable is of no use here: {speech.provider} needs no GPU quota where it runs."]
    return fallback, []


def _request_for(provider: Provider, request: SpeechRequest, speech: Speech) -> SpeechRequest:
    """The request as it would be made of the local provider."""
    place = {"gpu": False if "kaggle" in provider.hosts else None, FIELD: None}
    if provider.name == speech.provider:
        return request.model_copy(update=place)
    own: dict[str, Any] = {
        "provider": provider.name,
        "model": None,
        "voice": _voice_for(provider, speech.language),
        "language": speech.language,
        "options": {},
        "seed": request.seed if provider.seed else None,
    }
    return request.model_copy(update=place | own)


def _voice_for(provider: Provider, language: str) -> str | None:
    """A voice that speaks the language: the default one if it does, None when none does."""
    model = provider.model(None)
    voices = [voice for voice in provider.voices if not voice.models or model.id in voice.models]
    fitting = [voice.id for voice in voices if language in voice.languages]
    return provider.default_voice if provider.default_voice in fitting else next(iter(fitting), None)
