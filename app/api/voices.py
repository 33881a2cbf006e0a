"""What can be asked for: providers and their voices."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as QueryParameters
from pydantic import BaseModel, Field

from app.api.dependencies import Admitting, Caller
from app.api.problems import responses
from app.api.schemas import Query
from app.shared.provider import Provider, Voice

router = APIRouter(tags=["speech"])


class ProviderList(BaseModel):
    """The providers as their manifests describe them, and the one that a request gets when it names none."""

    default: str
    providers: Sequence[Provider]


class VoiceView(Voice):
    """A voice and whose it is."""

    provider: str


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
    return ProviderList(default=admission.default.name, providers=list(admission.providers.values()))


@router.get("/voices", responses=responses(401, 422))
async def list_voices(query: Annotated[VoiceQuery, QueryParameters()], admission: Admitting, _: Caller) -> VoiceList:
    """Every voice, or those of one provider, or those that speak one language."""
    providers = admission.providers.values() if query.provider is None else [admission.provider(query.provider)]
    return VoiceList(
        voices=[
            VoiceView(provider=provider.name, **voice.model_dump())
            for provider in providers
            for voice in provider.voices
            if query.language is None or any(_matches(code, query.language) for code in voice.languages)
        ]
    )


def _matches(code: str, wanted: str) -> bool:
    return f"{code.lower()}-".startswith(f"{wanted.lower()}-")
