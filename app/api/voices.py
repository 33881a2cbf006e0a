"""What can be asked for: providers, their voices, and the caller's own cloned ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as QueryParameters
from pydantic import BaseModel, Field

from app.api.dependencies import Admitting, Caller, Voices
from app.api.problems import responses
from app.api.schemas import Query
from app.shared.manifest import Voice
from app.shared.provider import Provider
from app.shared.voice import ClonedVoice

router = APIRouter(tags=["voices"])


class ProviderList(BaseModel):
    """The providers as their manifests describe them, and the one that a request gets when it names none."""

    default: str
    providers: Sequence[Provider]


class RecordingView(BaseModel):
    """What a cloned voice was cloned from."""

    seconds: float
    sample_rate: int
    sha256: str
    transcript: str | None
    created_at: datetime


class VoiceView(Voice):
    """A voice and whose it is; `recording` is null for the voices of the manifests."""

    provider: str
    languages: Sequence[str] = Field(description="None for a cloned voice whose provider clones no more.")
    recording: RecordingView | None = None

    @classmethod
    def of_recording(cls, voice: ClonedVoice, provider: Provider | None) -> "VoiceView":
        """A cloned voice, as its caller sees it."""
        models = provider.cloning_models if provider else []
        spoken = dict.fromkeys(code for model in models for code in (provider.languages_of(model) if provider else []))
        return cls(
            id=voice.id,
            title=voice.name,
            # The one that it was given comes first, because it is taken by default.
            languages=sorted(spoken, key=lambda code: code != voice.language),
            models=[model.id for model in models if model.shortest_reference_seconds <= voice.seconds],
            provider=voice.provider,
            recording=RecordingView(
                seconds=voice.seconds,
                sample_rate=voice.sample_rate,
                sha256=voice.sha256,
                transcript=voice.transcript,
                created_at=datetime.fromtimestamp(voice.created_at, UTC),
            ),
        )


class VoiceList(BaseModel):
    """The voices that were asked for."""

    voices: Sequence[VoiceView]


class VoiceQuery(Query):
    """The parameters of GET /voices."""

    provider: str | None = None
    language: str | None = Field(None, description="A code, or the first part of one: en finds en-us.")


@router.get("/providers", responses=responses(401))
async def list_providers(admission: Admitting, _: Caller) -> ProviderList:
    """Every provider with its models, voices, languages, options and limits."""
    providers = [_as_served(provider, admission.max_text_chars) for provider in admission.providers.values()]
    return ProviderList(default=admission.default.name, providers=providers)


@router.get("/voices", responses=responses(401, 422, 503))
async def list_voices(
    query: Annotated[VoiceQuery, QueryParameters()], admission: Admitting, voices: Voices, caller: Caller
) -> VoiceList:
    """Every voice, or those of one provider, or those that speak one language; your own come first."""
    providers = admission.providers.values() if query.provider is None else [admission.provider(query.provider)]
    known = {provider.name: provider for provider in providers}
    own = [
        VoiceView.of_recording(voice, known.get(voice.provider))
        for voice in await voices.list(caller)
        if query.provider in {None, voice.provider}
    ]
    built_in = [
        VoiceView(provider=provider.name, **voice.model_dump()) for provider in providers for voice in provider.voices
    ]
    return VoiceList(
        voices=[
            voice
            for voice in [*own, *built_in]
            if query.language is None or any(_matches(code, query.language) for code in voice.languages)
        ]
    )


def _as_served(provider: Provider, most: int) -> Provider:
    """The manifest, with no longer texts than KAVOX_MAX_TEXT_CHARS allows."""
    if provider.limits.max_text_characters <= most:
        return provider
    return provider.model_copy(update={"limits": provider.limits.model_copy(update={"max_text_characters": most})})


def _matches(code: str, wanted: str) -> bool:
    return f"{code.lower()}-".startswith(f"{wanted.lower()}-")
