"""elevenlabs.ipynb against a stand-in for the API: what it asks, and what it makes of answers and refusals."""

import json
from array import array
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from app.ports import LOOPBACK
from tests.notebooks.local_run import LocalRun, an_item
from workers.kernel import KernelState

KEY = "sesame-key-of-the-account"
VOICE = "JBFqnCBsd6RMkjVDRZzb"
SECOND = array("h", [0, 8000, 0, -8000] * 6000).tobytes()
GAP_SAMPLES = 12_000
FADE_SAMPLES = 120


class Api(BaseHTTPRequestHandler):
    """Answers each text with a second of sound; a text can ask for trouble instead."""

    asked: list[dict[str, Any]]
    busy: set[str]

    def do_POST(self) -> None:
        """POST /v1/text-to-speech/{voice}."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append({"path": self.path, "key": self.headers["xi-api-key"], **body})
        if body["text"] == "Busy." and body["text"] not in self.busy:
            self.busy.add(body["text"])
            self._answer(429, "application/json", b'{"detail": {"status": "system_busy", "message": "later"}}')
        elif body["text"] == "Refused.":
            detail = {"detail": {"status": "quota_exceeded", "message": f"{self.headers['xi-api-key']} has no credits"}}
            self._answer(401, "application/json", json.dumps(detail).encode())
        elif body["text"] == "Odd.":
            self._answer(200, "text/html", b"<p>Sorry</p>")
        else:
            self._answer(200, "audio/pcm", SECOND)

    def log_message(self, *_: object) -> None:
        """Silent."""

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def api() -> Iterator[ThreadingHTTPServer]:
    """The stand-in, with nothing asked of it yet."""
    Api.asked, Api.busy = [], set()
    server = ThreadingHTTPServer((LOOPBACK, 0), Api)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def perform(folder: Path, model: str, *items: dict[str, Any], key: bool = True) -> LocalRun:
    return LocalRun(folder, "elevenlabs", model, items, environment=["ELEVENLABS_API_KEY"] if key else [])


def test_elevenlabs_speaks_what_it_can_and_says_why_it_cannot(
    api: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy API is asked again, a refusal fails its item alone, chunks are joined, and the key is nowhere on disk."""
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    monkeypatch.setenv("ELEVENLABS_BASE_URL", f"http://{LOOPBACK}:{api.server_port}")
    run = perform(
        tmp_path,
        "eleven_flash_v2_5",
        an_item("plain", "Hello.", voice=VOICE, language="de", seed=7, options={"speed": 1.1, "stability": 0.2}),
        an_item("two", "One.", "…", "Two.", voice=VOICE),
        an_item("busy", "Busy.", voice=VOICE),
        an_item("refused", "Refused.", voice=VOICE),
        an_item("odd", "Odd.", voice=VOICE),
        an_item("fast", "Hello.", voice=VOICE, options={"speed": 2}),
        an_item("elsewhere", "Hello.", voice="../user"),
        an_item("silent", "…", voice=VOICE),
    )

    assert run.status.state is KernelState.COMPLETE
    assert run.failures() == {
        "refused": "ElevenLabs answered 401: *** has no credits",
        "odd": "ElevenLabs sent no 16-bit samples (text/html)",
        "fast": "speed must be from 0.7 to 1.2",
        "elsewhere": "the voice is not an id of ElevenLabs",
        "silent": "nothing to speak",
    }
    plain, two = run.samples("plain"), run.samples("two")
    assert plain == run.samples("busy")
    assert plain[FADE_SAMPLES:-FADE_SAMPLES] == memoryview(SECOND).cast("h")[FADE_SAMPLES:-FADE_SAMPLES]
    assert two.tobytes() == plain.tobytes() + bytes(2 * GAP_SAMPLES) + plain.tobytes()
    assert run.files == {"result.json", "plain.wav", "two.wav", "busy.wav"}
    assert Api.asked[0] == {
        "path": f"/v1/text-to-speech/{VOICE}?output_format=pcm_24000",
        "key": KEY,
        "text": "Hello.",
        "model_id": "eleven_flash_v2_5",
        "language_code": "de",
        "seed": 7,
        "voice_settings": {"speed": 1.1, "stability": 0.2},
    }
    assert [one["text"] for one in Api.asked] == ["Hello.", "One.", "Two.", "Busy.", "Busy.", "Refused.", "Odd."]
    assert not [path for path in run.directory.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert "Hello" not in run.log


def test_elevenlabs_gets_its_key_only_where_its_push_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another provider's notebook sees no such variable, and this one says what is missing."""
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    run = perform(tmp_path, "eleven_multilingual_v2", an_item("one", "Hello.", voice=VOICE), key=False)

    assert run.status.state is KernelState.ERROR
    expected = "RuntimeError: ELEVENLABS_API_KEY is not set where the worker runs: set it to a key of your account"
    assert run.status.message == expected
