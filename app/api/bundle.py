"""GET /jobs/{id}/bundle: all that is needed to run an ended job again elsewhere, as a zip; `kavox replay` does that."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import APIRouter
from fastapi import Query as QueryParameters
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.bundle_files import Subject, packed
from app.api.dependencies import Caller, Owned, Resources
from app.api.openapi_headers import headers
from app.api.problems import responses
from app.api.schemas import Query
from app.api.synthesis import poll_seconds
from app.shared import keys
from app.shared.errors import Conflict, Gone
from app.shared.job import Job
from app.shared.provider import Provider
from app.shared.run_log import LogLine, RunLog, log_name

router = APIRouter(prefix="/jobs", tags=["jobs"])

_ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bundle; its README.txt says what is in it.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        **headers("Content-Disposition"),
    }
}
_STEPS = ("created_at", "pushing_at", "pushed_at", "running_at", "ended_at")


class BundleQuery(Query):
    """The parameters of GET /jobs/{id}/bundle."""

    include_text: bool = Field(False, description="true: the text, described voices and transcripts are not masked.")


@router.get("/{job_id}/bundle", response_class=Response, responses={**_ZIP, **responses(401, 404, 409, 422, 503)})
async def read_bundle(
    job_id: str, query: Annotated[BundleQuery, QueryParameters()], owned: Owned, caller: Caller
) -> Response:
    """What is needed to run an ended job again, and to see why it failed, as a zip; its text is masked."""
    job = await owned.jobs.get(job_id, caller)
    if not job.status.terminal:
        detail = f"the bundle is there once the job has ended; it is {job.status}"
        raise Conflict(detail, code="bundle_not_ready", retry_after=poll_seconds(owned.settings))
    provider = _provider(job, owned)
    log = await _log(job, owned, whole=query.include_text)
    subject = Subject(job, provider, log, await _times(job, owned))
    name = f"kavox-{job.id}.zip"
    content = await run_in_threadpool(packed, name, subject, owned.settings, plain=query.include_text)
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/zip", headers=disposition)


def _provider(job: Job, owned: Resources) -> Provider:
    """The provider that spoke the job. Raises Conflict when it is not there any more as it was."""
    provider = owned.admission.providers.get(job.speech.provider)
    if provider is None or job.speech.language not in {language.code for language in provider.languages}:
        detail = f"{job.speech.provider} is not there any more as it was when the job was spoken"
        raise Conflict(detail, code="provider_changed")
    return provider


async def _log(job: Job, owned: Resources, *, whole: bool) -> Sequence[LogLine] | None:
    """The lines of its run's log that are the caller's to read, or fit to be handed on; None where none is kept."""
    if job.run is None:
        return None
    try:
        stored = b"".join([piece async for piece in await owned.audio.stream(log_name(job.run["id"]))])
    except Gone:
        return None
    log = RunLog.from_bytes(stored)
    carried = cast("str | None", await owned.redis.hget(f"{keys.RUN}{job.run['id']}", "jobs"))
    # What the caller has written for other jobs is not known here, and could not be masked.
    alone = carried is not None and json.loads(carried) == [job.id]
    return (log if whole or alone else replace(log, shared=True)).lines_for(job.id)


async def _times(job: Job, owned: Resources) -> Sequence[Mapping[str, str]]:
    """What happened when, the earliest first."""
    happened = [(job.created_at, "accepted")]
    if job.run is not None:
        run_key = f"{keys.RUN}{job.run['id']}"
        phases = cast("dict[str, str]", await owned.redis.hgetall(f"{run_key}:phases"))
        happened += [(float(at), f"phase {phase}") for phase, at in phases.items()]
        recorded = cast("list[str | None]", await owned.redis.hmget(run_key, _STEPS))
        happened += [
            (float(at), f"run {step.removesuffix('_at')}")
            for step, at in zip(_STEPS, recorded, strict=True)
            if at is not None and float(at)
        ]
    if job.finished_at is not None:
        happened.append((job.finished_at, job.status.value))
    return [{"at": datetime.fromtimestamp(at, UTC).isoformat(), "what": what} for at, what in sorted(happened)]
