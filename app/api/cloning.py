"""Cloned voices: a caller's recordings to be spoken with. Listed with all other voices by GET /voices."""

import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from app.api.dependencies import Admitting, Audio, Caller, Decoding, Voices
from app.api.openapi_headers import headers
from app.api.problems import responses
from app.api.recording import Recording, prepare
from app.api.voice_form import NOTICE, VoiceForm, voice_form
from app.api.voices import VoiceView
from app.shared.errors import StorageFull
from app.shared.provider import Provider
from app.shared.voice import ClonedVoice, new_voice_id, recording_name

router = APIRouter(prefix="/voices", tags=["voices"])


async def _form(request: Request, _: Caller) -> AsyncIterator[tuple[VoiceForm, UploadFile]]:
    """The body, once the caller is known."""
    async with voice_form(request) as given:
        yield given


# The body is read by `voice_form.py` and not by FastAPI, which therefore has to be told what it is.
_FILE = {"type": "string", "format": "binary", "description": "wav, mp3, flac or ogg, 3 to 60 s, up to 20 MB."}
_SCHEMA = VoiceForm.model_json_schema()
_SCHEMA["properties"] = {"file": _FILE, **_SCHEMA["properties"]}
_SCHEMA["required"] = ["file", *_SCHEMA["required"]]
_BODY = {"schema": _SCHEMA, "encoding": {"file": {"contentType": "audio/wav, audio/mpeg, audio/flac, audio/ogg"}}}


@router.post(
    "",
    status_code=201,
    description=f"Keeps a recording to be spoken with. {NOTICE}",
    responses={201: headers("Location"), **responses(400, 401, 403, 409, 413, 415, 422, 503)},
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": _BODY}}},
)
async def add_voice(
    given: Annotated[tuple[VoiceForm, UploadFile], Depends(_form)],
    caller: Caller,
    admission: Admitting,
    voices: Voices,
    audio: Audio,
    decoding: Decoding,
    response: Response,
) -> VoiceView:
    """Checks a recording and keeps it."""
    form, file = given
    provider = admission.cloning_provider(form.provider)
    if form.language is not None:
        codes = [language.code for language in provider.languages]
        provider.language(form.language, codes, provider.name)
    async with decoding:
        # Not before its turn: the files of all who wait would be in memory at once.
        recording = await run_in_threadpool(prepare, await file.read())
    voice = _voice(form, caller, recording)
    # First, so that no recording is ever kept that nobody could list and delete.
    await voices.add(voice)
    try:
        await run_in_threadpool(audio.put, recording_name(voice.file), recording.content)
    except StorageFull:
        await voices.remove(voice)
        raise
    response.headers["Location"] = f"/voices/{voice.id}"
    return VoiceView.of_recording(voice, provider)


@router.get("/{voice_id}", responses=responses(401, 404, 503))
async def read_voice(voice_id: str, caller: Caller, admission: Admitting, voices: Voices) -> VoiceView:
    """One of your cloned voices."""
    voice = await voices.get(voice_id, caller)
    return VoiceView.of_recording(voice, _provider(voice, admission))


@router.delete("/{voice_id}", status_code=204, responses=responses(401, 403, 404, 503))
async def remove_voice(voice_id: str, caller: Caller, voices: Voices, audio: Audio) -> None:
    """Removes a voice and its recording here at once, and its copy on Kaggle soon after."""
    voice = await voices.get(voice_id, caller)
    await voices.remove(voice)
    await run_in_threadpool(audio.delete, recording_name(voice.file))


def _voice(form: VoiceForm, caller: str, recording: Recording) -> ClonedVoice:
    return ClonedVoice(
        id=new_voice_id(),
        caller=caller,
        name=form.name,
        provider=form.provider,
        transcript=form.transcript,
        language=form.language,
        seconds=recording.seconds,
        sample_rate=recording.sample_rate,
        sha256=recording.sha256,
        created_at=time.time(),
    )


def _provider(voice: ClonedVoice, admission: Admitting) -> Provider | None:
    """The voice's provider, None where its manifest is no longer there."""
    return admission.providers.get(voice.provider)
