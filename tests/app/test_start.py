"""What the API process needs to start, and how it says that something is wrong."""

import os
import subprocess
from pathlib import Path

import pytest

from app.main import create_app
from tests.app.api_process import command, environment, free_port

NEEDED = {"redis_url": "redis://127.0.0.1:6379/0", "kaggle_api_url": "http://127.0.0.1:7777"}


def test_a_process_without_redis_address_does_not_start(tmp_path: Path) -> None:
    """The process exits with EX_CONFIG and one line on stderr, no traceback."""
    env = environment(kaggle_api_url=NEEDED["kaggle_api_url"])
    ended = subprocess.run(command(free_port()), env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == os.EX_CONFIG
    assert ended.stderr == "kavox: KAVOX_REDIS_URL is not set; name a Redis, or let `kavox serve` start one\n"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"kaggle_api_url": ""}, "KAVOX_KAGGLE_API_URL"),
        ({"redis_url": "http://127.0.0.1"}, "KAVOX_REDIS_URL"),
        ({"port": "many"}, "KAVOX_PORT"),
        ({"reddis_url": "x"}, "KAVOX_REDDIS_URL"),
        ({"api_keys": "anne:secret"}, "kavox keys create"),
        ({"notebooks_dir": "/nonexistent"}, "KAVOX_NOTEBOOKS_DIR"),
        ({"audio_url": "nonsense"}, "KAVOX_AUDIO_URL"),
        ({"cors_origins": "https://page.example/path"}, "KAVOX_CORS_ORIGINS"),
        ({"cors_origins": "page.example"}, "KAVOX_CORS_ORIGINS"),
    ],
)
def test_a_wrong_setting_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    named: str,
) -> None:
    """Whatever cannot work is told before anything is served, in one line that names the setting."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)
    for name, value in environment(**{**NEEDED, **settings}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        create_app()
    assert ended.value.code == os.EX_CONFIG
    line = capsys.readouterr().err
    assert line.startswith("kavox: ")
    assert line.count("\n") == 1
    assert named in line
