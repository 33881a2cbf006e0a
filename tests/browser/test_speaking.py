"""Somebody types a text and hears it."""

import re
from io import BytesIO
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.puppets import Puppets
from tests.service import Service, wait_for

pytestmark = pytest.mark.browser


def test_a_text_is_spoken_by_ctrl_enter_followed_played_and_saved(visitor: Visitor, tmp_path: Path) -> None:
    """The whole road: an estimate, the phases as they come, a waveform, a sound that plays, a file of each format."""
    page = visitor.page
    visitor.text.fill("The quick brown fox jumps over the lazy dog.")
    expect(page.locator("#estimate")).to_contain_text("of speech")
    expect(page.locator("#estimate")).to_contain_text("no GPU quota")
    page.keyboard.press("Control+Enter")

    stations = visitor.current.get_by_role("list", name="Phases").get_by_role("listitem")
    expect(stations).to_have_count(8)
    expect(visitor.current.locator("[aria-current=step]")).to_have_count(1)
    expect(page.locator("#live")).not_to_be_empty()
    visitor.ready()
    expect(page.locator("#live")).to_contain_text("Done: ")
    expect(visitor.current).to_contain_text("by the emulator that stands in for Kaggle")

    bars = visitor.player.locator(".bars path").first
    expect(bars).to_have_attribute("d", re.compile(r"v100\.0"))
    drawn = bars.get_attribute("d") or ""
    assert len(set(re.findall(r"v([\d.]+)", drawn))) > 20, "speech is louder here and softer there"

    visitor.player.get_by_role("button", name="Play").click()
    expect(visitor.player.get_by_role("button", name="Pause")).to_be_visible()
    wait_for("the sound to go on", lambda: visitor.player.get_by_label("Position").input_value() > "0.2")
    assert visitor.player.locator("audio").evaluate("audio => audio.duration") > 1
    # Everybody has the buttons in the same order but for the job's own format, which comes first.
    for name, container in (("wav", "WAV"), ("flac", "FLAC"), ("mp3", "MP3"), ("opus", "OGG")):
        with page.expect_download() as saving:
            visitor.current.get_by_role("button", name=f"Download as {name}").click()
        assert saving.value.suggested_filename == f"{visitor.job_id}.{name}"
        saved = tmp_path / name
        saving.value.save_as(saved)
        with soundfile.SoundFile(BytesIO(saved.read_bytes())) as sound:
            assert sound.format == container
            assert sound.frames / sound.samplerate > 1
    with page.expect_download() as saving:
        visitor.current.get_by_role("button", name="Download as pcm").click()
    assert saving.value.path().stat().st_size > 24_000

    visitor.current.get_by_text("Log of the run").click()
    expect(visitor.current.get_by_label("Log of the run")).to_contain_text("::kavox")


def test_the_same_request_again_is_answered_at_once(visitor: Visitor) -> None:
    """The page says so before it is sent, and afterwards."""
    visitor.hear("Spoken once, heard twice.")
    visitor.text.fill("Spoken once, heard twice. ")
    visitor.text.fill("Spoken once, heard twice.")
    expect(visitor.page.locator("#estimate")).to_contain_text("Kept from before")
    visitor.page.get_by_role("button", name="Speak").click()
    expect(visitor.current).to_contain_text("answered with speech made before")
    expect(visitor.page.locator("#kept")).to_contain_text("answered without speaking anew")


def test_a_running_job_is_cancelled_and_a_reload_keeps_following(visitor: Visitor, hosted: Service) -> None:
    """A session that would never end is left by a reload, found again by the address, and stopped by its button."""
    puppets = Puppets(hosted)
    puppets.script("RUNNING")
    visitor.speak("This one never ends.")
    expect(visitor.page.get_by_role("img", name="Runs without GPU: 1 of 4 taken")).to_be_visible()
    expect(visitor.current.locator(".meta")).to_have_text(re.compile("Running.*Emulated"))
    visitor.page.reload()
    expect(visitor.current.get_by_role("heading")).to_have_text("This one never ends.")
    visitor.current.get_by_role("button", name="Cancel").click()
    expect(visitor.current).to_contain_text("there is no audio")
    assert hosted.job(visitor.job_id)["status"] == "canceled"
    row = visitor.listed.filter(has_text="This one never ends.").first
    expect(row).to_contain_text("Cancelled")
    puppets.clear()
    puppets.close()


def test_a_text_comes_from_a_file(visitor: Visitor, tmp_path: Path) -> None:
    """A .txt is loaded whole; what is no UTF-8 is refused where it would have gone."""
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_bytes("Grüße from a file.\r\nA second line.".encode())
    bad.write_bytes(b"\xff\xfe\x00")
    visitor.page.get_by_label("A .txt file").set_input_files(good)
    expect(visitor.text).to_have_value("Grüße from a file.\nA second line.")
    expect(visitor.page.locator("#counter")).to_contain_text("33 /")
    visitor.page.get_by_label("A .txt file").set_input_files(bad)
    expect(visitor.error_at("Text to speak")).to_contain_text("bad.txt is not UTF-8")


def test_what_is_refused_is_said_at_its_field(visitor: Visitor) -> None:
    """The service's own words, where a screen reader reads them, and the keyboard is taken there."""
    visitor.page.get_by_role("button", name="Speak").click()
    expect(visitor.error_at("Text to speak")).to_have_text("the text is empty")
    expect(visitor.text).to_be_focused()
    visitor.text.fill("🙂")
    expect(visitor.error_at("Text to speak")).to_contain_text("nothing to speak")
    visitor.text.fill("Now it can.")
    expect(visitor.text).not_to_have_attribute("aria-invalid", "true")


def test_a_provider_that_cannot_speak_here_says_why(visitor: Visitor) -> None:
    """Before anything is sent, with the command that would help; the next provider is asked for where it can speak."""
    page = visitor.page
    page.get_by_label("Runs on").select_option("local")
    page.get_by_label("Provider").first.select_option("qwen")
    expect(page.locator("#about-choice")).to_contain_text("needs a GPU of Kaggle")
    page.get_by_label("Runs on").select_option("local")
    expect(page.locator("#about-choice .command")).to_contain_text("pip install")
    visitor.speak("Nobody hears this.")
    expect(page.locator("#composer [data-field=provider] .error")).to_contain_text("cannot speak here")
    expect(page.locator("#provider")).to_be_focused()
    page.get_by_label("Provider").first.select_option("hibari")
    expect(page.get_by_label("Runs on")).to_have_value("local")
    page.get_by_label("Runs on").select_option("kaggle")
    visitor.hear("Somebody hears this.")


def test_the_engines_options_come_from_its_manifest(visitor: Visitor, hosted: Service) -> None:
    """Only what was changed is sent."""
    visitor.page.get_by_text("Options").click()
    visitor.page.get_by_label("Speed").press("ArrowRight")
    expect(visitor.page.locator("#changed")).to_have_text("1 changed")
    visitor.page.get_by_label("Seed").fill("7")
    visitor.page.get_by_label("Format").select_option("mp3")
    visitor.hear("Somewhat faster than before.")
    job = hosted.job(visitor.job_id)
    assert (job["options"], job["seed"], job["format"], job["cached"]) == ({"speed": 1.05}, 7, "mp3", False)
    expect(visitor.current.get_by_role("group", name="Download").get_by_role("button").first).to_have_text("MP3")


def test_jobs_are_found_again(visitor: Visitor, hosted: Service) -> None:
    """By words of their text, and by their status; another program's jobs are there too."""
    titles = ("A tale of whales", "A tale of wolves")
    sent = [hosted.submit(title, metadata={"title": title}) for title in titles]
    *told, broken = [hosted.finished(job["id"]) for job in (*sent, hosted.submit("refused", provider="mimic", seed=1))]
    assert [job["status"] for job in (*told, broken)] == ["succeeded", "succeeded", "failed"]
    visitor.open()
    search = visitor.page.get_by_label("Search jobs")
    search.fill("TALE whale")
    expect(visitor.listed).to_have_count(1)
    visitor.listed.get_by_role("button", name="A tale of whales").click()
    visitor.ready()
    search.fill("")
    visitor.page.get_by_label("Status").select_option("failed")
    expect(visitor.listed.get_by_text("Failed").first).to_be_visible()
    expect(visitor.listed.filter(has_text="Succeeded")).to_have_count(0)
    visitor.listed.get_by_role("button", name=f"Job {broken['id']}").click()
    expect(visitor.current).to_contain_text("synthesis_failed")


def test_all_jobs_can_be_listed_again_after_some_were(visitor: Visitor, hosted: Service) -> None:
    """Whoever looked at the failed ones alone, and then at all again, comes to the oldest of them."""
    broken = hosted.submit("refused", provider="mimic", seed=2)
    assert hosted.finished(broken["id"])["status"] == "failed"
    sent = [hosted.submit(f"Number {number}.", provider="mimic") for number in range(60)]
    hosted.finished(sent[-1]["id"])
    visitor.open()
    status, older = visitor.page.get_by_label("Status"), visitor.page.get_by_role("button", name="Show older jobs")
    status.select_option("failed")
    expect(visitor.listed.filter(has_text="Succeeded")).to_have_count(0)
    expect(visitor.listed.filter(has_text=broken["id"])).to_have_count(1)
    status.select_option("")
    expect(visitor.listed.filter(has_text="Succeeded").first).to_be_visible()
    while older.is_visible():
        shown = visitor.listed.count()
        older.click()
        expect(visitor.listed.nth(shown)).to_be_visible()
    for job in (sent[0], broken):
        expect(visitor.listed.filter(has_text=job["id"])).to_have_count(1)


def test_every_kind_of_option_is_sent_as_its_manifest_wants_it(visitor: Visitor, hosted: Service) -> None:
    """Switches, choices, words, and figures with limits and without; what is out of range is said at its field."""
    page = visitor.page
    page.get_by_label("Provider").first.select_option("mimic")
    page.get_by_text("Options").click()
    page.get_by_label("Whisper").check()
    page.get_by_label("Breaths").uncheck()
    page.get_by_label("Mood").select_option("sad")
    page.get_by_label("Manner").fill("Like a fox.")
    page.get_by_label("Pitch").press("ArrowRight")
    page.get_by_label("Warmth").fill("-3")
    visitor.text.fill("With everything there is.")
    expect(visitor.error_at("Warmth")).to_have_text("warmth must be at least 0")
    page.get_by_label("Warmth").fill("1.5")
    expect(page.locator("#changed")).to_have_text("6 changed")
    visitor.hear("With everything there is.")
    options = {"whisper": True, "breaths": False, "mood": "sad", "manner": "Like a fox.", "pitch": 1, "warmth": 1.5}
    assert hosted.job(visitor.job_id)["options"] == options
