"""What goes on in the account beside this emulator's kernels, and how slow Kaggle is today; told over /control/account.

gpu_hours_used          GPU hours of this week that were used by hand; forgotten at the week's refresh
gpu_seconds_reserved    what sessions started by hand hold of the quota
gpu_sessions            open GPU sessions of a person: they count towards the limit and are in no list
cpu_sessions            the same without a GPU
visibility_lag_seconds  as the option of that name
dataset_seconds         as the option of that name
mount                   "datasets" for /kaggle/input/datasets/<owner>/<slug>/, "flat" for /kaggle/input/<slug>/, as
                        Kaggle mounted datasets before 2026
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.emulator.clock import week_start
from workers.emulator.store import Store
from workers.emulator.wire import ApiError

_NAME = "elsewhere"
MOUNTS = ("datasets", "flat")


@dataclass(frozen=True)
class Elsewhere:
    """The settings as they are now."""

    gpu_hours_used: float = 0.0
    gpu_seconds_reserved: float = 0.0
    gpu_sessions: int = 0
    cpu_sessions: int = 0
    visibility_lag_seconds: float = 0.0
    dataset_seconds: float = 0.0
    mount: str = MOUNTS[0]


class AccountState:
    """The settings, kept over a restart; `defaults` are what the emulator was started with."""

    def __init__(self, store: Store, defaults: Elsewhere) -> None:
        self._store = store
        self._defaults = defaults

    def now(self) -> Elsewhere:
        kept = self._store.document(_NAME) or {"values": {}, "used_at": 0.0}
        values = self._defaults.__dict__ | kept["values"]
        if kept["used_at"] < week_start(time.time()):
            values["gpu_hours_used"] = self._defaults.gpu_hours_used
        return Elsewhere(**values)

    def change(self, given: Mapping[str, Any]) -> None:
        """Sets what is named and leaves the rest. Raises 400 with what is wrong, and then sets nothing."""
        for field, value in given.items():
            self._check(field, value)
        kept = self._store.document(_NAME) or {"values": {}, "used_at": 0.0}
        used_at = time.time() if "gpu_hours_used" in given else kept["used_at"]
        self._store.keep_document(_NAME, {"values": kept["values"] | dict(given), "used_at": used_at})

    def reset(self) -> None:
        """Back to what the emulator was started with."""
        self._store.keep_document(_NAME, None)

    def _check(self, field: str, value: Any) -> None:
        default = self._defaults.__dict__.get(field)
        if default is None:
            raise ApiError(400, f"The account has no {field}; it has {', '.join(self._defaults.__dict__)}.")
        if field == "mount":
            if value not in MOUNTS:
                raise ApiError(400, f"mount is one of {', '.join(MOUNTS)}.")
            return
        kinds = int if isinstance(default, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < 0:
            raise ApiError(400, f"{field} must be a number that is not negative.")
