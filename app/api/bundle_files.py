"""What is in a job's bundle. The words of its caller are masked unless they are asked for, so that it can be given to
whoever looks into a failure; of the service's settings it tells none that is text, and of Kaggle no account.
"""

import io
import json
import platform
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import orjson

from app.shared.job import Job
from app.shared.job_store import Standing
from app.shared.job_view import job_view
from app.shared.masking import Mask, masked
from app.shared.notebook_source import with_run
from app.shared.provider import Provider
from app.shared.run_log import LogLine
from app.shared.run_parameters import run_parameters
from app.shared.settings import Settings

_README = """What became of one job of Kavox. To run its notebook again, on an emulated Kaggle:

    kavox replay {name}

job.json        the job as GET /jobs/{{id}} shows it, without its metadata, its webhook and its kernel's name
notebook.ipynb  the notebook of its run, with this job alone
run.json        what the notebook is told: its RUN
log.txt         what it printed, where the log is kept; nothing of other callers
timeline.json   when what happened
service.json    versions, and those settings that are numbers or switches

{notes}
"""
_MASKED = "The caller's words are masked: o for each letter, 0 for each digit. With ?include_text=true they are not."
_PLAIN = "THE CALLER'S WORDS ARE IN IT, because they were asked for."
_CLONED = "The recording of the cloned voice is not in it, and without it that voice cannot speak."


@dataclass(frozen=True)
class Subject:
    """An ended job, its provider, the lines of its run's log that are its caller's, if a log is kept, and its times."""

    job: Job
    provider: Provider
    log: Sequence[LogLine] | None
    times: Sequence[Mapping[str, str]]


def packed(name: str, subject: Subject, settings: Settings, *, plain: bool) -> bytes:
    """The bundle as a zip of this name; `plain`: with the caller's own words."""
    job = subject.job if plain else _without_words(subject.job, subject.provider)
    mask = str if plain else Mask(_words(subject.job, subject.provider))
    # Before the first item nothing could be said of any text.
    lines = [
        f"{line.time:9.3f} {line.stream}: {line.text if line.common else mask(line.text)}" for line in subject.log or ()
    ]
    notes = [_PLAIN if plain else _MASKED, *([_CLONED] if job.speech.reference else [])]
    run = _run(job, subject.provider)
    template = json.loads((settings.notebooks_dir / f"{subject.provider.name}.ipynb").read_text(encoding="utf-8"))
    files = {
        "README.txt": _README.format(name=name, notes="\n".join(notes)),
        "job.json": _view(job),
        "notebook.ipynb": with_run(template, run),
        "run.json": _json(run),
        "timeline.json": _json(subject.times),
        "service.json": _json(_service(settings, subject.provider)),
        **({} if subject.log is None else {"log.txt": "".join(f"{line}\n" for line in lines)}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner_name, content in files.items():
            archive.writestr(inner_name, content)
    return file.getvalue()


def _run(job: Job, provider: Provider) -> Mapping[str, Any]:
    """What the notebook is told; a job that ended without a run is one of its own."""
    run_id, host = (job.run["id"], job.run["host"]) if job.run else (job.id, job.speech.host)
    return run_parameters(run_id, [job], provider, model=job.speech.model, host=host)


def _view(job: Job) -> str:
    shown = {name: value for name, value in job_view(job, Standing()).items() if name not in {"metadata", "webhook"}}
    if job.run is not None:
        # They name the account.
        shown["run"] = {**shown["run"], "kernel": None, "url": None}
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode()


def _words(job: Job, provider: Provider) -> Iterator[str]:
    """What the caller has written, as far as it reaches a notebook."""
    yield job.speech.text
    yield from (str(value) for name, value in job.speech.options.items() if _is_free(provider, name))
    if job.speech.reference and job.speech.reference["transcript"]:
        yield job.speech.reference["transcript"]


def _is_free(provider: Provider, name: str) -> bool:
    """Whether an option is in the caller's own words; one that the manifest does not list any more may be."""
    option = provider.options.get(name)
    return option is None or (option.type == "string" and not option.choices)


def _without_words(job: Job, provider: Provider) -> Job:
    speech, mask = job.speech, Mask(_words(job, provider))
    options = {
        name: masked(str(value)) if _is_free(provider, name) else value for name, value in speech.options.items()
    }
    transcript = speech.reference and speech.reference["transcript"]
    reference = speech.reference and {**speech.reference, "transcript": transcript and masked(transcript)}
    error = job.error and {**job.error, "detail": mask(job.error["detail"])}
    spoken = replace(speech, text=masked(speech.text), options=options, reference=reference)
    return replace(job, speech=spoken, error=error)


def _service(settings: Settings, provider: Provider) -> Mapping[str, Any]:
    values = settings.model_dump()
    return {
        "kavox": version("kavox"),
        "python": platform.python_version(),
        "kaggle": settings.kaggle_mode,
        "notebook_and_manifest": provider.revision,
        "settings": {name: value for name, value in values.items() if isinstance(value, int | float)},
    }


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False)
