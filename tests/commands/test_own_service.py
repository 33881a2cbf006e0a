"""`kavox synthesize` where no service runs: one lasts as long as the command, on this machine's data directory."""

import socket
from pathlib import Path

import psutil
import pytest
import soundfile

from app.ports import LOOPBACK, free_port
from tests.commands.command import Command
from tests.notebooks.local_run import NOTEBOOKS


@pytest.mark.slow  # the same stack as that of `kavox demo`, which is always tested
def test_a_text_is_spoken_without_any_service(tmp_path: Path) -> None:
    """On the emulator, with nothing on stdout or stderr; no process is left, and the speech is kept."""
    command = Command(tmp_path, PORT=free_port(LOOPBACK), NOTEBOOKS_DIR=NOTEBOOKS)

    ended = command("synthesize 'The quick brown fox.' -o fox.flac")

    assert (ended.code, ended.out, ended.errors) == (0, b"", "")
    assert soundfile.info(tmp_path / "fox.flac").duration > 0.5
    assert list((tmp_path / "data" / "audio").iterdir())
    assert not [process for process in psutil.process_iter() if _works_in(process, tmp_path)]


def test_a_service_that_cannot_run_is_one_line(tmp_path: Path) -> None:
    """It is the service's own, with its exit code."""
    (tmp_path / "data").write_text("in the way")

    ended = Command(tmp_path, PORT=free_port(LOOPBACK))("synthesize Hello.")

    assert (ended.code, ended.out) == (78, b"")
    assert ended.line.startswith("kavox: KAVOX_DATA_DIR: cannot write to ")


def test_another_program_on_the_port_is_no_reason_to_start_one(tmp_path: Path) -> None:
    """Something listens there, and does not speak HTTP."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        taken.settimeout(30)
        process = Command(tmp_path, PORT=taken.getsockname()[1]).start("voices")
        connection, _ = taken.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            out, errors = process.communicate(timeout=30)

    assert (process.returncode, out) == (69, b"")
    assert b"it is not Kavox; name the service with --url" in errors


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
