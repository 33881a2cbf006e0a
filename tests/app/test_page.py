"""GET / as a browser meets it; `tests/browser` uses what it shows."""

import re

import httpx


def test_the_page_loads_its_own_files_alone_and_keeps_them(api: httpx.Client) -> None:
    """Every file that it names is here, is of its type, and never changes under its address."""
    page = api.get("/")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
    assert len(named) > 5
    for path in named:
        file = api.get(f"/{path}")
        kind = {"css": "text/css", "js": "javascript", "svg": "image/svg+xml"}[path.rpartition(".")[2]]
        assert kind in file.headers["content-type"]
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "://" not in page.text


def test_the_page_may_run_its_own_scripts_and_nothing_else(api: httpx.Client) -> None:
    """No script or style within the page, none from elsewhere, no frame around it, no text that becomes markup."""
    page = api.get("/")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    for rule in ("frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", page.text)


def test_a_file_of_another_version_is_not_there(api: httpx.Client) -> None:
    """Files of two versions are never mixed."""
    answer = api.get("/page/0123456789abcdef/js/main.js")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
