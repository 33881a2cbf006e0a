"""GET /jobs/{id}/logs: what the notebook of the job's run printed, as far as it is the caller's to read."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from app.api.dependencies import Audio, Caller, Config, Jobs
from app.api.problems import responses
from app.api.synthesis import poll_seconds
from app.shared.errors import Conflict, Gone
from app.shared.job import Job
from app.shared.run_log import RunLog, log_name

router = APIRouter(prefix="/jobs", tags=["jobs"])


# OpenAPI has its own way to say what can be accepted: the answer's media types.
Accept = Annotated[str, Header(include_in_schema=False)]


class LogLineView(BaseModel):
    """One line of the log."""

    time: float = Field(description="Seconds since the session's start.")
    stream: str = Field(description="stdout or stderr; kavox for a note of ours.")
    text: str


class LogView(BaseModel):
    """The log of a job's run: all of it, or where others' jobs were in the run, what is not theirs."""

    job: str
    run: str
    complete: bool = Field(description="false where the middle of a long log was left out, or none could be fetched.")
    lines: Sequence[LogLineView]


_TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The log; as plain text where Accept asks for that.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


@router.get("/{job_id}/logs", response_model=LogView, responses={**_TEXT, **responses(401, 404, 409, 410, 503)})
async def read_log(
    job_id: str, jobs: Jobs, audio: Audio, settings: Config, caller: Caller, accept: Accept = "*/*"
) -> LogView | Response:
    """The log of the run that carried an ended job."""
    job = await jobs.get(job_id, caller)
    run_id = _ended_run(job, poll_seconds(settings))
    try:
        stored = b"".join([piece async for piece in await audio.stream(log_name(run_id))])
    except Gone:
        raise Gone("the log of the job's run is no longer kept, or was never there", code="log_expired") from None
    log = RunLog.from_bytes(stored)
    lines = log.lines_for(job.id)
    if "text/plain" in accept and "application/json" not in accept:
        return PlainTextResponse("".join(f"{line.time:9.3f} {line.stream}: {line.text}\n" for line in lines))
    shown = [LogLineView(time=line.time, stream=line.stream, text=line.text) for line in lines]
    return LogView(job=job.id, run=run_id, complete=log.complete, lines=shown)


def _ended_run(job: Job, retry_seconds: int) -> str:
    """The id of the job's run. Raises Conflict when there is none, or it may still go on."""
    if not job.status.terminal:
        detail = f"the log is there once the job has ended; it is {job.status}"
        raise Conflict(detail, code="log_not_ready", retry_after=retry_seconds)
    if job.run is None:
        raise Conflict("the job ended without a run, so there is no log", code="no_run")
    return str(job.run["id"])
