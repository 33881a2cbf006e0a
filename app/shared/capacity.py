"""How much can be under way at once: what one run carries, and how many runs of each kind there may be.

gpu        sessions with a GPU on Kaggle, or its stand-in
own_gpu    runs on a GPU of a worker's own machine
cpu        all others
"""

from collections.abc import Mapping
from typing import Literal

from app.shared.provider import Provider
from app.shared.settings import Settings

Kind = Literal["gpu", "own_gpu", "cpu"]


class Capacity:
    """That of one installation."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider]) -> None:
        self._providers = providers
        self._jobs = settings.batch_max_items
        self._speech_seconds = settings.batch_max_speech_seconds
        self._most: Mapping[Kind, int] = {
            "gpu": settings.max_sessions,
            "own_gpu": settings.max_own_gpu_runs,
            "cpu": settings.max_cpu_runs,
        }

    def kind(self, lane: str) -> Kind:
        """Which of the limits the runs of a lane count against. Raises KeyError for a provider that is not there."""
        name, _, host = lane.split(":", 2)
        if not self._providers[name].gpu:
            return "cpu"
        return "own_gpu" if host == "local" else "gpu"

    def runs_at_once(self, kind: Kind) -> int:
        """The most runs of this kind that may be open."""
        return self._most[kind]

    def jobs_a_run(self, speech_seconds: float) -> int:
        """How many jobs share a run, if each has so much speech."""
        return max(1, min(self._jobs, int(self._speech_seconds // max(speech_seconds, 1e-3))))

    def rounds_before(self, lane: str, place: int, speech_seconds: float) -> int:
        """How many times all sessions are filled before the turn of a job with so many like it before it in its lane.

        As if no other lane wanted any of them.
        """
        at_once = self.runs_at_once(self.kind(lane)) if lane.partition(":")[0] in self._providers else 1
        return place // (at_once * self.jobs_a_run(speech_seconds))
