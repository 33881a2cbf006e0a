"""What every answer has, whatever was asked: an id, headers that protect, the methods of its address."""

import json
import re
import select
import socket
from collections.abc import Iterator
from email import message_from_string
from email.message import Message

import httpx
import pytest

from app.api.openapi_headers import HEADERS
from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.workshop import Workshop

PAGE = "https://page.example"
UNKNOWN = "/jobs/19abcdef0120123456789"
ADDRESSES = ["/healthz", "/readyz", "/jobs", "/providers", "/voices", "/docs", "/openapi.json", UNKNOWN, "/nowhere"]


@pytest.fixture(scope="module")
def opened(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API that lets the pages of one origin in."""
    with serving(tmp_path_factory.mktemp("opened"), **place.settings, cors_origins=f"{PAGE}, http://x:3000") as client:
        yield client


@pytest.mark.parametrize("path", ADDRESSES)
def test_every_answer_is_protected(api: httpx.Client, path: str) -> None:
    """Whatever it is, it has an id, is taken for nothing else, loads nothing from elsewhere and is not left lying."""
    headers = api.get(path).headers
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"


def test_audio_may_be_kept_by_its_caller_who_asks_each_time(api: httpx.Client, workshop: Workshop) -> None:
    """A shared cache must not keep it, and once it has expired nobody plays it from a cache of their own."""
    job_id = api.post("/synthesize", json={"text": "Hello."}).json()["id"]
    workshop.start(job_id)
    workshop.succeed(job_id, b"RIFF")
    assert api.get(f"/jobs/{job_id}/audio").headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("given", "kept"), [("mine-1.2_3", True), ("a" * 128, True), ("a" * 129, False), ("a b", False)]
)
def test_a_sane_request_id_is_kept(api: httpx.Client, given: str, kept: bool) -> None:
    """An id that would do harm in a header or a log is replaced."""
    assert (api.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"] == given) is kept


@pytest.mark.parametrize("path", ADDRESSES)
def test_head_is_get_without_a_body(api: httpx.Client, path: str) -> None:
    """Every address that has GET has HEAD too, with the same status and headers."""
    head, whole = api.head(path), api.get(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    changing = {"x-request-id", "date"}
    assert {name: value for name, value in head.headers.items() if name not in changing} == {
        name: value for name, value in whole.headers.items() if name not in changing
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", UNKNOWN, "HEAD, GET, DELETE"),
        ("PUT", "/voices", "HEAD, GET, POST"),
        ("GET", "/synthesize", "POST"),
        ("HEAD", "/synthesize", "POST"),
        ("DELETE", f"{UNKNOWN}/audio", "HEAD, GET"),
        ("OPTIONS", "/jobs", "HEAD, GET"),
        ("POST", "/docs", "HEAD, GET"),
    ],
)
def test_a_method_that_is_not_there_hears_which_are(api: httpx.Client, method: str, path: str, allowed: str) -> None:
    """A 405 problem with all methods of the address in Allow."""
    answer = api.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert answer.json()["code"] == "method_not_allowed"


def test_a_named_origins_page_may_use_the_api(opened: httpx.Client) -> None:
    """Its browser may send what the API takes, and show the page the headers that clients go by."""
    wanted = "authorization, content-type, idempotency-key, prefer, range, x-api-key, x-stainless-retry-count"
    for method, path in (("POST", "/v1/audio/speech"), ("DELETE", UNKNOWN), ("PUT", "/jobs")):
        asked = {"Origin": PAGE, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": wanted}
        preflight = opened.options(path, headers={**asked, "Access-Control-Request-Private-Network": "true"})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, PAGE)
        assert method in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == wanted
        assert preflight.headers["access-control-allow-private-network"] == "true"
        assert preflight.headers["x-request-id"]
    for answer in (opened.get("/jobs", headers={"Origin": PAGE}), opened.get(UNKNOWN, headers={"Origin": PAGE})):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in answer.headers
        readable = answer.headers["access-control-expose-headers"]
        wanted_by_pages = {"Location", "Retry-After", "ETag", "Content-Range", "X-Request-ID", "Preference-Applied"}
        assert wanted_by_pages <= set(readable.split(", "))
        # A page reads Cache-Control anyway.
        assert HEADERS.keys() - {"Cache-Control"} <= set(readable.split(", "))


def test_another_origins_page_may_not(opened: httpx.Client, api: httpx.Client) -> None:
    """No origin that is not named is let in, and none at all by default."""
    for client, origin in ((opened, "https://page.example.evil"), (opened, "null"), (api, PAGE)):
        assert "access-control-allow-origin" not in client.get("/jobs", headers={"Origin": origin}).headers
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = client.options("/synthesize", headers=asked)
        expected = (403, "cors_refused") if client is opened else (405, "method_not_allowed")
        assert (preflight.status_code, preflight.json()["code"]) == expected
        assert preflight.headers["x-request-id"]
        assert "access-control-allow-origin" not in preflight.headers


def test_another_origins_page_cannot_send_a_form_either(api: httpx.Client, opened: httpx.Client) -> None:
    """Where no keys are wanted, what a browser sends for a page is refused unless the page is let in, or is our own."""
    form = {"name": "me", "consent": "true"}
    for site in ("cross-site", "same-site"):
        headers = {"Origin": "https://page.example.evil", "Sec-Fetch-Site": site}
        answer = api.post("/voices", data=form, files={"file": b"RIFF"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cors_refused")
    for client, origin, site in ((opened, PAGE, "cross-site"), (api, str(api.base_url), "same-origin")):
        headers = {"Origin": origin, "Sec-Fetch-Site": site}
        assert client.post("/synthesize", json={"text": "Hello."}, headers=headers).status_code == 202


def test_the_docs_page_needs_nobody_else(api: httpx.Client) -> None:
    """All that it loads comes from here, and its own script is the only one that its policy lets run besides."""
    page = api.get("/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for path in loaded:
        answer = api.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache")
    policy = page.headers["content-security-policy"]
    assert "http" not in page.text.replace(str(api.base_url), "")
    assert re.search("script-src 'self' 'sha256-[A-Za-z0-9+/]{43}='; ", policy)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW /jobs HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHost x\r\n\r\n",
        b"POST /synthesize HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /synthesize HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"GET /jobs\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_turned_away(api: httpx.Client, sent: bytes) -> None:
    """It gets a 400 like every other problem, or a closed connection, and nobody else notices."""
    answer = _answer_to(api, sent)
    assert api.get("/healthz").status_code == 200
    if answer:
        status, headers, body = answer
        assert (status, headers["content-type"]) == (400, "application/problem+json")
        assert (json.loads(body)["code"], headers["connection"]) == ("malformed_request", "close")
        assert int(headers["content-length"]) == len(body)
        assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_what_is_no_http_below_v1_has_openais_envelope(api: httpx.Client) -> None:
    """As far as the address could be read, the answer is that of the address."""
    answer = _answer_to(api, b"POST /v1/audio/speech HTTP/1.1\r\nHost x\r\n\r\n")
    assert answer
    assert json.loads(answer[2])["error"]["code"] == "malformed_request"


BEFORE_A_TRAILER = b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n"


@pytest.mark.parametrize("before", [b"", BEFORE_A_TRAILER], ids=["headers", "trailers"])
@pytest.mark.parametrize("piece", [b"a" * 10_000, b"a\r\na: b\r\nb:" * 1_000], ids=["long", "many"])
def test_headers_without_end_are_turned_away(api: httpx.Client, before: bytes, piece: bytes) -> None:
    """Before a body and behind it: after a while nothing more is read."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10) as connection:
        connection.sendall(b"POST /synthesize HTTP/1.1\r\nHost: 127.0.0.1\r\n" + before + b"X-Much: ")
        with pytest.raises(ConnectionError):
            connection.sendall(piece * 10_000)
    assert api.get("/healthz").status_code == 200


def test_who_sends_too_many_headers_is_told(api: httpx.Client) -> None:
    """As soon as it is sure; some long cookies are welcome."""
    assert api.get("/healthz", headers={"Cookie": "a" * 30_000}).status_code == 200
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10) as connection:
        connection.sendall(b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        # What is sent after the answer would make the system drop it.
        while not select.select([connection], [], [], 0.1)[0]:
            connection.sendall(b"Cookie: a=b\r\n" * 1000)
        answer = _read(connection)
    assert answer
    assert (answer[0], json.loads(answer[2])["code"]) == (431, "headers_too_large")


def test_a_websocket_is_not_offered(api: httpx.Client) -> None:
    """Whoever asks for one gets the answer to the plain request, with all that every answer has."""
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    answer = api.get("/healthz", headers={"Connection": "Upgrade", "Upgrade": "websocket", **key})
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
    assert answer.headers["x-request-id"]


def _answer_to(api: httpx.Client, sent: bytes) -> tuple[int, Message, bytes] | None:
    """Status, headers and body of the answer to these bytes, None where the connection was closed."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return _read(connection)


def _read(connection: socket.socket) -> tuple[int, Message, bytes] | None:
    head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    status, _, lines = head.decode("latin-1").partition("\r\n")
    return (int(status.split(" ")[1]), message_from_string(lines), body) if status else None
