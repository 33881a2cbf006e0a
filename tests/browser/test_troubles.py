"""Somebody on a bad line, with a strict browser, or beside others who are busy: what is lost is told, and made good."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.relay import Relay
from tests.browser.visitor import Visitor
from tests.puppets import Puppets
from tests.recordings import encoded, tone
from tests.service import Service, wait_for

pytestmark = pytest.mark.browser

# What Chromium does where a person has forbidden sites to keep data.
NOTHING_IS_KEPT = """
for (const name of ["sessionStorage", "localStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("Access is denied", "SecurityError"); } });
"""
SOUNDS_ARE_COUNTED = """
window.held = new Set();
const [make, drop] = [URL.createObjectURL, URL.revokeObjectURL];
URL.createObjectURL = (file) => { const url = make(file); window.held.add(url); return url; };
URL.revokeObjectURL = (url) => { window.held.delete(url); drop(url); };
"""


@pytest.fixture
def relay(hosted: Service) -> Iterator[Relay]:
    """The line to the service."""
    relay = Relay(hosted.url)
    yield relay
    relay.close()


@pytest.fixture
def puppets(hosted: Service) -> Iterator[Puppets]:
    """Its sessions, which end when a test wants."""
    puppets = Puppets(hosted)
    puppets.script("RUNNING")
    yield puppets
    puppets.clear()
    puppets.close()
    # What a failed test has left would keep the next one's jobs waiting.
    for job in hosted.http.get("/jobs", params={"status": "running"}).json()["jobs"]:
        hosted.http.delete(f"/jobs/{job['id']}")


def test_a_stream_that_falls_silent_is_asked_for_again(
    page: Page, hosted: Service, relay: Relay, puppets: Puppets
) -> None:
    """A connection that only the browser still believes in does not leave a job speaking for ever."""
    page.clock.install()
    visitor = Visitor(page, relay.url)
    visitor.open()
    visitor.speak("Into the silence.")
    expect(visitor.current.locator(".meta")).to_contain_text("Running")
    relay.silence(f"GET /jobs/{visitor.job_id}/events")
    puppets.finish(puppets.kernel_of(visitor.job_id))
    assert hosted.finished(visitor.job_id)["status"] == "succeeded"
    page.clock.fast_forward(61_000)
    visitor.ready()


def test_an_answer_that_breaks_off_is_asked_for_again(
    page: Page, hosted: Service, relay: Relay, puppets: Puppets
) -> None:
    """The first look at a job, also one that falls silent, the last one, and its sound; of a file it is said."""
    job_id = hosted.submit("Bit by bit.", metadata={"title": "Bit by bit"})["id"]
    kernel = puppets.kernel_of(job_id)
    look, sound = f"GET /jobs/{job_id} ", f"GET /jobs/{job_id}/audio"
    page.clock.install()
    visitor = Visitor(page, relay.url)
    relay.cut(look)
    relay.cut(look, silently=True)
    visitor.open(f"#job={job_id}")
    expect(visitor.current).to_contain_text("The answer broke off on its way. This page looks again by itself.")
    phases = visitor.current.get_by_role("list", name="Phases")

    def seen() -> bool:
        page.clock.run_for(2000)
        return bool(phases.is_visible())

    wait_for("the look that fell silent to be given up", seen)
    relay.cut(look)
    relay.cut(sound)
    puppets.finish(kernel)
    assert hosted.finished(job_id)["status"] == "succeeded"
    note = visitor.current.get_by_text("The answer broke off on its way. This page tries again by itself.")
    expect(note).to_be_visible()
    page.clock.run_for(2000)
    visitor.ready()
    expect(note).to_be_hidden()
    relay.cut(sound)
    visitor.current.get_by_role("button", name="Download as wav").click()
    expect(visitor.current.get_by_role("group", name="Download")).to_contain_text("broke off")


@pytest.mark.usefixtures("puppets")
def test_what_cannot_be_cancelled_or_deleted_is_said_in_sight(visitor: Visitor, hosted: Service) -> None:
    """Beside the button that did nothing, until it did."""
    page = visitor.page
    form = {"name": "Bob", "provider": "mimic", "consent": "true"}
    voice = hosted.http.post("/voices", data=form, files={"file": ("bob.wav", encoded(tone(4)))}).json()["id"]
    visitor.open()
    visitor.speak("Nobody stops this one.")
    row = visitor.listed.filter(has_text="Nobody stops this one.").first
    expect(row).to_contain_text("Emulated")
    page.context.set_offline(True)
    visitor.current.get_by_role("button", name="Cancel").click()
    row.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete Bob").click()
    page.get_by_role("button", name="Delete it").click()
    notes = [card.locator(".note.bad").first for card in (visitor.current, page.locator("main"), page.locator("aside"))]
    for note in notes:
        expect(note).to_be_visible()
        expect(note).to_contain_text("does not answer")
    page.context.set_offline(False)
    row.get_by_role("button", name="Cancel").click()
    expect(visitor.current).to_contain_text("there is no audio")
    expect(page.locator("#jobs-refusal")).to_be_hidden()
    page.get_by_role("button", name="Delete Bob").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("#voices li")).to_have_count(0)
    expect(page.locator("#voices-refusal")).to_be_hidden()
    assert hosted.http.get(f"/voices/{voice}").status_code == 404


def test_no_job_is_missed_when_many_come_at_once(visitor: Visitor, hosted: Service) -> None:
    """More than the list reads at a look, while older ones stand in it."""
    hosted.submit("The one before.", provider="mimic")
    visitor.open()
    expect(visitor.listed.first).to_be_visible()
    items = [{"text": f"Number {number}.", "metadata": {"title": f"One of a crowd, {number}"}} for number in range(70)]
    batch = hosted.http.post("/batches", json={"items": items, "defaults": {"provider": "mimic"}}).json()
    older = visitor.page.get_by_role("button", name="Show older jobs")
    expect(visitor.listed.first).to_contain_text("One of a crowd")
    while older.is_visible():
        shown = visitor.listed.count()
        older.click()
        expect(visitor.listed.nth(shown)).to_be_visible()
    expect(visitor.listed.filter(has_text="One of a crowd")).to_have_count(70)
    # Nobody waits for them, if they have not ended yet.
    hosted.http.delete(f"/batches/{batch['id']}")


def test_a_sound_is_kept_no_longer_than_its_job_is_shown(page: Page, hosted: Service) -> None:
    """Whoever listens through a day's jobs does not keep them all in memory."""
    ids = [hosted.submit(f"Sound {number}.", provider="mimic")["id"] for number in range(3)]
    for job_id in ids:
        assert hosted.finished(job_id)["status"] == "succeeded"
    page.add_init_script(SOUNDS_ARE_COUNTED)
    visitor = Visitor(page, hosted.url)
    visitor.open()
    for job_id in ids:
        visitor.listed.get_by_role("button", name=f"Job {job_id}").click()
        expect(visitor.current.get_by_role("heading")).to_have_text(f"Job {job_id}")
        visitor.ready()
    assert page.evaluate("() => window.held.size") == 1


def test_a_browser_that_keeps_nothing_can_speak(page: Page, hosted: Service) -> None:
    """What is chosen holds for the page then."""
    page.add_init_script(NOTHING_IS_KEPT)
    visitor = Visitor(page, hosted.url)
    visitor.open()
    page.get_by_label("Format").select_option("flac")
    visitor.speak("Kept by nobody.")
    expect(visitor.current.get_by_role("heading")).to_have_text("Kept by nobody.")
    assert hosted.job(visitor.job_id)["format"] == "flac"
