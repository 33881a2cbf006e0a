"""What a notebook is told of a run: the value of its one parameter, as data."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.shared.job import Job
from app.shared.provider import Provider
from workers.run import Run


def run_parameters(run: Run, jobs: Sequence[Job], provider: Provider) -> dict[str, Any]:
    """RUN of the notebook contract, for these jobs of the run."""
    engine_names = {language.code: language.engine_name for language in provider.languages}
    return {
        "run_id": run.id,
        "provider": run.provider,
        "model": run.model,
        "device": "cuda" if run.gpu else "cpu",
        # Kaggle's image has no speech packages; here the interpreter brings them.
        "install": run.host == "kaggle",
        "items": [_item(job, engine_names) for job in jobs],
    }


def _item(job: Job, engine_names: Mapping[str, str]) -> dict[str, Any]:
    speech = job.speech
    return {
        "id": job.id,
        "chunks": [speech.text],
        "voice": speech.voice,
        "language": engine_names.get(speech.language, speech.language),
        "seed": speech.seed,
        "options": speech.options,
        "reference": None,
    }
