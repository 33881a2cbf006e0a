"""A client of Kavox' own API: submit a text, follow the job, download its audio. For the command line.

Every refusal becomes an error that carries the problem's own detail, so that a person reads what the API wrote. What
may be a passing trouble is asked again (`asking.py`); a POST has an Idempotency-Key, so it makes no second job.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from app import answers
from app.asking import NO_CODES, Asking, Tell
from app.exit_codes import Canceled, ServiceUnreachable, WrongUsage
from app.shared.addresses import without_secrets
from app.shared.errors import (
    AudioRejected,
    Conflict,
    KavoxError,
    Permanent,
    TooManyWaiting,
    Transient,
    Unauthorized,
)
from app.shared.settings import is_loopback

Job = Mapping[str, Any]
"""A job as the API shows it (DESIGN §5)."""

ENDED = frozenset({"succeeded", "failed", "canceled"})
NO_ROOM = frozenset({TooManyWaiting.code, "queue_full"})
"""What a request is refused with that may be taken once some jobs have run."""
_TIMEOUT_SECONDS = 10.0
# A living connection says something more often than this.
_SILENCE_SECONDS = 60.0
_PAGE = 100


class NoEvents(Exception):  # noqa: N818  # it is no error: there is another way
    """The service does not tell of this job by server-sent events."""


class Client:
    """One service, at `url`, under an API key if it wants one; `direct` passes by the environment's proxies.

    It may be used by several threads at once, and says by `tell` why nothing happens for a while. Raises WrongUsage
    when `url` is none.
    """

    def __init__(
        self, url: str, *, direct: bool = False, key: str | None = None, tell: Tell | None = None, rests: bool = True
    ) -> None:
        self._has_key = bool(key)
        try:
            # A proxy is no way to this machine itself.
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"}:
                raise ValueError
            direct = direct or is_loopback(parts.hostname or "")
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=not direct, headers=headers)
        except (ValueError, httpx.InvalidURL):
            raise WrongUsage(f"{url} is no address; it must look like http://127.0.0.1:8000") from None
        self._shown = without_secrets(url)
        self._asking = Asking(self._http, self._shown, tell, rests=rests)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def hurry(self) -> None:
        """From now on nothing is asked again, and no answer waited for: whoever wanted them has left."""
        self._asking.hurry()

    def lives(self) -> bool:
        """Whether the process answers at all."""
        try:
            return self._http.get("/healthz").is_success
        except httpx.HTTPError:
            return False

    def listens(self) -> bool:
        """Whether anything takes connections there."""
        try:
            self._http.get("/healthz")
        except httpx.ConnectError:
            return False
        except httpx.HTTPError:
            pass
        return True

    def missing(self) -> str | None:
        """What the service still lacks before it can work, None when it is ready."""
        try:
            answer = self._http.get("/readyz")
            return None if answer.is_success else "; ".join(answer.json()["missing"])
        except httpx.HTTPError:
            return "the API does not answer yet"
        except (ValueError, KeyError, TypeError):
            return f"{answer.url} answers {answer.status_code}, which is not Kavox"

    def submit(
        self, request: Mapping[str, Any], idempotency_key: str | None = None, *, wait_for_room: bool = True
    ) -> Job:
        """Hands in a request for speech; the job that it led to, which may be an earlier one under the same key.

        Raises RequestRefused when it cannot be accepted, Gone when the key's job has expired, else Transient; at once
        where as many jobs wait as may (NO_ROOM), unless it is to `wait_for_room`.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._job(self._post("/synthesize", request, headers, NO_CODES if wait_for_room else NO_ROOM))

    def estimate(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a request would cost; nothing is queued."""
        return self._object(self._post("/synthesize?dry_run=true", request, {}), "speech_seconds")

    def job(self, job_id: str, *, wait_seconds: int = 0) -> Job:
        """The job as it is now, or once it has ended if that is within `wait_seconds`. Raises NotFound."""
        headers = {"Prefer": f"wait={wait_seconds}"} if wait_seconds else {}
        return self._job(self._send("GET", _path(job_id), headers=headers, timeout=_TIMEOUT_SECONDS + wait_seconds))

    def jobs(self, status: str | None, most: int) -> Iterator[Job]:
        """The caller's jobs, the newest first, at most so many."""
        query: dict[str, Any] = {"status": status} if status else {}
        while most > 0:
            page = self._object(self._send("GET", "/jobs", params=query | {"limit": min(most, _PAGE)}), "jobs")
            yield from page["jobs"]
            most -= _PAGE
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def cancel(self, job_id: str) -> Job:
        """Asks for a job's end; the job as it then is. One that has ended meanwhile stays as it is."""
        try:
            return self._job(self._send("DELETE", _path(job_id)))
        except Conflict:
            return self.job(job_id)

    def events(self, job_id: str, last_id: str | None) -> Iterator[ServerSentEvent]:
        """What becomes of a job, as it happens, since the event `last_id`; may end before the job has.

        Raises NoEvents where only asking again and again helps.
        """
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        timeout = httpx.Timeout(_TIMEOUT_SECONDS, read=_SILENCE_SECONDS)
        try:
            with self._http.stream("GET", f"{_path(job_id)}/events", headers=headers, timeout=timeout) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                if not response.is_success:
                    raise NoEvents
                yield from EventSource(response).iter_sse()
        except SSEError:
            raise NoEvents from None
        except httpx.HTTPError:
            # Cut off; whoever follows looks at the job, which tells a restart from the end of the service.
            return

    def providers(self) -> Mapping[str, Any]:
        """GET /providers."""
        return self._object(self._send("GET", "/providers"), "providers")

    def voices(self, provider: str | None, language: str | None) -> list[Mapping[str, Any]]:
        """The voices that can be asked for, of one provider or language if it is named."""
        query = {name: value for name, value in (("provider", provider), ("language", language)) if value}
        return list(self._object(self._send("GET", "/voices", params=query), "voices")["voices"])

    def quota(self) -> Mapping[str, Any]:
        """GET /quota."""
        return self._object(self._send("GET", "/quota"), "kavox")

    def audio(self, job: Job, wanted: str | None = None) -> bytes:
        """A finished job's audio, in its own format or the `wanted` one. Raises AudioRejected for another."""
        if wanted not in {None, job["format"]}:
            return self._send("GET", job["urls"]["audio"], params={"format": wanted}).content
        content = self._send("GET", job["urls"]["audio"]).content
        if hashlib.sha256(content).hexdigest() != job["audio"]["sha256"]:
            raise AudioRejected("the downloaded audio is not the one that the job announced; try again")
        return content

    def log(self, job_id: str) -> str:
        """The log of an ended job's run. Raises NotFound, Conflict, Gone."""
        return self._send("GET", f"{_path(job_id)}/logs", headers={"Accept": "text/plain"}).text

    def bundle(self, job_id: str, *, include_text: bool) -> bytes:
        """What is needed to run an ended job again, as a zip. Raises NotFound, Conflict."""
        query = {"include_text": "true"} if include_text else {}
        return self._send("GET", f"{_path(job_id)}/bundle", params=query).content

    def _post(
        self, path: str, request: Mapping[str, Any], headers: Mapping[str, str], final: AbstractSet[str] = NO_CODES
    ) -> httpx.Response:
        # json.dumps escapes what is no valid Unicode, for the API to refuse; httpx' own `json=` would fail on it.
        content, told = json.dumps(request), {"Content-Type": "application/json", **headers}
        return self._send("POST", path, final=final, content=content, headers=told)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._checked(self._asking.answer(method, path, **more))

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        """The answer if it is a good one. Raises the error that it stands for."""
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            if self._has_key:
                said = answers.error(answer).detail
                raise Unauthorized(f"{said}. The key is that of --key-file, else KAVOX_API_KEY")
            raise Unauthorized("the service wants an API key: set KAVOX_API_KEY, or name a file with it by --key-file")
        if not answer.is_success:
            raise answers.error(answer)
        return answer

    def _job(self, answer: httpx.Response) -> Job:
        return self._object(answer, "urls")

    def _object(self, answer: httpx.Response, has: str) -> Mapping[str, Any]:
        """The JSON object in an answer, which has this field if it comes from Kavox."""
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or has not in found:
            raise ServiceUnreachable(f"{self._shown} answers, but it is not Kavox; name the service with --url")
        return found


def failure(job: Job) -> KavoxError:
    """What a job that did not succeed ended with."""
    if job["status"] == "canceled":
        return Canceled(f"job {job['id']} was canceled; send it again if it was not you")
    error = job["error"]
    kind = Transient if error["retryable"] else Permanent
    return kind(f"job {job['id']} failed ({error['code']}): {error['detail']}", code=error["code"])


def _path(job_id: str) -> str:
    # It comes from a command line, and may be anything.
    return f"/jobs/{quote(job_id, safe='')}"
