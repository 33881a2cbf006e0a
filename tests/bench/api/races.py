"""The service's endpoints against their rivals: requests a second, by turns and again and again.

The machine may be busy with other things, so a ratio is taken within one round, where both had the same machine, and of
all rounds' ratios the median. Every other round goes in the opposite order.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.shared.job import JobStatus
from app.shared.redis_client import connect
from tests.app.workshop import Workshop
from tests.bench.api.findings import Findings, Goal
from tests.bench.api.jobs import fill, text
from tests.bench.api.load import BLANK
from tests.bench.api.stage import Api, Load

CONNECTIONS = 16
READABLE_JOBS = 300
AUDIO_BYTES = 1_000_000

POST, NOOP_POST, TEXTBOOK = "POST /synthesize", "no-op POST, same validation", "textbook: FastAPI, def, queue.enqueue"
GET, NOOP_GET = "GET /jobs/{id}", "no-op GET"
AUDIO, FILE_RESPONSE = "GET 1 MB of audio", "Starlette's FileResponse"
RATIOS = ((POST, TEXTBOOK, 3.0), (POST, NOOP_POST, 0.6), (GET, NOOP_GET, 0.7), (AUDIO, FILE_RESPONSE, 0.9))


@dataclass(frozen=True)
class Heat:
    """What one contestant did in one round: `cpu` is the server's seconds of processor for each answer."""

    rate: float
    p50: float
    p99: float
    cpu: float
    busy: float


def race(api: Api, load: Load, redis_url: str, rounds: int, seconds: float, findings: Findings) -> None:
    """Lets all of them run for `seconds` in each round."""
    contestants = _contestants(api, redis_url)
    heats: dict[str, list[Heat]] = defaultdict(list)
    for name, requests in contestants.items():
        _run(api, load, name, requests, min(seconds, 0.5))
    for number in range(rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            heats[name].append(_run(api, load, name, contestants[name], seconds))
    findings.add(_lines(heats), *_goals(heats))


def _contestants(api: Api, redis_url: str) -> Mapping[str, Sequence[str]]:
    readable = fill(redis_url, READABLE_JOBS)
    (spoken,) = fill(redis_url, 1, [JobStatus.RUNNING])
    with connect(redis_url) as redis:
        Workshop(redis, api.data_dir).succeed(spoken, bytes(AUDIO_BYTES))
    # No two texts are alike, else their jobs would share one synthesis.
    body = {"text": text(BLANK)}
    return {
        POST: [api.request("POST", "/synthesize", body)],
        NOOP_POST: [api.request("POST", "/noop", body)],
        TEXTBOOK: [api.request("POST", "/textbook/synthesize", body)],
        GET: [api.request("GET", f"/jobs/{job_id}") for job_id in readable],
        NOOP_GET: [api.request("GET", f"/noop/{job_id}") for job_id in readable],
        AUDIO: [api.request("GET", f"/jobs/{spoken}/audio")],
        FILE_RESPONSE: [api.request("GET", "/textbook/audio")],
    }


def _run(api: Api, load: Load, name: str, requests: Sequence[str], seconds: float) -> Heat:
    before = sum(api.process.cpu_times()[:2])
    told = load.give(api.port, requests, connections=CONNECTIONS, seconds=seconds)
    cpu = sum(api.process.cpu_times()[:2]) - before
    assert set(told["statuses"]) <= {"200", "202"}, (name, told)
    return Heat(told["answers"] / told["seconds"], told["p50"], told["p99"], cpu / told["answers"], told["busy"])


def _goals(heats: Mapping[str, Sequence[Heat]]) -> Iterator[Goal]:
    for ours, rival, bound in RATIOS:
        ratios = [mine.rate / other.rate for mine, other in zip(heats[ours], heats[rival], strict=True)]
        yield Goal(f"{ours} / {rival}", statistics.median(ratios), bound)


def _lines(heats: Mapping[str, Sequence[Heat]]) -> Iterator[str]:
    yield f"{'':38}  {'a second':>9}  {'p50 ms':>7}  {'p99 ms':>7}  {'CPU ms':>7}  {'load busy':>9}"
    for name, done in heats.items():
        rate, p50, p99, cpu, busy = (
            statistics.median(getattr(heat, figure) for heat in done)
            for figure in ("rate", "p50", "p99", "cpu", "busy")
        )
        yield f"{name:38}  {rate:9.0f}  {p50 * 1e3:7.2f}  {p99 * 1e3:7.2f}  {cpu * 1e3:7.3f}  {busy:9.0%}"
