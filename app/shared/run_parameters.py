"""What a notebook is told of a run: the value of its one parameter, as data."""

import hashlib
from collections.abc import Sequence
from typing import Any

from app.shared.job import Job
from app.shared.manifest import Language
from app.shared.provider import Provider


def run_parameters(run_id: str, jobs: Sequence[Job], provider: Provider, *, model: str, host: str) -> dict[str, Any]:
    """RUN of the notebook contract, for these jobs of the run."""
    languages = {language.code: language for language in provider.languages}
    return {
        "run_id": run_id,
        "provider": provider.name,
        "model": model,
        "device": _device(host, provider),
        # Kaggle's image has no speech packages; here the interpreter brings them.
        "install": host == "kaggle",
        "items": [_item(job, languages[job.speech.language], provider) for job in jobs],
    }


def _device(host: str, provider: Provider) -> str:
    if host != "kaggle":
        # The notebook takes what the machine has.
        return "auto"
    return "cuda" if provider.gpu else "cpu"


def _seed(job: Job, provider: Provider) -> int | None:
    """The seed that the request named; another one than the engine's own for a job that has failed alone."""
    if job.speech.seed is not None or not provider.seed or not job.failures:
        return job.speech.seed
    return int.from_bytes(hashlib.sha256(f"{job.id}:{job.failures}".encode()).digest()[:4]) >> 1


def _item(job: Job, language: Language, provider: Provider) -> dict[str, Any]:
    speech = job.speech
    chunks = provider.chunks(speech.text, language.code)
    speed = float(speech.options.get("speed") or 1.0) if "speed" in provider.options else 1.0
    return {
        "id": job.id,
        "chunks": [chunk.text for chunk in chunks],
        # Who speaks fast rests less.
        "pauses": [round(chunk.pause / speed, 3) for chunk in chunks[:-1]],
        "voice": speech.voice,
        "language": language.engine_name,
        "seed": _seed(job, provider),
        "options": speech.options,
        "reference": speech.reference and {name: speech.reference[name] for name in ("file", "sha256", "transcript")},
    }
