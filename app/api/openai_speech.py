"""POST /v1/audio/speech: speech as OpenAI's clients ask for it, over the same road as POST /synthesize.

Their call lasts until the audio is there, and they repeat it in silence where it fails. So the same request of the same
caller joins the job that is under way, and whatever would only cost more says `x-should-retry: false`. Nobody's leaving
cancels a job: whoever comes back finds it.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.acceptance import accept
from app.api.delivery import CONTENT
from app.api.dependencies import Caller, Owned, Resources
from app.api.idempotency import IdempotencyKey, once
from app.api.json_body import read_json
from app.api.openai_audio import audio_in
from app.api.openai_errors import NO_RETRY, envelope
from app.api.openai_request import EXAMPLES, OpenAISpeech, in_their_words, speech_request
from app.api.openapi_headers import headers
from app.api.problems import openai_responses
from app.api.waiting import until_ended
from app.shared.audio_formats import audio_format
from app.shared.errors import RequestRefused
from app.shared.job import Job, JobStatus
from app.shared.job_view import job_path

router = APIRouter(prefix="/v1", tags=["openai"])

RETRY_SECONDS = 60
"""OpenAI's clients do not heed more than 120."""


async def _body(request: Request, _: Caller) -> OpenAISpeech:
    return await read_json(request, OpenAISpeech)


_BODY = {"content": {"application/json": {"schema": OpenAISpeech.model_json_schema(), "examples": EXAMPLES}}}


@router.post(
    "/audio/speech",
    response_class=Response,
    responses={
        **openai_responses(400, 401, 403, 404, 409, 410, 413, 415, 500, 503, 504),
        200: {"description": "The audio.", "content": CONTENT, **headers("X-Kavox-Job", "Content-Length")},
    },
    openapi_extra={"requestBody": {"required": True, **_BODY}},
)
async def create_speech(
    body: Annotated[OpenAISpeech, Depends(_body)],
    caller: Caller,
    owned: Owned,
    request: Request,
    idempotency_key: IdempotencyKey,
) -> Response:
    """Speaks a text and answers with the audio. The same request, while it is under way, is the same job."""
    try:
        audio_format(body.response_format)  # raises for one that there is not
        unrepeated = once(idempotency_key, caller, request.url.path, body)
        seen = await accept(speech_request(body, owned.admission), caller, owned, joining=True, once=unrepeated)
    except RequestRefused as refused:
        raise in_their_words(refused) from None
    seen = await until_ended(request, owned.changes, seen, owned.settings.openai_wait_seconds)
    response = await _answer(body, seen.job, owned)
    response.headers["X-Kavox-Job"] = seen.job.id
    return response


async def _answer(body: OpenAISpeech, job: Job, owned: Resources) -> Response:
    if job.status is JobStatus.SUCCEEDED and job.audio:
        return await audio_in(body.response_format, job, owned)
    if job.status is JobStatus.FAILED and job.error:
        # Kavox has tried again itself where that could help.
        return envelope(500, f"the job failed: {job.error['detail']}", code=job.error["code"], headers=NO_RETRY)
    if job.status is JobStatus.CANCELED:
        return envelope(409, f"the job {job_path(job.id)} was cancelled", code="job_canceled", headers=NO_RETRY)
    detail = (
        f"the job is {job.status} and goes on; its audio will be at {job_path(job.id)}/audio, and the same request "
        "joins it instead of starting another"
    )
    return envelope(504, detail, code="job_not_finished", headers={**NO_RETRY, "Retry-After": str(RETRY_SECONDS)})
