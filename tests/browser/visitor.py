"""What somebody does on the page, in the words of the page: by roles and labels, as a screen reader finds them."""

from playwright.sync_api import Locator, Page, expect

PATIENCE_MILLISECONDS = 40_000


class Visitor:
    """Somebody with the page open."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        expect.set_options(timeout=PATIENCE_MILLISECONDS)

    def open(self, fragment: str = "") -> None:
        """Opens it, and waits until it can be used."""
        self.page.goto(f"{self.url}/{fragment}")
        expect(self.page.get_by_label("Provider").first).to_have_value("hibari")

    @property
    def text(self) -> Locator:
        return self.page.get_by_label("Text to speak")

    @property
    def current(self) -> Locator:
        """The job that is followed."""
        return self.page.locator("#current")

    @property
    def player(self) -> Locator:
        return self.current.get_by_role("group", name="Player")

    @property
    def listed(self) -> Locator:
        """The recent jobs."""
        return self.page.get_by_role("list").and_(self.page.locator("#jobs")).get_by_role("listitem")

    def speak(self, text: str) -> None:
        """Types the text and presses the button."""
        self.text.fill(text)
        self.page.get_by_role("button", name="Speak").click()

    def hear(self, text: str) -> None:
        """Has it spoken, until it can be played."""
        self.speak(text)
        expect(self.current.get_by_role("heading")).to_contain_text(text[:40])
        self.ready()

    def ready(self) -> None:
        """Waits until the job that is followed can be played."""
        expect(self.player.get_by_role("button", name="Play")).to_be_enabled()

    @property
    def job_id(self) -> str:
        """The job in the page's address."""
        address: str = self.page.url
        return address.partition("#job=")[2]

    def error_at(self, label: str) -> Locator:
        """What is said to be wrong with a field."""
        field = self.page.get_by_label(label, exact=True)
        expect(field).to_have_attribute("aria-invalid", "true")
        described = (field.get_attribute("aria-describedby") or "").split(" ")[-1]
        return self.page.locator(f"[id='{described}']")
