"""The file that a command leaves behind: whole, or not at all.

What is no file but a pipe, a terminal or another device is written to as it is, and stays what it is. A link stays one
too: what it points to is written.
"""

import os
import stat
import sys
from pathlib import Path

from app.exit_codes import WrongUsage


def check_output(output: Path) -> None:
    """Raises WrongUsage when no file can be written there, before any time is spent on one."""
    if stat.S_ISDIR(_mode(output)):
        raise WrongUsage(f"--output {output} is a directory; name a file")
    if _is_device(output):
        return
    part = _part(output)
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        raise WrongUsage(f"--output {output}: nothing can be written in {part.parent}: {error.strerror}") from None


def write_output(output: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Puts `content` in place of `output` in one step, a new file with this mode less the umask.

    Raises WrongUsage where there is no room, or no right to.
    """
    try:
        if _is_device(output):
            output.write_bytes(content)
        else:
            _replace(output, content, mode)
    except OSError as error:
        raise WrongUsage(f"{output} cannot be written: {error.strerror}") from None


def write_stdout(content: bytes) -> None:
    """Writes to stdout. Raises BrokenPipeError where nobody reads it any more, WrongUsage where there is no room."""
    try:
        # Not through sys.stdout, which would try once more to write what had no room.
        with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as pipe:
            pipe.write(content)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WrongUsage(f"stdout cannot be written: {error.strerror}") from None


def _replace(output: Path, content: bytes, mode: int) -> None:
    part = _part(output)
    # Of a process that was killed and had our number.
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        part.replace(os.path.realpath(output))
    finally:
        part.unlink(missing_ok=True)


def _is_device(output: Path) -> bool:
    mode = _mode(output)
    return mode != 0 and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _mode(output: Path) -> int:
    """What kind of file it is, or is linked to; 0 where nothing can be seen, and the attempt to write will say why."""
    try:
        return output.stat().st_mode
    except OSError:
        return 0


def _part(output: Path) -> Path:
    place = Path(os.path.realpath(output))
    return place.with_name(f".{place.name}.{os.getpid()}.part")
