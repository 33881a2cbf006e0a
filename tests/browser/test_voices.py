"""Somebody clones a voice, speaks with it and deletes it."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.recordings import encoded, tone
from tests.service import Service

pytestmark = pytest.mark.browser

NAME = "<img src=x onerror=alert(1)> Anne of the long and winding names"


def test_a_voice_is_cloned_with_consent_used_and_deleted(visitor: Visitor, hosted: Service, tmp_path: Path) -> None:
    """Nothing is uploaded without the agreement; the new voice is chosen, and its name is text whatever is in it."""
    page = visitor.page
    recording = tmp_path / "anne.wav"
    recording.write_bytes(encoded(tone(3.5, silence=0.5)))
    page.get_by_role("button", name="Clone a voice").click()
    dialog = page.get_by_role("dialog", name="Clone a voice")
    expect(dialog).to_contain_text("licence to Kaggle and deletion can take months")
    expect(dialog).to_contain_text("Kaggle is emulated here: the recording stays on this machine.")
    dialog.get_by_label("Recording").set_input_files(recording)
    expect(dialog.get_by_label("Name")).to_have_value("anne")
    dialog.get_by_label("Name").fill(NAME)
    dialog.get_by_role("button", name="Clone the voice").click()
    expect(dialog).to_contain_text("Without their agreement nobody is cloned.")
    dialog.get_by_label("Whoever is heard agrees").check()
    dialog.get_by_role("button", name="Clone the voice").click()
    expect(dialog).to_be_hidden()

    expect(page.locator("#voices")).to_contain_text(NAME)
    expect(page.get_by_label("Provider").first).to_have_value("mimic")
    visitor.hear("Say it like Anne.")
    job = hosted.job(visitor.job_id)
    assert job["voice"].startswith("voice-")
    expect(visitor.current.locator(".meta")).to_contain_text(NAME)
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.locator("html").evaluate("html => html.scrollWidth") == 375

    page.get_by_role("button", name=f"Delete {NAME}").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("#voices li")).to_have_count(0)
    assert hosted.http.get(f"/voices/{job['voice']}").status_code == 404


def test_a_recording_that_is_none_is_refused_at_its_field(visitor: Visitor, tmp_path: Path) -> None:
    """With the service's own words."""
    page = visitor.page
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    page.get_by_role("button", name="Clone a voice").click()
    page.get_by_label("Recording").set_input_files(text)
    page.get_by_label("Whoever is heard agrees").check()
    page.get_by_role("button", name="Clone the voice").click()
    expect(visitor.error_at("Recording")).to_contain_text("no wav, mp3, flac or ogg")
