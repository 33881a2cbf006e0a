"""What came of a round: every job judged against its script, the figures, and whether the bars hold."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.caller import ENDED, Caller, Job
from tests.chaos.ledgers import Ledgers
from tests.chaos.script import CALLERS, KEYED, Line
from tests.chaos.teletype import CAUSE, read_back

LEAST_SUCCEEDED = 0.99
"""Of the jobs that are not scripted to fail."""


@dataclass
class Verdict:
    """Ids of jobs by what became of them; `reasons` say more of those that are not as they should be."""

    submitted: int
    accepted: int = 0
    orphans: int = 0
    cached: int = 0
    repeated: list[str] = field(default_factory=list)
    succeeded: list[str] = field(default_factory=list)
    failed_as_scripted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)
    ledgers: Ledgers | None = None
    seconds: float = 0.0

    def judge(self, caller: Caller, others: Sequence[Caller], texts: Sequence[Line]) -> None:
        """Judges every job of a caller: those that a 202 named and those that only GET /jobs names."""
        listed = caller.listed()
        self.accepted += len(caller.accepted.keys() | listed.keys())
        self.orphans += len(listed.keys() - caller.accepted.keys())
        self.cached += sum(job["cached"] for job in listed.values())
        if caller.name in KEYED:
            times = Counter(job["metadata"]["number"] for job in listed.values())
            self.repeated += [f"{caller.name}'s {number}" for number, jobs in times.items() if jobs > 1]
        for job_id in sorted(caller.accepted.keys() | listed.keys()):
            job = caller.job(job_id)
            if job is None or job["status"] not in ENDED or job_id not in listed:
                self._blame(self.lost, job_id, f"{job['status']}, {job['waiting']}" if job else "unknown")
                continue
            self._judge_end(caller, job, texts[job["metadata"]["number"]])
            if job["metadata"]["caller"] != caller.name:
                self._blame(self.strangers, job_id, f"{caller.name} was shown a job of {job['metadata']['caller']}")
            other = others[job["metadata"]["number"] // len(CALLERS) % len(others)]
            if other.job(job_id) is not None or other.audio(job_id) is not None:
                self._blame(self.strangers, job_id, f"{other.name} was shown a job of {caller.name}")
        self.surprises += caller.surprises

    def _judge_end(self, caller: Caller, job: Job, line: Line) -> None:
        if job["status"] == "succeeded":
            said = _said(caller.audio(job["id"]), job)
            # A refused text that was spoken all the same is as wrong as one that was spoken wrongly.
            if said == line.text and not line.refused:
                self.succeeded.append(job["id"])
            else:
                self._blame(self.wrong, job["id"], f"says {said!r} instead of {line.text!r}")
        elif (
            line.refused and (job["error"] or {}).get("code") == "synthesis_failed" and CAUSE in job["error"]["detail"]
        ):
            self.failed_as_scripted.append(job["id"])
        else:
            self._blame(self.failed, job["id"], f"{job['status']}: {job['error']}")

    def _blame(self, where: list[str], job_id: str, reason: str) -> None:
        where.append(job_id)
        self.reasons[job_id] = reason

    @property
    def blamed(self) -> list[str]:
        """Jobs that are not as they should be."""
        return list(self.reasons)

    def missed(self) -> list[str]:
        """The bars that do not hold, in words."""
        assert self.ledgers is not None
        spoken = self.accepted - len(self.failed_as_scripted)
        bars = {
            f"{len(self.succeeded)} of {spoken} succeeded": len(self.succeeded) >= LEAST_SUCCEEDED * spoken > 0,
            f"only {self.accepted} of {self.submitted} texts were accepted": self.accepted >= self.submitted,
            f"{len(self.lost)} lost": not self.lost,
            f"{len(self.wrong)} with wrong audio": not self.wrong,
            f"{len(self.strangers)} shown to strangers": not self.strangers,
            f"more than one job under one Idempotency-Key: {self.repeated[:3]}": not self.repeated,
            f"audio that belongs to nobody: {self.ledgers.strays[:3]}": not self.ledgers.strays,
            f"runs pushed twice: {self.ledgers.pushed_twice}": not self.ledgers.pushed_twice,
            f"left half-written: {self.ledgers.half_written[:3]}": not self.ledgers.half_written,
            f"answers that no death explains: {self.surprises[:3]}": not self.surprises,
        }
        return [bar for bar, holds in bars.items() if not holds]

    def lines(self) -> list[str]:
        """The figures, for people."""
        books = self.ledgers
        assert books is not None
        kernels = Counter(books.kernels_of(job) for job in [*self.succeeded, *self.failed_as_scripted, *self.failed])
        deaths = ", ".join(f"{name.partition(':')[0]} {times}" for name, times in sorted(self.deaths.items()))
        return [
            f"jobs: {self.accepted} accepted ({self.orphans} by an answer that was lost), "
            f"{len(self.succeeded)} succeeded ({self.cached} with speech made for another), "
            f"{len(self.failed_as_scripted)} failed with the scripted cause, "
            f"{len(self.failed)} failed otherwise, {len(self.lost)} lost",
            f"runs: {len(books.runs)} ({len(books.open_runs)} still open), {books.pushes.total()} accepted pushes, "
            f"{len(books.pushed_twice)} pushed twice; {len(books.kernels)} kernels not deleted",
            "kernels for one job: " + ", ".join(f"{times} for {jobs} jobs" for times, jobs in sorted(kernels.items())),
            f"wrong audio: {len(self.wrong)}; jobs shown to strangers: {len(self.strangers)}",
            f"killed: {deaths}; {self.seconds:.0f} s",
            *(f"  {len(jobs)} jobs ({jobs[0]}, …): {reason}" for reason, jobs in self._by_reason()[:10]),
        ]

    def _by_reason(self) -> list[tuple[str, list[str]]]:
        """The blamed jobs by what is wrong with them, the commonest first."""
        found: dict[str, list[str]] = {}
        for job_id, reason in self.reasons.items():
            found.setdefault(reason, []).append(job_id)
        return sorted(found.items(), key=lambda pair: len(pair[1]), reverse=True)


def _said(audio: bytes | None, job: Job) -> str:
    """What the audio says, or in brackets why it says nothing."""
    if audio is None:
        return "[there is no audio]"
    if len(audio) != job["audio"]["bytes"] or hashlib.sha256(audio).hexdigest() != job["audio"]["sha256"]:
        return "[not the audio that the job announces]"
    try:
        return read_back(audio)
    except ValueError as error:
        return f"[{error}]"
