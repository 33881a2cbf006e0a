"""Whatever is wrong with the settings or the command line is one line on stderr."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.stack.processes import kavox

WRONG: Mapping[str, tuple[Mapping[str, object], str]] = {
    "a misspelt key": ({"REDIS_ULR": "redis://x"}, "unknown setting KAVOX_REDIS_ULR; did you mean KAVOX_REDIS_URL?"),
    "no address of a Redis": ({"REDIS_URL": "localhost"}, "KAVOX_REDIS_URL: must look like redis://"),
    "open to the network without keys": ({"HOST": "0.0.0.0"}, "open to the network, so every request needs a key"),  # noqa: S104
    "open to every page without keys": ({"CORS_ORIGINS": "*"}, "KAVOX_CORS_ORIGINS=* lets every page in"),
    "keys in a setting": ({"API_KEYS": "a:x"}, "KAVOX_API_KEYS is no setting any more: make keys with `kavox keys"),
    "gaps in the wrong order": ({"POLLING_MIN_SECONDS": 100}, "is longer than KAVOX_POLLING_INTERVAL_SECONDS"),
    "a kernel id without owner": ({"KERNEL_ID": "kavox"}, "KAVOX_KERNEL_ID: must look like owner/prefix"),
    "a folder without notebooks": ({"NOTEBOOKS_DIR": "/proc/self/fd"}, "no manifest (*.toml) in /proc/self/fd"),
    "a data directory that cannot be one": ({"DATA_DIR": "/dev/null/data"}, "cannot write to /dev/null/data"),
}


@pytest.mark.parametrize(("settings", "line"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_one_line(settings: Mapping[str, object], line: str, tmp_path: Path) -> None:
    """`kavox serve` names the setting, and ends with EX_CONFIG before it has started anything."""
    ended = kavox(tmp_path, "serve", **settings)

    assert ended.returncode == 78
    assert ended.stderr.startswith("kavox: ")
    assert line in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """`kavox serve` does not start beside another server on its port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = kavox(tmp_path, "serve", PORT=port)

    assert ended.returncode == 78
    assert ended.stderr == (
        f"kavox: KAVOX_PORT: 127.0.0.1:{port} is already in use; stop what listens there, or choose another port\n"
    )


def test_a_worker_alone_makes_nothing_up(tmp_path: Path) -> None:
    """`kavox worker` wants a Redis named, and starts none."""
    ended = kavox(tmp_path, "worker")

    assert ended.returncode == 78
    assert "KAVOX_REDIS_URL is not set" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_emulator_takes_its_own_options(tmp_path: Path) -> None:
    """`kavox emulator` passes everything on, --help too."""
    ended = kavox(tmp_path, "emulator", "--help")

    assert ended.returncode == 0
    assert "--visibility-lag-seconds" in ended.stdout


def test_synthesize_without_a_service_is_one_line(tmp_path: Path) -> None:
    """`kavox synthesize` says where it looked and what starts a service."""
    ended = kavox(tmp_path, "synthesize", "Hello.", "--url", "http://127.0.0.1:1")

    assert ended.returncode == 69
    assert ended.stderr.startswith("kavox: no Kavox answers at http://127.0.0.1:1 ")
    assert ended.stderr.count("\n") == 1


def test_an_address_that_is_none_is_one_line(tmp_path: Path) -> None:
    """`kavox synthesize` says what an address looks like."""
    ended = kavox(tmp_path, "synthesize", "Hello.", "--url", "http://[1")

    assert ended.returncode == 2
    assert ended.stderr == "kavox: http://[1 is no address; it must look like http://127.0.0.1:8000\n"


def test_an_output_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    """`kavox demo` looks at --output before it starts anything."""
    ended = kavox(tmp_path, "demo", "Hello.", "--output", "nowhere/demo.wav")

    assert ended.returncode == 2
    assert ended.stderr.startswith("kavox: --output nowhere/demo.wav: nothing can be written in ")
