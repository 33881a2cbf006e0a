"""The line that says what an audio file is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def in_words(job: Mapping[str, Any], output: Path) -> str:
    """What a finished job's file is and who spoke it."""
    spoken, provider, run = job["audio"]["duration_seconds"], job["provider"], job["run"] or {}
    where = {
        "emulator": f"emulator: spoken by {provider} on this machine's CPU",
        "local": f"local: spoken by {provider} on the worker's machine",
    }.get(run.get("host", ""), f"{run.get('host')}: {run.get('url')}")
    voice = f"voice {job['voice']}" if job["voice"] else "a described voice"
    kept = ", kept from before" if job["cached"] else ""
    return f"{output}: {spoken:.1f} s of speech, {provider} with {voice}, {where}{kept}"
