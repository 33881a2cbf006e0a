"""The audio file that a command leaves behind, and the line that says what it is."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.exit_codes import WrongUsage


def check_output(output: Path) -> None:
    """Raises WrongUsage when no file can be written there, before any time is spent on one."""
    if output.is_dir():
        raise WrongUsage(f"--output {output} is a directory; name a file")
    part = _part(output)
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        where = output.parent.absolute()
        raise WrongUsage(f"--output {output}: nothing can be written in {where}: {error.strerror}") from None


def write_atomically(output: Path, content: bytes) -> None:
    """Puts `content` in place of `output` in one step. Raises WrongUsage where there is no room, or no right to."""
    part = _part(output)
    try:
        try:
            part.write_bytes(content)
            part.replace(output)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise WrongUsage(f"{output} cannot be written: {error.strerror}") from None


def _part(output: Path) -> Path:
    return output.with_name(f".{output.name}.{os.getpid()}.part")


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
