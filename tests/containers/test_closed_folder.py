"""A folder, or an .env in it, that belongs to somebody else: as /data was in a container whose tmpfs was root's."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import app.health
import workers.health
import workers.main
from app.cli import main
from app.main import create_app
from tests.containers.unprivileged import unprivileged

PROCESSES: dict[str, tuple[Callable[[], object], int]] = {
    "kavox api": (main, os.EX_CONFIG),
    "uvicorn": (create_app, os.EX_CONFIG),
    "python -m workers.main": (lambda: sys.exit(workers.main.main()), os.EX_CONFIG),
    "python -m app.health": (lambda: sys.exit(app.health.main()), 1),
    "python -m workers.health": (lambda: sys.exit(workers.health.main()), 1),
}


@pytest.mark.parametrize("closed", [".", ".env"])
@pytest.mark.parametrize(("start", "code"), PROCESSES.values(), ids=PROCESSES.keys())
def test_an_env_that_cannot_be_read_is_one_line(
    start: Callable[[], object],
    code: int,
    closed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whichever process it is, it says which file and why; settings that may be there are not passed over."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["kavox", "api"])
    Path(".env").write_text("KAVOX_MAX_SESSIONS=1\n")
    Path(closed).chmod(0)
    try:
        with unprivileged(), pytest.raises(SystemExit) as ended:
            start()
    finally:
        tmp_path.chmod(0o700)

    line = capsys.readouterr().err
    assert ended.value.code == code
    assert f"{tmp_path / '.env'} cannot be read: Permission denied; it must be open to the user" in line
    assert line.startswith("kavox")
    assert line.count("\n") == 1


def test_an_env_that_is_no_text_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Windows' editors may have written it."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("KAVOX_LOG_LEVEL=info\n", encoding="utf-16")

    with pytest.raises(SystemExit):
        create_app()

    assert capsys.readouterr().err == f"kavox: {tmp_path / '.env'} is not text in UTF-8; convert it\n"
