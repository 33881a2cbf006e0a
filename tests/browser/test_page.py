"""The page itself: whom it serves, how it looks, and what it never does."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from tests.service import Service

pytestmark = pytest.mark.browser

HOSTILE = "<script>window.stolen = 1</script><img src=x onerror='window.stolen = 1'>"


def test_what_is_emulated_is_always_said(visitor: Visitor, hosted: Service) -> None:
    """In the head, in words, at the quota and at every job."""
    page = visitor.page
    for said in (page.locator("#place"), page.locator("#place-note"), page.locator("#quota-mode")):
        expect(said).to_contain_text("mulated")
        expect(said).to_be_visible()
    hosted.finished(hosted.submit("Where was this spoken?", metadata={"title": "Where"})["id"])
    visitor.open()
    expect(visitor.listed.filter(has_text="Where").first.get_by_text("Emulated")).to_be_visible()
    expect(page.get_by_label("Runs on").locator("option").first).to_have_text("Kaggle, emulated")


def test_quota_and_the_two_sessions_are_pictures_with_words(visitor: Visitor) -> None:
    """Whoever cannot see them hears what they show."""
    page = visitor.page
    expect(page.get_by_role("img", name="30\u00a0h of 30\u00a0h free this week")).to_be_visible()
    expect(page.get_by_role("img", name="GPU sessions: 0 of 2 taken")).to_be_visible()
    expect(page.locator("#sessions .chip:not(.small)")).to_have_count(2)


def test_it_is_used_with_the_keyboard_alone(visitor: Visitor) -> None:
    """From the skip link to the sound, and every place of the keyboard can be seen."""
    page = visitor.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the text")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("Without a mouse.")
    speak = page.get_by_role("button", name="Speak")
    for _ in range(20):
        page.keyboard.press("Tab")
        place = page.locator(":focus")
        width = place.evaluate(
            "element => getComputedStyle(element).outlineWidth + getComputedStyle(element).outlineStyle"
        )
        assert width == "2pxsolid", place.evaluate("element => element.id")
        if speak.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    visitor.ready()
    play = visitor.player.get_by_role("button")
    play.focus()
    page.keyboard.press("Tab")
    position = visitor.player.get_by_label("Position")
    expect(position).to_be_focused()
    page.keyboard.press("End")
    expect(position).to_have_attribute("aria-valuetext", "0:01 of 0:01")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(visitor.player.get_by_role("button", name="Play")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(visitor: Visitor, scheme: str) -> None:
    """Contrast included, with a finished job, the options open, and with the dialog."""
    page = visitor.page
    page.emulate_media(color_scheme=scheme)
    visitor.hear("Seen in the light and in the dark.")
    page.get_by_text("Options").click()
    grounds = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert (grounds == "rgb(17, 20, 22)") is (scheme == "dark")
    _assert_accessible(page)
    page.get_by_role("button", name="Clone a voice").click()
    _assert_accessible(page)


def test_the_theme_is_chosen_and_kept(visitor: Visitor) -> None:
    """Against the system's, and after a reload."""
    visitor.page.emulate_media(color_scheme="light")
    visitor.page.get_by_role("button", name="Dark theme").click()
    visitor.page.reload()
    expect(visitor.page.get_by_role("button", name="Dark theme")).to_have_attribute("aria-pressed", "true")
    ground = visitor.page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert ground == "rgb(17, 20, 22)"


@pytest.mark.parametrize("width", [320, 375, 768])
def test_nothing_is_wider_than_a_phone(visitor: Visitor, width: int) -> None:
    """No page has to be pushed sideways, whatever long word is in it."""
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 800})
    visitor.hear("Donaudampfschifffahrtsgesellschaftskapitaenswitwenrente" * 2)
    expect(visitor.current).to_be_in_viewport()
    page.get_by_text("Options").click()
    assert page.locator("html").evaluate("html => html.scrollWidth") == width


def test_what_people_wrote_is_shown_as_text(visitor: Visitor, hosted: Service) -> None:
    """Texts, metadata and ids never become elements or scripts."""
    job = hosted.submit("Hello.", metadata={"title": HOSTILE, "more": HOSTILE})
    hosted.finished(job["id"])
    visitor.open(f"#job={job['id']}")
    visitor.page.reload()
    expect(visitor.current.get_by_role("heading")).to_have_text(HOSTILE)
    expect(visitor.listed.get_by_text(HOSTILE).first).to_be_visible()
    visitor.hear(f"{HOSTILE} again")
    assert visitor.page.locator("main img, main script").count() == 0
    assert visitor.page.locator("html").evaluate("() => window.stolen === undefined")


def test_a_job_that_is_not_there_is_said_to_be_gone(visitor: Visitor) -> None:
    """An old address leads to words, not to nothing."""
    visitor.page.goto(f"{visitor.url}/#job=19abcdef0120123456789")
    expect(visitor.current).to_contain_text("there is no job")


def _assert_accessible(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
