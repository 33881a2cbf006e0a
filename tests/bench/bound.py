"""The best that any schedule can do under Kaggle's limits, in closed form.

A run can be pushed when the last of its texts is there. It takes OVERHEAD, and then its texts' speech times `factor` on
g GPUs, each text on one. At most SESSIONS runs are open at once, queued ones included, and as shipped a run carries at
most so many items and so much speech, so that R runs are needed at least (and both sessions are used where R is 1).

**All texts there at the start.** The sessions together have R overheads and all speech to do. No schedule ends before

    max(R, SESSIONS) / SESSIONS * OVERHEAD + factor * speech / (SESSIONS * g)

nor before OVERHEAD + factor * longest text. R runs bill R * BILLED + factor * speech / g seconds at least.

**A stream.** Whatever the schedule knows of the future, the texts from the k-th on can only be in runs that are pushed
after that came. So for every k the end is not before it came, plus the formula above for the texts from k on, and the
latest of these counts. Nobody who cannot see the future reaches it: it lets the whole last stretch of the stream wait
for its last text. With few texts that would be unfair, so the bench takes an hour of them.
"""

import itertools
import math
from collections.abc import Sequence

from app.shared.settings import Settings
from tests.bench.clock import BILLED, OVERHEAD, SESSIONS, Speed

MOST_ITEMS: int = Settings.model_fields["batch_max_items"].default
MOST_SPEECH: float = Settings.model_fields["batch_max_speech_seconds"].default


def fewest_runs(lengths: Sequence[float]) -> int:
    """How many runs these texts need at least, by the limits of a run."""
    return max(math.ceil(len(lengths) / MOST_ITEMS), math.ceil(sum(lengths) / MOST_SPEECH))


def earliest_end(lengths: Sequence[float], speed: Speed) -> float:
    """Seconds until the last audio of texts that are all there at the start."""
    shared = max(fewest_runs(lengths), SESSIONS) / SESSIONS * OVERHEAD
    spoken = speed.factor * sum(lengths) / (SESSIONS * speed.gpus)
    return max(shared + spoken, OVERHEAD + speed.factor * max(lengths))


def earliest_end_of_stream(lengths: Sequence[float], came: Sequence[float], speed: Speed) -> float:
    """The same for texts that come one after the other, counted from the first."""
    return max(moment + earliest_end(lengths[at:], speed) for at, moment in enumerate(came))


def fewest_gpu_seconds(lengths: Sequence[float], speed: Speed) -> float:
    """What has to be billed for these texts at least, however late they are."""
    return fewest_runs(lengths) * BILLED + speed.factor * sum(lengths) / speed.gpus


def ideal_waits(lengths: Sequence[float], came: Sequence[float], speed: Speed) -> list[float]:
    """How long each text of a stream waits for its audio where nothing is lost between two runs.

    No bound: it is Kavox' own way, to give a free session what waits, by somebody who notices everything at once.
    """
    free = [0.0] * SESSIONS
    waits: list[float] = []
    while len(waits) < len(lengths):
        begins = max(min(free), came[len(waits)])
        there = sum(1 for moment in itertools.islice(came, len(waits), None) if moment <= begins)
        taken = lengths[len(waits) : len(waits) + min(there, MOST_ITEMS)]
        ends = begins + OVERHEAD + speed.factor * max([sum(taken) / speed.gpus, *taken])
        free[free.index(min(free))] = ends
        waits += [ends - came[len(waits) + place] for place in range(len(taken))]
    return waits
