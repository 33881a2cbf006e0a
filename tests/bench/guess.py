"""What `POST /synthesize?dry_run=true` said of a job, beside what came of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.metronome import NAME
from tests.service import Service


@dataclass(frozen=True)
class Guess:
    """Seconds of Kaggle's; `source` is what the guess was learnt from, and `eta` None before anything was."""

    source: str
    speech: float
    gpu: float
    eta: float | None


@dataclass(frozen=True)
class Compared:
    """A guess, and what came."""

    guess: Guess
    speech: float
    gpu: float
    took: float

    def __str__(self) -> str:
        eta = "none" if self.guess.eta is None else f"{self.guess.eta:.0f} s"
        return (
            f"{self.guess.speech:.1f} s of speech, {self.guess.gpu:.0f} GPU-seconds, ETA {eta}; "
            f"came {self.speech:.1f} s, {self.gpu:.0f}, after {self.took:.0f} s"
        )


def ask(service: Service, text: str, scale: float) -> Guess:
    """What the service expects of a text. The usual figures are Kaggle's; what it has learnt is the emulator's."""
    answer = service.http.post("/synthesize", params={"dry_run": "true"}, json={"text": text, "provider": NAME})
    answer.raise_for_status()
    said: dict[str, Any] = answer.json()
    eta = said["eta_seconds"]
    gpu = said["gpu_seconds"] * (scale if said["gpu_seconds_from"] == "runs" else 1.0)
    return Guess(said["gpu_seconds_from"], said["speech_seconds"], gpu, None if eta is None else eta * scale)


def lines(compared: Sequence[Compared]) -> Iterator[str]:
    """The first guess, which nothing but usual figures stands behind, and how far off the later ones were."""
    for one in (one for one in compared if one.guess.source != "runs"):
        yield f"estimate before any run: {one}"
    learnt = [one for one in compared if one.guess.source == "runs"]
    if learnt:
        offs = sorted(one.guess.gpu / one.gpu for one in learnt)
        etas = sorted(one.guess.eta / one.took for one in learnt if one.guess.eta is not None)
        yield (
            f"estimates learnt from runs, of what came: GPU-seconds {offs[0]:.2f} to {offs[-1]:.2f} x, "
            f"time to audio {etas[0]:.2f} to {etas[-1]:.2f} x ({len(learnt)} lone jobs)"
        )
