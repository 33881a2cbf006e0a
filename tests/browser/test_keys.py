"""Somebody with a key, and a service that is not always there."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from tests.service import Service

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that wants a key."""
    service = Service(tmp_path_factory.mktemp("locked") / "data", {})
    service.start()
    service.http.headers["Authorization"] = f"Bearer {service.key('anne')}"
    yield service
    service.end_everything()


def key_of(service: Service) -> str:
    return service.http.headers["Authorization"].removeprefix("Bearer ")


def test_where_keys_are_set_one_is_asked_for(page: Page, locked: Service) -> None:
    """It is kept for the tab, goes into no address, and everything works with it: events, sound and files."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visitor, key = Visitor(page, locked.url), key_of(locked)
    page.goto(locked.url)
    dialog = page.get_by_role("dialog", name="This service wants a key")
    dialog.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("not one of this service's")
    dialog.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Provider").first).to_have_value("hibari")
    visitor.hear("Behind a lock.")
    with page.expect_download() as saving:
        visitor.current.get_by_role("button", name="Download as mp3").click()
    assert saving.value.path().stat().st_size > 1000
    page.reload()
    visitor.ready()
    assert not [url for url in asked if key in url]
    page.get_by_role("button", name="Forget key").click()
    expect(dialog).to_be_visible()


def test_a_service_that_goes_away_is_missed_and_found_again(page: Page, locked: Service) -> None:
    """The page says so, and goes on by itself."""
    visitor = Visitor(page, locked.url)
    page.context.set_extra_http_headers({"X-API-Key": key_of(locked)})
    visitor.open()
    page.context.set_offline(True)
    expect(page.get_by_role("alert").filter(has_text="The service does not answer.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_job_is_followed_over_a_restart_of_the_service(page: Page, locked: Service) -> None:
    """Nobody has to reload anything, and what is heard in the end is that job."""
    visitor = Visitor(page, locked.url)
    page.context.set_extra_http_headers({"X-API-Key": key_of(locked)})
    visitor.open()
    visitor.speak("Through thick and thin.")
    expect(visitor.current.get_by_role("list", name="Phases")).to_be_visible()
    locked.kill("uvicorn")
    visitor.ready()
    expect(visitor.current.get_by_role("heading")).to_have_text("Through thick and thin.")


def test_the_question_for_a_key_stays(page: Page, locked: Service) -> None:
    """Browsers let Esc be prevented once; nobody who presses it again is left before a page that does nothing."""
    page.goto(locked.url)
    dialog = page.get_by_role("dialog", name="This service wants a key")
    expect(dialog).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Escape")
        expect(dialog.get_by_label("API key")).to_be_focused()
    page.keyboard.type(key_of(locked))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Provider").first).to_have_value("hibari")
