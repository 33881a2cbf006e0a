"""Which waiting jobs share one run. Pure: no clock, no store."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from app.shared.job import Job

# Kaggle takes notebooks of less than 1,000,000 bytes; the template and the JSON around the items need some of it.
MAX_ITEM_BYTES = 700_000


@dataclass(frozen=True)
class BatchLimits:
    """What one run may carry. A job beyond them runs alone."""

    items: int
    speech_seconds: float
    item_bytes: int = MAX_ITEM_BYTES


def choose(waiting: Sequence[Job], limits: BatchLimits) -> list[Job]:
    """The jobs at the head of the lane that fit into one run, in the lane's order.

    It stops at the first one that does not fit, so that nobody is overtaken for being long.
    """
    chosen: list[Job] = []
    seconds, size = 0.0, 0
    for job in waiting:
        seconds += job.speech.estimated_seconds
        size += source_bytes(job)
        fits = len(chosen) < limits.items and seconds <= limits.speech_seconds and size <= limits.item_bytes
        if chosen and not fits:
            break
        chosen.append(job)
    return chosen


def source_bytes(job: Job) -> int:
    """How many bytes the job takes in the notebook's source, where it is JSON inside a string inside JSON."""
    carried = [job.speech.text, job.speech.options, job.speech.reference]
    return len(json.dumps(json.dumps(json.dumps(carried)))) + 300
