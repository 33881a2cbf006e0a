"""The clock of a session on Kaggle, and how fast the bench lets it run. Seconds are Kaggle's, not this machine's.

Measured on eight real runs (public logs of 2026-02): boot 11-13 s, install 50-75 s, load 12-18 s, tail 6-10 s. Assumed:
the queue, which was seen to be short and once an hour; how long speech takes, given as a factor on its length; and that
two GPUs speak twice as much as one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.shared.settings import Settings

QUEUE, BOOT, INSTALL, LOAD, TAIL = 15.0, 12.0, 60.0, 14.0, 8.0
BILLED = BOOT + INSTALL + LOAD + TAIL
"""What a session costs before and after its first word."""
OVERHEAD = QUEUE + BILLED
"""How long it takes from the push to the audio, beside the speech."""

SESSIONS = 2
SCALE = 20.0
"""So many of Kaggle's seconds pass in one of this machine's."""

WORKERS: int = Settings.model_fields["workers"].default

POLLING_MIN, POLLING = 5.0, 60.0
"""Kavox' own gaps between two looks at real Kaggle; the longer one is also how often the original looked."""
_SERVICE_SECONDS = {
    "POLLING_MIN_SECONDS": POLLING_MIN,
    "POLLING_INTERVAL_SECONDS": POLLING,
    "RETRY_INTERVAL_SECONDS": 60.0,
    "PUSH_VISIBILITY_SECONDS": 120.0,
    "PUSH_TIMEOUT_SECONDS": 120.0,
    "BATCH_WINDOW_SECONDS": Settings.model_fields["batch_window_seconds"].default,
    "DEPLOYMENT_TIMEOUT_MINUTES": Settings.model_fields["deployment_timeout_minutes"].default,
    "RUN_TIMEOUT_MINUTES": Settings.model_fields["run_timeout_minutes"].default,
}


@dataclass(frozen=True)
class Speed:
    """How long a session speaks: `factor` seconds for each second of speech, on each of its `gpus`."""

    factor: float
    gpus: int


def emulator_seconds(scale: float) -> Mapping[str, float]:
    """The emulator's own seconds on this machine; a notebook states its work in the same."""
    return {"queue-seconds": QUEUE / scale, "boot-seconds": BOOT / scale, "tail-seconds": TAIL / scale}


def service_settings(scale: float, workers: int = WORKERS) -> Mapping[str, object]:
    """Kavox as shipped, with every interval that a setting names divided as the emulator's are."""
    intervals = {f"KAVOX_{name}": seconds / scale for name, seconds in _SERVICE_SECONDS.items()}
    clock = {
        f"KAVOX_EMULATOR_{name.upper().replace('-', '_')}": value for name, value in emulator_seconds(scale).items()
    }
    return {
        **intervals,
        **clock,
        "KAVOX_EMULATOR_RUNS_GPU_PROVIDERS": True,
        "KAVOX_WORKERS": workers,
    }
