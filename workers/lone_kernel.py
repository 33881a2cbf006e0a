"""One kernel that belongs to no run, followed to its end: what a doctor sends and what a replay runs."""

import time
from pathlib import Path

from app.shared.settings import Settings
from workers.kaggle import KaggleHost
from workers.kernel import Kernel, KernelState
from workers.outputs import RESULT, Result


def ended(host: KaggleHost, kernel: Kernel, settings: Settings, session_seconds: float) -> KernelState | None:
    """The state in which its session ended, None when it did not in time. Raises what its host raises."""
    deadline = time.monotonic() + settings.deployment_timeout_minutes * 60 + session_seconds
    while time.monotonic() < deadline:
        status = host.status(kernel)
        if status.state.ended:
            return status.state
        time.sleep(max(settings.polling[0], status.retry_after or 0))
    return None


def result(host: KaggleHost, kernel: Kernel, folder: Path) -> Result | None:
    """Its result.json, fetched into the folder; None where there is none that can be read."""
    if not host.download(kernel, {RESULT}, folder):
        return None
    try:
        return Result.model_validate_json((folder / RESULT).read_bytes())
    except ValueError:
        return None
