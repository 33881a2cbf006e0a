"""GET /jobs/{id}/captions and /batches/{id}/captions: what is said when, for players and for programs."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Query as QueryParameters
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.audio import finished_audio
from app.api.batch_audio import GAP_SECONDS, GapSeconds
from app.api.batch_parts import check_ended, parts_of
from app.api.dependencies import Caller, Owned
from app.api.direct import DirectResponse
from app.api.openapi_headers import headers
from app.api.problems import responses
from app.api.schemas import Query
from app.api.synthesis import poll_seconds
from app.shared.captions import Captions, Cue, captions_of, srt, vtt
from app.shared.job import Job
from app.shared.provider import Provider

router = APIRouter()

_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt"}


class CaptionsQuery(Query):
    """The parameters of GET /jobs/{id}/captions."""

    format: Literal["vtt", "srt", "json"] = Field("vtt", description="WebVTT, SubRip, or the times as data.")


class BatchCaptionsQuery(CaptionsQuery):
    """The parameters of GET /batches/{id}/captions; the same as those of the joined audio that they are for."""

    gap_seconds: GapSeconds = Field(GAP_SECONDS, description="Silence between each two jobs of the joined audio.")
    partial: bool = Field(False, description="true: jobs without audio are left out instead of a 409.")


class CueView(BaseModel):
    """A text, and from when to when it is heard, in seconds."""

    start: float
    end: float
    text: str


class ChunkView(CueView):
    """A piece of a job's text that was spoken at once."""

    job: str


class CaptionsView(BaseModel):
    """When what is heard."""

    id: str
    timing: Literal["measured", "estimated"] = Field(
        description="measured: the run told when each chunk is heard; estimated: by the length of the texts alone."
    )
    chunks: Sequence[ChunkView]
    cues: Sequence[CueView] = Field(description="What players show, one or two lines each.")


_TEXT = {"schema": {"type": "string"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": CaptionsView,
        "description": "The captions.",
        "content": dict.fromkeys(_TYPES.values(), _TEXT),
        **headers("X-Kavox-Caption-Timing"),
    }
}


@router.get(
    "/jobs/{job_id}/captions",
    tags=["jobs"],
    response_model=CaptionsView,
    responses={**_ANSWERS, **responses(401, 404, 409, 422, 503)},
)
async def read_captions(
    job_id: str, query: Annotated[CaptionsQuery, QueryParameters()], owned: Owned, caller: Caller
) -> Response:
    """What is said when in a job's audio, whatever its format: times of chunks from the run, lines by their length."""
    job = await owned.jobs.get(job_id, caller)
    finished_audio(job, poll_seconds(owned.settings))
    made = await run_in_threadpool(_captions, [job], [0.0], owned.admission.providers)
    return _answer(job_id, [job_id], made, query.format)


@router.get(
    "/batches/{batch_id}/captions",
    tags=["batches"],
    response_model=CaptionsView,
    responses={**_ANSWERS, **responses(401, 404, 409, 410, 422, 503)},
)
async def read_batch_captions(
    batch_id: str, query: Annotated[BatchCaptionsQuery, QueryParameters()], owned: Owned, caller: Caller
) -> Response:
    """What is said when in a batch's joined audio with the same gaps."""
    batch = await owned.batches.get(batch_id, caller)
    check_ended(batch, poll_seconds(owned.settings))
    parts = await parts_of(batch, owned.batches, owned.audio, partial=query.partial)
    heard = {part.id for part in parts if part.audio}
    made: list[Captions] = []
    ids: list[str] = []
    seconds = 0.0
    async for some in owned.batches.jobs_of(batch):
        jobs = [job for job_id, job in some if job and job_id in heard]
        starts = []
        for job in jobs:
            starts.append(seconds)
            seconds += (job.audio or {})["duration_seconds"] + query.gap_seconds
        made += await run_in_threadpool(_captions, jobs, starts, owned.admission.providers)
        ids += [job.id for job in jobs]
    return await run_in_threadpool(_answer, batch_id, ids, made, query.format)


def _captions(jobs: Sequence[Job], starts: Sequence[float], providers: Mapping[str, Provider]) -> Sequence[Captions]:
    """Those of jobs that are heard from these seconds on. In a thread: to cut a long text takes a while."""
    return [
        captions_of(job, providers.get(job.speech.provider)).later(start)
        for job, start in zip(jobs, starts, strict=True)
    ]


def _answer(subject: str, job_ids: Sequence[str], made: Sequence[Captions], wanted: str) -> Response:
    measured = all(captions.measured for captions in made)
    timing = "measured" if measured else "estimated"
    cues = [cue for captions in made for cue in captions.cues]
    if wanted == "json":
        chunks = [
            {**_view(cue), "job": job_id}
            for job_id, captions in zip(job_ids, made, strict=True)
            for cue in captions.chunks
        ]
        content = {"id": subject, "timing": timing, "chunks": chunks, "cues": list(map(_view, cues))}
        response: Response = DirectResponse(content)
    else:
        lines = srt(cues) if wanted == "srt" else vtt(cues, measured=measured)
        response = Response("".join(lines), media_type=f"{_TYPES[wanted]}; charset=utf-8")
        response.headers["Content-Disposition"] = f'inline; filename="{subject}.{wanted}"'
    response.headers["X-Kavox-Caption-Timing"] = timing
    return response


def _view(cue: Cue) -> dict[str, Any]:
    return {"start": round(cue.start, 3), "end": round(cue.end, 3), "text": cue.text}
