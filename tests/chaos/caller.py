"""One caller: submits its texts whatever dies meanwhile, keeps books of what was accepted, and looks after its jobs."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any, Self

import httpx

from tests.chaos.script import KEYED, Line

ENDED = frozenset({"succeeded", "failed", "canceled"})
_PAUSE_SECONDS = 0.3
_PATIENCE_SECONDS = 120
"""How long a service that is being killed may go without an answer."""

Job = dict[str, Any]


class Caller:
    """A client with a key of its own. What it saw stands in its attributes."""

    def __init__(self, name: str, url: str, key: str) -> None:
        self.name = name
        self.accepted: dict[str, int] = {}
        """The numbers of the texts, by the ids of the jobs that an answer named."""
        self.ends: dict[str, tuple[str, str]] = {}
        """How each job was first seen to have ended: its status and its audio's sha256."""
        self.surprises: list[str] = []
        """Answers that no death of a process explains."""
        self._http = httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=10, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit_all(self, lines: Sequence[Line]) -> None:
        """Submits each text until it is accepted."""
        for line in lines:
            time.sleep(line.pause)
            # The metadata tells later which text an orphan is: a job whose 202 never arrived.
            body = {"text": line.text, "metadata": {"caller": self.name, "number": line.number}}
            header = {"Idempotency-Key": f"text-{line.number}"} if self.name in KEYED else {}
            if line.hangs_up:
                self._hang_up("/synthesize", body, header)
            # What was spoken before is answered at once.
            job = self._send("POST", "/synthesize", 200, 202, json=body, headers=header).json()
            self.accepted[job["id"]] = line.number

    def look(self) -> bool:
        """Notes which jobs have ended; whether all have that are known."""
        jobs = self.listed()
        for job in jobs.values():
            self._note_end(job)
        return all(job["status"] in ENDED for job in jobs.values()) and self.accepted.keys() <= self.ends.keys()

    def listed(self) -> dict[str, Job]:
        """Every job of GET /jobs, by its id."""
        jobs: dict[str, Job] = {}
        cursor: str | None = ""
        while cursor is not None:
            page = self._send("GET", "/jobs", 200, params={"limit": 100} | ({"cursor": cursor} if cursor else {}))
            jobs |= {job["id"]: job for job in page.json()["jobs"]}
            cursor = page.json()["next_cursor"]
        return jobs

    def job(self, job_id: str) -> Job | None:
        """The job as it is now, None when the service does not know it, or says so to this caller."""
        answer = self._send("GET", f"/jobs/{job_id}", 200, 404)
        job: Job | None = answer.json() if answer.status_code == 200 else None
        if job is not None:
            self._note_end(job)
        return job

    def audio(self, job_id: str) -> bytes | None:
        """The job's wav, None where there is none for this caller."""
        answer = self._send("GET", f"/jobs/{job_id}/audio", 200, 404, 409, 410)
        return answer.content if answer.status_code == 200 else None

    def _note_end(self, job: Job) -> None:
        if job["status"] in ENDED:
            end = (job["status"], job["audio"]["sha256"] if job["audio"] else "")
            if self.ends.setdefault(job["id"], end) != end:
                self.surprises.append(f"job {job['id']} had ended as {self.ends[job['id']]} and is now {end}")

    def _hang_up(self, path: str, body: Job, headers: dict[str, str]) -> None:
        """Sends a request and goes away; whoever reads it may well act on it."""
        with contextlib.suppress(httpx.TransportError):
            self._http.post(path, json=body, headers=headers, timeout=httpx.Timeout(10, read=0.001))

    def _send(self, method: str, path: str, *expected: int, **more: Any) -> httpx.Response:
        """The first answer that is neither a lost connection nor a refusal for the moment."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        last = ""
        while time.monotonic() < deadline:
            try:
                answer = self._http.request(method, path, **more)
            except httpx.TransportError as error:
                last = repr(error)
            else:
                if answer.status_code in expected:
                    return answer
                last = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
                # 503 is the service's own word for "not now".
                if answer.status_code != 503:
                    self.surprises.append(last)
            time.sleep(_PAUSE_SECONDS)
        raise TimeoutError(f"{self.name}: no answer for {_PATIENCE_SECONDS} s to {method} {path}; the last was {last}")
