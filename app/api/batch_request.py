"""The body of POST /batches, and the jobs that it becomes: every item is looked at before any is refused.

What is wrong is listed by the item's place in the list, counted from 0. Of an item that is no request for speech every
wrong field is named, of one that cannot be spoken here the first.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.api.acceptance import cloned_voice, job_of, local_providers
from app.api.admission import check_metadata
from app.api.body_limit import body_limit
from app.api.dependencies import Resources
from app.api.json_body import check_values, parse
from app.api.mistakes import culprits_of, invalid
from app.api.problems import BatchInvalid
from app.api.schemas import EXAMPLES, SpeechRequest
from app.shared.errors import RequestRefused
from app.shared.job import Job
from app.shared.receivers import MAX_URL_CHARS
from app.shared.voice import ClonedVoice, is_voice_id

MOST_ITEMS = 1000
_MOST_BYTES = 64 * 2**20
"""A thousand of the longest texts, written as UTF-8 in any script but a few."""

PATH = "/batches"


def batch_limit(max_text_chars: int) -> int:
    """The longest acceptable body in bytes."""
    return min(MOST_ITEMS * body_limit(max_text_chars), _MOST_BYTES)


class BatchRequest(BaseModel):
    """The body of POST /batches. What an item says counts in place of what `defaults` say, field by field."""

    model_config = ConfigDict(strict=True, extra="forbid")

    items: list[Any] = Field(
        min_length=1,
        max_length=MOST_ITEMS,
        description="Requests for speech, in the order in which they will be heard.",
    )
    defaults: dict[str, Any] = Field({}, description="Fields for every item.")
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(None, description="Yours: a title.")
    metadata: dict[str, Any] = Field({}, description="Yours: kept with the batch and given back, up to 16 KiB.")
    webhook: Annotated[str, Field(max_length=MAX_URL_CHARS, json_schema_extra={"minLength": 1})] | None = Field(
        None, description="A URL that is told once, when all jobs have ended; each item may have its own."
    )


def batch_schema() -> dict[str, Any]:
    """The form of the body for the OpenAPI document, with that of its items."""
    schema = BatchRequest.model_json_schema()
    fields = {name: field for name, field in SpeechRequest.model_json_schema()["properties"].items() if name != "text"}
    schema["properties"]["items"]["items"] = {"$ref": "#/components/schemas/SpeechRequest"}
    schema["properties"]["defaults"] |= {"properties": fields, "additionalProperties": False}
    return schema


BATCH_EXAMPLES: dict[str, Any] = {
    "two texts with one voice": {
        "value": {
            "items": [{"text": "Chapter one."}, {"text": "It was a bright cold day.", "metadata": {"page": 1}}],
            "defaults": {"provider": "hibari", "voice": "heart"},
            "name": "A book",
            "webhook": "https://example.org/kavox",
        }
    },
    "one text": {"value": {"items": [example["value"] for example in EXAMPLES.values()][:1]}},
}
"""Requests that work when pasted."""


def parse_batch(body: bytes) -> BatchRequest:
    """The body, as far as it can be told without a look into its items.

    Raises InvalidJson, RequestRefused or RequestValidationError; the last two name the field.
    """
    value = parse(body)
    check_values({name: part for name, part in value.items() if name != "items"} if isinstance(value, dict) else value)
    try:
        request = BatchRequest.model_validate(value)
    except ValidationError as error:
        raise invalid(error, "body") from None
    if "text" in request.defaults:
        raise RequestRefused("defaults.text", "each item has its own text", code="unknown_field")
    try:
        SpeechRequest.model_validate({"text": "text", **request.defaults})
    except ValidationError as error:
        raise invalid(error, "body", "defaults") from None
    check_metadata(request.metadata)
    return request


@dataclass(frozen=True)
class Surroundings:
    """What is the same for all items: who asks for them, the caller's own voices by id, or why there is none of this
    id, and the providers that a living worker has the packages of."""

    caller: str
    voices: Mapping[str, ClonedVoice | RequestRefused]
    local_providers: Collection[str]

    @classmethod
    async def of(cls, request: BatchRequest, caller: str, owned: Resources) -> "Surroundings":
        """Asks for each voice once. Raises redis' own errors."""
        named = {item.get("voice") for item in (*request.items, request.defaults) if isinstance(item, dict)}
        voices: dict[str, ClonedVoice | RequestRefused] = {}
        for voice_id in {name for name in named if isinstance(name, str) and is_voice_id(name)}:
            try:
                found = await cloned_voice(voice_id, owned.voices, caller)
            except RequestRefused as error:
                voices[voice_id] = error
            else:
                if found is not None:
                    voices[voice_id] = found
        return cls(caller, voices, await local_providers(owned.redis))


def jobs_of(request: BatchRequest, batch_id: str, around: Surroundings, owned: Resources) -> Sequence[Job]:
    """The items as jobs that nobody knows of yet. Raises BatchInvalid, which lists what is wrong with every item."""
    jobs: list[Job] = []
    culprits: list[Mapping[str, Any]] = []
    refused = 0
    for index, item in enumerate(request.items):
        try:
            jobs.append(_job(item, request.defaults, batch_id, around, owned))
        except (ValidationError, RequestRefused) as error:
            refused += 1
            culprits += [{"index": index, **one} for one in _culprits(error)]
    if culprits:
        raise BatchInvalid(culprits, refused, len(request.items))
    return jobs


def _job(item: Any, defaults: Mapping[str, Any], batch_id: str, around: Surroundings, owned: Resources) -> Job:
    check_values(item)
    speech_request = SpeechRequest.model_validate({**defaults, **item} if isinstance(item, dict) else item)
    cloned = around.voices.get(speech_request.voice or "")
    if isinstance(cloned, RequestRefused):
        raise cloned
    return job_of(speech_request, around.caller, owned, around.local_providers, cloned, batch_id)


def _culprits(error: ValidationError | RequestRefused) -> Iterator[Mapping[str, Any]]:
    if isinstance(error, RequestRefused):
        yield {"field": error.field, "code": error.code, "detail": error.detail}
        return
    yield from culprits_of(invalid(error, "body"), PATH)
