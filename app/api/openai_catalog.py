"""GET /v1/models, /v1/audio/models and /v1/audio/voices: what can be named in a request for speech."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Query as QueryParameters
from pydantic import BaseModel, Field

from app.api.dependencies import Admitting, Caller, Voices
from app.api.openai_request import in_their_words, is_openai_model, named_model
from app.api.problems import openai_responses
from app.api.schemas import Query
from app.shared.errors import NotFound, RequestRefused
from app.shared.provider import Provider

router = APIRouter(prefix="/v1", tags=["openai"])


class ModelView(BaseModel):
    """A model as OpenAI lists one; manifests know no date."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: Sequence[ModelView]


class Named(BaseModel):
    """A model or a voice: `id` is what a request says."""

    id: str
    name: str


class NamedModels(BaseModel):
    """All models, in the form that Open WebUI asks for."""

    models: Sequence[Named]


class NamedVoices(BaseModel):
    """The voices of one model."""

    voices: Sequence[Named]


class VoicesQuery(Query):
    """The parameters of GET /v1/audio/voices."""

    model: str | None = Field(None, description="As in a request for speech; without it the default provider.")


@router.get("/models", responses=openai_responses(401))
async def list_models(admission: Admitting, _: Caller) -> ModelList:
    """Each provider with its default model, and each provider/model. OpenAI's own names are taken too, not listed."""
    return ModelList(data=[view for provider in admission.providers.values() for view in _models(provider)])


@router.get("/models/{model:path}", responses=openai_responses(401, 404))
async def read_model(model: str, admission: Admitting, _: Caller) -> ModelView:
    """One of them, or one of OpenAI's own names."""
    if is_openai_model(model):
        return ModelView(id=model, owned_by=admission.default.engine.name)
    for provider in admission.providers.values():
        for view in _models(provider):
            if view.id == model:
                return view
    raise NotFound(f"there is no model '{model[:200]}'; GET /v1/models lists them", code="model_not_found")


@router.get("/audio/models", responses=openai_responses(401))
async def list_speech_models(admission: Admitting, _: Caller) -> NamedModels:
    """The same as GET /v1/models, in the form that Open WebUI asks for."""
    views = [view for provider in admission.providers.values() for view in _models(provider)]
    return NamedModels(models=[Named(id=view.id, name=view.id) for view in views])


@router.get("/audio/voices", responses=openai_responses(400, 401, 404, 503))
async def list_model_voices(
    query: Annotated[VoicesQuery, QueryParameters()], admission: Admitting, voices: Voices, caller: Caller
) -> NamedVoices:
    """The voices of a model; your own cloned ones come first."""
    name, model_id = named_model(query.model)
    try:
        provider = admission.provider(name)
        model = provider.model(model_id)
    except RequestRefused as refused:
        raise in_their_words(refused) from None
    own = [
        Named(id=voice.id, name=voice.name) for voice in await voices.list(caller) if voice.provider == provider.name
    ]
    built_in = [
        Named(id=voice.id, name=voice.title)
        for voice in provider.voices
        if not voice.models or model.id in voice.models
    ]
    return NamedVoices(voices=[*own, *built_in])


def _models(provider: Provider) -> list[ModelView]:
    names = [provider.name, *(f"{provider.name}/{model.id}" for model in provider.models)]
    return [ModelView(id=name, owned_by=provider.engine.name) for name in names]
