"""Somebody with a key, and a service that is not always there."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, expect
from redis import Redis

from app.embedded import EmbeddedServer
from app.shared import keys
from app.shared.api_key import Limits
from tests.api_keys import make_key
from tests.browser.visitor import Visitor
from tests.puppets import Puppets
from tests.service import Service, wait_for

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


def test_a_minute_takes_sixty_requests_and_a_full_one_is_waited_for(page: Page, locked: Service) -> None:
    """The rate that docs/keys.md has in its example does for the page while a job is followed and another one moves."""
    redis = EmbeddedServer(locked.data_dir / "valkey").url
    key = make_key(redis, "sixty", limits=Limits(rates=["60/minute"]))
    headers = {"Authorization": f"Bearer {key}"}
    wait_for("the key to be known", lambda: locked.http.get("/quota", headers=headers).status_code == 200)
    puppets = Puppets(locked)
    puppets.script("RUNNING", times=None)
    other, followed = (
        locked.http.post("/synthesize", json={"text": text}, headers=headers).json()["id"]
        for text in ("Somewhere else.", "Here.")
    )
    statuses: list[int] = []
    pending: set[Request] = set()

    def ask(request: Request) -> None:
        if not request.url.endswith("/events"):
            pending.add(request)

    def hear(request: Request) -> None:
        pending.discard(request)

    page.on("request", ask)
    page.on("requestfinished", hear)
    page.on("requestfailed", hear)
    page.on("response", lambda response: statuses.append(response.status))

    def pass_time(seconds: int) -> None:
        """A second after the other, each with the time that the service takes for its answers."""
        for _ in range(seconds):
            page.clock.run_for(1000)
            wait_for("the answers", lambda: page.evaluate("() => true") and not pending)

    page.add_init_script(f"sessionStorage.setItem('kavox-key', '{key}')")
    page.clock.install()
    visitor = Visitor(page, locked.url)
    visitor.open(f"#job={followed}")
    expect(visitor.current.locator(".meta")).to_contain_text("Running")
    page.clock.pause_at(page.evaluate("() => Date.now() + 1000"))
    pass_time(60)
    assert 429 not in statuses

    while locked.http.get("/quota", headers=headers).status_code != 429:
        pass
    pass_time(10)
    expect(page.get_by_role("alert").filter(has_text="may send 60 requests")).to_be_visible()
    visitor.listed.filter(has_text=other).get_by_role("button", name=f"Job {other}", exact=True).click()
    expect(visitor.current).to_contain_text("This page looks again by itself.")
    statuses.clear()
    pass_time(30)
    assert not statuses, "whoever is told to wait for most of a minute does not ask before"

    with Redis.from_url(redis) as limits:
        limits.delete(*limits.scan_iter(f"{keys.LIMITS}*"))
    pass_time(60)
    expect(page.locator("#trouble")).to_be_hidden()
    expect(visitor.current.get_by_role("list", name="Phases")).to_be_visible()
    puppets.clear()
    puppets.close()
