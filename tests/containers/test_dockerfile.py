"""The Dockerfile: what lints it, what it is built from, and as whom its images run."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.commands import servers
from tests.containers.composed import compose
from tests.containers.dockerfile import DOCKERFILE, ROOT, extras, stages

IMAGES = ("api", "worker")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_linter_has_nothing_to_say() -> None:
    """hadolint, with all of its rules."""
    hadolint = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_compose_builds_stages_that_are_there() -> None:
    """Its targets are the two images."""
    targets = {
        name: service["build"]["target"] for name, service in compose()["services"].items() if "build" in service
    }
    assert targets == {name: name for name in IMAGES}
    assert set(targets.values()) <= stages().keys()


def test_the_builder_sees_all_that_kavox_is_built_from_and_nothing_else() -> None:
    """Credentials, audio and settings that lie in the folder stay out of it."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], *wheel["packages"], *wheel["force-include"],
        "pyproject.toml", "requirements.lock",
    }  # fmt: skip
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == needed
    assert all((ROOT / name).exists() for name in needed)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_fixed_user_who_is_not_root(image: str) -> None:
    """Files of volumes and secrets belong to a number, so it must not change."""
    assert [rest for keyword, rest in stages()[image] if keyword == "USER"] == ["10001:10001"]
    made = next(rest for keyword, rest in stages()[image] if keyword == "RUN" and "useradd" in rest)
    assert "--uid 10001" in made
    assert "--gid 10001" in made


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_starts_and_checks_programs_that_are_there(image: str) -> None:
    """Its CMD is a command of kavox, and its health is a module's verdict."""
    last = dict(stages()[image])
    assert json.loads(last["CMD"]) == ["kavox", image]
    assert callable(getattr(servers, image))
    *_, module = json.loads(last["HEALTHCHECK"].partition(" CMD ")[2])
    assert importlib.util.find_spec(module)


def test_images_take_only_extras_that_the_lock_pins() -> None:
    """requirements.lock is compiled from the extra `all`; a package of another one would come in any version."""
    pinned = re.findall(r"[\w-]+", PROJECT["project"]["optional-dependencies"]["all"][0].partition("[")[2])
    assert extras("api") == set()
    assert {"worker", "notebooks"} <= extras("worker") <= set(pinned)


def test_the_label_tells_the_version() -> None:
    """What `docker inspect` says is what the service says."""
    version = PROJECT["project"]["version"]
    for image in IMAGES:
        assert any(f'image.version="{version}"' in rest for keyword, rest in stages()[image] if keyword == "LABEL")
