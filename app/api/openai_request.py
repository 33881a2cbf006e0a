"""OpenAI's request for speech as one of ours. Pure, but for what is known of the providers.

    model            a provider, provider/model, or one of OpenAI's own names, which stand for the default provider
    voice            a voice of that provider, or the id of a cloned one, as a string or as {"id": …}; with one of
                     OpenAI's own models also one of OpenAI's own voices, which stand for the default voice
    instructions     the option `instruct`, where the model has it
    speed            the option `speed`, where the provider has it; 1 is everybody's

A field that is null is one that was left out: many clients send all that they know. Whatever cannot be done is refused
by the name that it has here, never ignored.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema, model_validator

from app.api.admission import Admission
from app.api.openai_audio import DEFAULT_FORMAT
from app.api.schemas import Choice, SpeechRequest
from app.shared.audio_formats import FORMATS
from app.shared.errors import KavoxError, NotFound, RequestRefused

OPENAI_MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
OPENAI_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
INSTRUCT = "instruct"
SPEED = "speed"

# What a refusal calls a field, and what its sender calls it.
_NAMES = {
    "text": "input",
    "provider": "model",
    "language": "voice",
    "format": "response_format",
    f"options.{SPEED}": SPEED,
    f"options.{INSTRUCT}": "instructions",
}

EXAMPLES: dict[str, Any] = {
    "as OpenAI's client sends it": {"value": {"input": "Hello from Kavox.", "model": "tts-1", "voice": "alloy"}},
}


def _voice_id(value: object) -> object:
    """What names the voice: a custom one comes as `{"id": …}`."""
    return value["id"] if isinstance(value, dict) and value.keys() == {"id"} else value


_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_VOICE_SCHEMA = {
    "anyOf": [
        _NAME,
        {"type": "object", "properties": {"id": _NAME}, "required": ["id"], "additionalProperties": False},
        {"type": "null"},
    ]
}


_SOME: dict[str, JsonValue] = {"minLength": 1}


def _one_of(*values: str) -> dict[str, JsonValue]:
    return {"type": ["string", "null"], "enum": [*values, None]}


class OpenAISpeech(BaseModel):
    """The body of POST /v1/audio/speech."""

    model_config = ConfigDict(strict=True, extra="forbid")

    input: str = Field(description="What to speak; as long as the native route takes it.", json_schema_extra=_SOME)
    model: Choice | None = Field(None, description="provider, provider/model, or a name of OpenAI's for the default.")
    voice: Annotated[Choice | None, BeforeValidator(_voice_id), WithJsonSchema(_VOICE_SCHEMA)] = None
    instructions: str | None = Field(None, description="How to speak, where the model takes it.")
    response_format: Choice = Field(DEFAULT_FORMAT, json_schema_extra=_one_of(*FORMATS))
    speed: Annotated[float, Field(ge=0.25, le=4, allow_inf_nan=False)] | None = None
    stream_format: Literal["audio", "sse"] = Field(
        "audio", description="Only audio: a batch run streams nothing.", json_schema_extra=_one_of("audio", "sse")
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, body: object) -> object:
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body


def speech_request(body: OpenAISpeech, admission: Admission) -> SpeechRequest:
    """The native request. Raises RequestRefused for what this service cannot do."""
    if body.stream_format != "audio":
        detail = "speech comes whole from a batch run; leave out stream_format"
        raise RequestRefused("stream_format", detail, code="unsupported_stream_format")
    name, model = named_model(body.model)
    voice = body.voice
    if name is None and voice in OPENAI_VOICES and voice not in {one.id for one in admission.default.voices}:
        voice = None
    # Whether there are such options is for the provider to say, which may be that of a cloned voice.
    options: dict[str, Any] = {}
    if body.instructions:
        options[INSTRUCT] = body.instructions
    if body.speed not in {None, 1}:
        options[SPEED] = body.speed
    return SpeechRequest(text=body.input, provider=name, model=model, voice=voice, options=options)


def named_model(model: str | None) -> tuple[str | None, str | None]:
    """Provider and model, each None where the default one is meant. Raises NotFound for a model without a provider."""
    if not model or is_openai_model(model):
        return None, None
    name, _, own = model.partition("/")
    if not name:
        raise NotFound(f"'{model}' is no model (GET /v1/models lists what a model may be)", code="model_not_found")
    return name, own or None


def is_openai_model(model: str) -> bool:
    """Whether it is one of OpenAI's own names; theirs have dates behind them too."""
    return model in OPENAI_MODELS or model.startswith("gpt-4o-mini-tts-")


def in_their_words(refused: RequestRefused) -> KavoxError:
    """The same refusal as OpenAI's service would word it: with its own name of the field, and a 404 for a model."""
    if refused.code in {"unknown_provider", "unknown_model"}:
        return NotFound(f"{refused.detail} (GET /v1/models lists what a model may be)", code="model_not_found")
    field = _NAMES.get(refused.field, refused.field)
    return RequestRefused(field, refused.detail, code=refused.code, **refused.extra)
