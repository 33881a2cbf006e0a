"""OpenAI's request for speech as one of ours. Pure, but for what is known of the providers.

    model            a provider, provider/model, or one of OpenAI's own names, which stand for the default provider
    voice            a voice of that provider, or the id of a cloned one, as a string or as {"id": …}; with one of
                     OpenAI's own models also one of OpenAI's own voices, which stand for the default voice
    instructions     the option `instruct`, where the model has it
    speed            the option `speed`, where the provider has it; 1 is everybody's

Whatever cannot be done is refused by the name that it has here, never ignored.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from app.api.admission import Admission
from app.api.openai_audio import DEFAULT_FORMAT
from app.api.schemas import Choice, SpeechRequest
from app.shared.audio_formats import FORMATS
from app.shared.errors import RequestRefused

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


class OpenAISpeech(BaseModel):
    """The body of POST /v1/audio/speech."""

    model_config = ConfigDict(strict=True, extra="forbid")

    input: str = Field(description="What to speak; as long as the native route takes it.", json_schema_extra=_SOME)
    model: Choice | None = Field(None, description="provider, provider/model, or a name of OpenAI's for the default.")
    voice: Annotated[Choice | None, BeforeValidator(_voice_id), WithJsonSchema(_VOICE_SCHEMA)] = None
    instructions: str | None = Field(None, description="How to speak, where the model takes it.")
    response_format: Choice = Field(DEFAULT_FORMAT, json_schema_extra={"enum": list(FORMATS)})
    speed: Annotated[float, Field(ge=0.25, le=4, allow_inf_nan=False)] | None = None
    stream_format: Literal["audio", "sse"] = Field("audio", description="Only audio: a batch run streams nothing.")


def speech_request(body: OpenAISpeech, admission: Admission) -> SpeechRequest:
    """The native request. Raises RequestRefused for what this service cannot do."""
    if body.stream_format != "audio":
        detail = "speech comes whole from a batch run; leave out stream_format"
        raise RequestRefused("stream_format", detail, code="unsupported_stream_format")
    theirs = body.model is None or body.model in OPENAI_MODELS or body.model.startswith("gpt-4o-mini-tts-")
    name, _, model = (None, "", "") if theirs else (body.model or "").partition("/")
    provider = admission.provider(name)
    voice = body.voice
    if theirs and voice in OPENAI_VOICES and voice not in {one.id for one in provider.voices}:
        voice = None
    options: dict[str, Any] = {}
    if body.instructions:
        if INSTRUCT not in provider.options:
            raise RequestRefused("instructions", f"{provider.name} takes no instructions", code="unknown_option")
        options[INSTRUCT] = body.instructions
    if body.speed not in {None, 1}:
        if SPEED not in provider.options:
            raise RequestRefused("speed", f"{provider.name} has one speed; leave it out", code="unknown_option")
        options[SPEED] = body.speed
    return SpeechRequest(text=body.input, provider=name, model=model or None, voice=voice, options=options)


def in_their_words(refused: RequestRefused) -> RequestRefused:
    """The same refusal with the name that the field has in OpenAI's request."""
    field = _NAMES.get(refused.field, refused.field)
    return RequestRefused(field, refused.detail, code=refused.code, **refused.extra)
