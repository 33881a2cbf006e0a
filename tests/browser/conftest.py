"""Debian's Chromium before the page of a whole service: nothing is downloaded, and nothing is faked."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.browser.visitor import Visitor
from tests.mimic import write_mimic
from tests.service import Service

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which(os.environ.get("CHROMIUM", "chromium"))
# One of each kind.
OPTIONS_OF_MIMIC = """
[options.whisper]
type = "boolean"
description = "Speaks in a whisper."
default = false

[options.breaths]
type = "boolean"
description = "Leaves the breaths in."
default = true

[options.mood]
type = "string"
description = "How it feels."
choices = ["calm", "sad"]
default = "calm"

[options.manner]
type = "string"
description = "How the voice speaks, in words."
max_length = 500

[options.pitch]
type = "integer"
description = "Semitones up or down."
minimum = -12
maximum = 12
default = 0

[options.warmth]
type = "number"
description = "More is warmer."
minimum = 0
"""
# It looks for updates, variations and the like nowhere, and its profile is a fresh one.
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    assert CHROMIUM, "Chromium is missing: apt-get install chromium, or name one with CHROMIUM=/path/to/chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that speaks with hibari, mimics what it is told to speak like, and has no GPU for qwen."""
    folder = tmp_path_factory.mktemp("browser")
    notebooks = write_mimic(folder / "notebooks")
    with (notebooks / "mimic.toml").open("a", encoding="utf-8") as manifest:
        manifest.write(OPTIONS_OF_MIMIC)
    for name in ("hibari.toml", "hibari.ipynb", "qwen.toml", "qwen.ipynb"):
        shutil.copy(ROOT / "notebooks" / name, notebooks)
    settings = {
        "KAVOX_NOTEBOOKS_DIR": notebooks,
        "KAVOX_BATCH_WINDOW_SECONDS": 0.2,
        "KAVOX_RETRY_INTERVAL_SECONDS": 0.3,
        "KAVOX_CACHE_MAX_MEGABYTES": 100,
    }
    service = Service(folder / "data", settings)
    service.start()
    yield service
    service.end_everything()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A window of its own; a script that fails, or that the page's policy stops, fails the test."""
    # Still pictures: without a GPU, what moves costs more time than all else here.
    size = {"width": 1280, "height": 900}
    context = chromium.new_context(viewport=size, accept_downloads=True, reduced_motion="reduce")
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert not wrong


@pytest.fixture
def visitor(page: Page, hosted: Service) -> Iterator[Visitor]:
    """Somebody who opens the page; all that the page asks for is asked of the service."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    visitor = Visitor(page, hosted.url)
    visitor.open()
    yield visitor
    assert asked
    assert not [url for url in asked if not url.startswith((f"{hosted.url}/", f"blob:{hosted.url}/"))]
