"""What a notebook is told of a run: the value of its one parameter, as data."""

from collections.abc import Sequence
from typing import Any

from app.shared.job import Job
from workers.run import Run


def run_parameters(run: Run, jobs: Sequence[Job]) -> dict[str, Any]:
    """RUN of the notebook contract, for these jobs of the run."""
    return {
        "run_id": run.id,
        "provider": run.provider,
        "model": run.model,
        "device": "cuda" if run.gpu else "cpu",
        # Kaggle's image has no speech packages; here the interpreter brings them.
        "install": run.host == "kaggle",
        "items": [_item(job) for job in jobs],
    }


def _item(job: Job) -> dict[str, Any]:
    speech = job.speech
    return {
        "id": job.id,
        "chunks": [speech.text],
        "voice": speech.voice,
        "language": speech.language,
        "seed": speech.seed,
        "options": speech.options,
        "reference": None,
    }
