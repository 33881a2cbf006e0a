"""A request goes to the machine whose address was checked, and nowhere else.

There is no name server to ask here, so what names stand for is said by the tests; all else is real.
"""

import asyncio
import gc
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.cookiejar import Cookie
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.ports import LOOPBACK, free_port
from app.shared.deliveries import Attempt
from app.shared.receivers import AllowedHosts
from tests.receiver import receiving
from workers.posting import Poster

NO_OPENSSL = shutil.which("openssl") is None  # Python, make and git are all that a machine must have.
NAME = "hooks.example"


def post(url: str, allowed: str = "") -> Attempt:
    async def once() -> Attempt:
        poster = Poster(AllowedHosts.parse(allowed), timeout_seconds=5)
        try:
            return (await poster.post(url, b"{}", {"X-Mark": "it"})).attempt
        finally:
            await poster.aclose()

    return asyncio.run(once())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What each name stands for, the first time, the next time, …; the last one stays."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        found = known.get(host)
        if found is None:
            return real(host, port, *more, **options)
        addresses = found.pop(0) if len(found) > 1 else found[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_a_name_of_this_machine_is_not_asked(names: dict[str, list[list[str]]]) -> None:
    """Not even when another of its addresses is of the internet."""
    with receiving() as receiver:
        for addresses in ([LOOPBACK], ["93.184.216.34", LOOPBACK]):
            names[NAME] = [addresses]
            attempt = post(f"https://{NAME}:{receiver.port}/")
            assert attempt.error is not None
            assert attempt.error["code"] == "webhook_url_refused"
            assert LOOPBACK in attempt.error["detail"]
        assert receiver.messages == []


def test_the_name_is_looked_up_once(names: dict[str, list[list[str]]]) -> None:
    """What it stands for a moment later counts for nothing."""
    with receiving() as receiver, receiving() as other:
        names[NAME] = [[LOOPBACK], ["127.0.0.2"]]
        assert post(f"http://{NAME}:{receiver.port}/a?b=c", NAME).status == 200
        (message,) = receiver.messages
        assert (message.path, message.headers["Host"]) == ("/a?b=c", f"{NAME}:{receiver.port}")
        assert message.headers["X-Mark"] == "it"
        assert names[NAME] == [["127.0.0.2"]]
        assert other.messages == []


def test_an_address_that_is_away_is_not_the_last_word(names: dict[str, list[list[str]]]) -> None:
    """The next one of the same name is tried."""
    with receiving() as receiver:
        names[NAME] = [["127.0.0.3", LOOPBACK]]
        assert post(f"http://{NAME}:{receiver.port}/", NAME).status == 200


@pytest.mark.parametrize("url", [f"http://{LOOPBACK}:{{free}}/", "https://kavox.invalid/"])
def test_nobody_there_is_an_attempt_that_failed(url: str) -> None:
    """A port where nothing listens, and a name that nothing has."""
    attempt = post(url.format(free=free_port(LOOPBACK)), LOOPBACK)
    assert attempt.error is not None
    assert (attempt.status, attempt.error["code"]) == (None, "webhook_unreachable")


@pytest.mark.parametrize(
    "when",
    [
        "Mon, 01 Jan 99999999999 00:00:00 GMT", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999", "Mon, 32 Jan 2026 25:61:61 GMT", "9" * 400, "-1", "soon", "",
    ],
)  # fmt: skip
def test_a_senseless_wish_to_be_left_alone_undoes_no_delivery(when: str) -> None:
    """The receiver has the message."""
    with receiving(headers={"Retry-After": when}) as receiver:
        attempt = post(f"http://{LOOPBACK}:{receiver.port}/", LOOPBACK)
    assert (attempt.status, attempt.error) == (200, None)


def test_no_cookie_is_kept() -> None:
    """A receiver that sets one with every answer would else fill the worker's memory."""

    async def cookies_after(urls: list[str]) -> int:
        poster = Poster(AllowedHosts.parse(LOOPBACK), timeout_seconds=5)
        try:
            for url in urls:
                assert (await poster.post(url, b"{}", {})).attempt.status == 200
            gc.collect()
            return sum(type(thing) is Cookie and thing.name == "unwanted" for thing in gc.get_objects())
        finally:
            await poster.aclose()

    with receiving(headers={"Set-Cookie": "unwanted=it; Max-Age=99999"}) as receiver:
        urls = [f"http://{LOOPBACK}:{receiver.port}/{number}/" for number in range(3)]
        assert asyncio.run(cookies_after(urls)) == 0


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str | None]]]:
    """A server with a certificate for NAME that is trusted here; its port, and the names that it was asked for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
            "-keyout", key, "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with HTTPServer((LOOPBACK, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1], asked
        server.shutdown()


@pytest.mark.skipif(NO_OPENSSL, reason="there is no openssl here")
def test_the_certificate_must_be_for_the_name(
    names: dict[str, list[list[str]]], tls: tuple[int, list[str | None]]
) -> None:
    """And not for the address that is connected to; the server is told the name."""
    port, asked = tls
    names[NAME] = names["other.example"] = [[LOOPBACK]]
    assert post(f"https://{NAME}:{port}/", NAME).status == 204
    for host in ("other.example", LOOPBACK):
        attempt = post(f"https://{host}:{port}/", f"other.example,{LOOPBACK}")
        assert attempt.error is not None
        assert attempt.error["code"] == "webhook_unreachable"
        assert "certificate verify failed" in attempt.error["detail"]
    assert asked == [NAME, "other.example", None]
