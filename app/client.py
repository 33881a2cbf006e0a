"""A client of Kavox' own API: submit a text, follow the job, download its audio. For the command line.

Every refusal becomes an error that carries the problem's own detail, so that a person reads what the API wrote.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from app.shared.errors import AudioRejected, KavoxError, Permanent, RequestRefused, Transient
from app.shared.settings import is_loopback
from app.wav_file import write_atomically

Job = Mapping[str, Any]
"""A job as the API shows it (DESIGN §5)."""

ENDED = frozenset({"succeeded", "failed", "canceled"})
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 30
_REFUSALS = range(400, 500)


class Client:
    """One service, at `url`, under an API key if it wants one; `direct` passes by the environment's proxies.

    Raises RequestRefused when `url` is none.
    """

    def __init__(self, url: str, *, direct: bool = False, key: str | None = None) -> None:
        self._url = url
        try:
            # A proxy is no way to this machine itself.
            direct = direct or is_loopback(urlsplit(url).hostname or "")
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            self._http = httpx.Client(base_url=url, timeout=10, trust_env=not direct, headers=headers)
        except (ValueError, httpx.InvalidURL):
            raise RequestRefused("url", f"{url} is no address; it must look like http://127.0.0.1:8000") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def lives(self) -> bool:
        """Whether the process answers at all."""
        try:
            return self._http.get("/healthz").is_success
        except httpx.HTTPError:
            return False

    def missing(self) -> str | None:
        """What the service still lacks before it can work, None when it is ready."""
        try:
            answer = self._http.get("/readyz")
            return None if answer.is_success else "; ".join(answer.json()["missing"])
        except httpx.HTTPError:
            return "the API does not answer yet"
        except (ValueError, KeyError, TypeError):
            return f"{answer.url} answers {answer.status_code}, which is not Kavox"

    def speak(self, request: Mapping[str, Any], output: Path, watch: Callable[[Job], None]) -> Job:
        """Has a request spoken into `output`; `watch` sees the job ten times a second until it has ended.

        Raises RequestRefused when the service does not accept it, what the job itself failed with, and Transient when
        the service is silent for 30 s.
        """
        job = self.submit(request)
        while job["status"] not in ENDED:
            watch(job)
            time.sleep(_POLL_SECONDS)
            job = self._look(job["id"])
        if job["status"] != "succeeded":
            raise _failure(job)
        self.download(job, output)
        return job

    def submit(self, request: Mapping[str, Any]) -> Job:
        """Hands in a request for speech. Raises RequestRefused when it cannot be accepted, else Transient."""
        # json.dumps escapes what is no valid Unicode, for the API to refuse; httpx' own `json=` would fail on it.
        body = json.dumps(request)
        return self._job(self._send("POST", "/synthesize", content=body, headers={"Content-Type": "application/json"}))

    def download(self, job: Job, output: Path) -> None:
        """Writes a job's audio to `output`, wholly or not at all. Raises AudioRejected when it is not as announced."""
        audio = self._send("GET", job["urls"]["audio"]).content
        if hashlib.sha256(audio).hexdigest() != job["audio"]["sha256"]:
            raise AudioRejected("the downloaded audio is not the one that the job announced; try again")
        write_atomically(output, audio)

    def _look(self, job_id: str) -> Job:
        """The job as it is now, when the service answers again: it may be starting anew."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._job(self._send("GET", f"/jobs/{job_id}"))
            except Transient:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_SECONDS)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise Transient(f"no Kavox answers at {self._url} ({error}); `kavox serve` starts one") from None
        if answer.status_code in _REFUSALS:
            raise RequestRefused("", _detail(answer))
        if not answer.is_success:
            raise Transient(_detail(answer))
        return answer

    def _job(self, answer: httpx.Response) -> Job:
        try:
            job = answer.json()
        except ValueError:
            job = None
        if not isinstance(job, dict) or "urls" not in job:
            raise Permanent(f"{self._url} answers, but it is not Kavox")
        return job


def _failure(job: Job) -> KavoxError:
    error = job["error"] or {"code": "canceled", "detail": "the job was canceled", "retryable": False}
    kind = Transient if error["retryable"] else Permanent
    return kind(error["detail"], code=error["code"])


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.url} answers {answer.status_code} {answer.reason_phrase}"
