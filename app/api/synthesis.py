"""POST /synthesize: a request becomes a job."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as QueryParameters
from pydantic import Field

from app.api.acceptance import accept, admitted, allowance_of
from app.api.dependencies import Caller, Resources, resources
from app.api.direct import DirectResponse, DirectRoute, read_query
from app.api.estimate import Estimate
from app.api.idempotency import IdempotencyKey, once
from app.api.json_body import read_json
from app.api.openapi_headers import headers, sometimes
from app.api.problems import responses
from app.api.schemas import EXAMPLES, Query, SpeechRequest
from app.api.waiting import Preference, PreferHeader, until_ended
from app.shared.job_view import JobView, job_path, job_view
from app.shared.settings import Settings

router = APIRouter(tags=["speech"], route_class=DirectRoute)


class SynthesisQuery(Query):
    """The parameters of POST /synthesize."""

    dry_run: bool = Field(False, description="true: nothing is queued; the answer says what it would cost.")


# The body is read by `json_body.py` and not by FastAPI, which therefore has to be told what it is.
_BODY = {"content": {"application/json": {"schema": SpeechRequest.model_json_schema(), "examples": EXAMPLES}}}


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobView | Estimate,
        "description": "It ended while the client waited, or its speech was kept; or it was a dry run: the estimate.",
        "headers": sometimes("Location"),
    },
    202: {"model": JobView, "description": "It is accepted.", **headers("Location", "Retry-After")},
}


@router.post(
    "/synthesize",
    status_code=202,
    response_model=JobView | Estimate,
    responses={**_ANSWERS, **responses(400, 401, 403, 410, 413, 415, 422, 503)},
    openapi_extra={"requestBody": {"required": True, **_BODY}},
)
async def synthesize(
    caller: Caller,
    query: Annotated[SynthesisQuery, QueryParameters(), read_query(SynthesisQuery)],
    request: Request,
    idempotency_key: IdempotencyKey,
    prefer: PreferHeader = None,
) -> Response:
    """Accepts a text. The answer is the job; look at its Location until it has ended, or wait with `Prefer: wait=N`."""
    owned = resources(request)
    # Read once the caller is known: a stranger learns nothing about what is valid.
    speech_request = await read_json(request, SpeechRequest)
    unrepeated = once(idempotency_key, caller, request.scope["path"], speech_request)
    if query.dry_run:
        return DirectResponse((await _estimate(speech_request, caller, owned)).model_dump())
    seen = await accept(speech_request, caller, owned, once=unrepeated)
    answered_at_once, preference = seen.job.answered_at_once, Preference.of(prefer)
    seen = await until_ended(request, owned.changes, seen, preference.wait or 0)
    ended = seen.job.status.terminal
    # A request that is repeated under its key gets the answer that it got first, whatever has become of its job.
    answered = ended and (preference.wait or answered_at_once)
    told = {"Location": job_path(seen.job.id)}
    if not answered:
        told["Retry-After"] = str(poll_seconds(owned.settings))
    response = DirectResponse(job_view(seen.job, seen.standing), 200 if answered else 202, told)
    preference.apply(response, ended=ended)
    return response


def poll_seconds(settings: Settings) -> int:
    """How long to wait before looking at a job again: nothing changes faster than its run is polled."""
    return max(1, math.ceil(settings.polling[0]))


async def _estimate(speech_request: SpeechRequest, caller: str, owned: Resources) -> Estimate:
    job = await admitted(speech_request, caller, owned)
    kept = await owned.submissions.is_kept(job.result_key)
    standing, pace = await owned.jobs.standing(job), await owned.jobs.pace(job.speech.lane)
    allowance = await allowance_of(job, owned)
    refusal = allowance.refusal("spent") if allowance.spent_until and not kept else None
    return Estimate.of(job, owned.admission.providers[job.speech.provider], standing, pace, kept=kept, refusal=refusal)
