"""Runs one notebook that has its run in it, on the settings' Kaggle: `python -m workers.replay NOTEBOOK FOLDER`.

The audio is left in FOLDER; the log goes to stderr. The last line of stdout says, as JSON, what came of it:
{"state", "cause", "items": [{"id", "status", "file", "error", …}]}. For `kavox replay`, on an emulator of its own.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.shared.errors import KavoxError
from app.shared.identifiers import new_id
from app.shared.settings import Settings, load_settings
from workers.diagnosis import diagnose
from workers.hosts import kaggle_host
from workers.kernel import Push
from workers.log_lines import readable
from workers.lone_kernel import ended, result


def main() -> int:
    """The exit status is 1, and the last line of stderr says why, where the notebook could not be run at all."""
    parser = argparse.ArgumentParser(prog="python -m workers.replay", description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    try:
        outcome = replay(load_settings(), chosen.notebook.read_text(encoding="utf-8"), chosen.folder)
    except (KavoxError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(outcome) + "\n")
    return 0


def replay(settings: Settings, source: str, folder: Path) -> Mapping[str, Any]:
    """What has become of the notebook. Raises what its host raises."""
    host = kaggle_host(settings)
    slug, seconds = f"{settings.kernel_prefix}-{new_id()}", settings.run_timeout_minutes * 60
    kernel = host.push(Push(slug, source, gpu=False, machine_shape=None, timeout_seconds=int(seconds)))
    state = ended(host, kernel, settings, seconds)
    records = host.log(kernel)
    for record in readable(records):
        sys.stderr.write(f"{record.time:9.3f} {record.stream}: {record.text}\n")
    found = result(host, kernel, folder)
    items = found.items if found else []
    host.download(kernel, {item.file for item in items if item.file}, folder)
    return {
        "state": state.value if state else "unfinished",
        "cause": None if found else diagnose(records).cause,
        "items": [item.model_dump() for item in items],
    }


if __name__ == "__main__":
    sys.exit(main())
