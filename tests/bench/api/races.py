"""The service's endpoints against their rivals: requests a second, by turns and again and again.

The machine may be busy with other things, so a ratio is taken within one round, where both had the same machine, and
only rounds count in which others had little of it; the ratio is the median of these. Every other round goes in the
opposite order.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.shared.job import JobStatus
from app.shared.redis_client import connect
from tests.app.workshop import Workshop
from tests.bench.api.findings import Findings, Goal
from tests.bench.api.jobs import fill, text
from tests.bench.api.load import BLANK
from tests.bench.api.quiet import Machine, quietest
from tests.bench.api.stage import Api, Load

CONNECTIONS = 16
READABLE_JOBS = 300
AUDIO_BYTES = 1_000_000

POST, GET, AUDIO = "POST /synthesize", "GET /jobs/{id}", "GET 1 MB of audio"
NOOP_POST, NOOP_GET = "no-op POST, same validation", "no-op GET"
LEAN_POST, LEAN_GET = "the same, read by hand as ours is", "a no-op GET read by hand as ours is"
TEXTBOOK, FILE_RESPONSE = "textbook: FastAPI, def, queue.enqueue", "Starlette's FileResponse"
RATIOS = ((POST, TEXTBOOK, 3.0), (POST, NOOP_POST, 0.6), (GET, NOOP_GET, 0.7), (AUDIO, FILE_RESPONSE, 0.9))


class Contestant(NamedTuple):
    """What is asked of which process."""

    api: Api
    requests: Sequence[str]


@dataclass(frozen=True)
class Heat:
    """What one contestant did in one round: `cpu` is the server's seconds of processor for each answer, `busy` the
    load's share of one processor, `others` what everybody else had of all."""

    rate: float
    p50: float
    p99: float
    cpu: float
    busy: float
    others: float


def race(service: Api, textbook: Api, load: Load, redis_url: str, rounds: int, seconds: float, found: Findings) -> None:
    """Lets all of them run for `seconds` in each round."""
    contestants, machine = _contestants(service, textbook, redis_url), Machine()
    heats: dict[str, list[Heat]] = defaultdict(list)
    for name, contestant in contestants.items():
        _run(contestant, machine, load, name, min(seconds, 0.5))
    for number in range(rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            heats[name].append(_run(contestants[name], machine, load, name, seconds))
    found.add(_lines(heats), *_goals(heats))


def _contestants(service: Api, textbook: Api, redis_url: str) -> Mapping[str, Contestant]:
    readable = fill(redis_url, READABLE_JOBS)
    (spoken,) = fill(redis_url, 1, [JobStatus.RUNNING])
    with connect(redis_url) as redis:
        Workshop(redis, service.data_dir).succeed(spoken, bytes(AUDIO_BYTES))
    # No two texts are alike, else their jobs would share one synthesis.
    body = {"text": text(BLANK)}

    def posts(api: Api, path: str) -> Contestant:
        return Contestant(api, [api.request("POST", path, body)])

    def gets(api: Api, *paths: str) -> Contestant:
        return Contestant(api, [api.request("GET", path) for path in paths])

    return {
        POST: posts(service, "/synthesize"),
        NOOP_POST: posts(service, "/noop"),
        LEAN_POST: posts(service, "/lean"),
        TEXTBOOK: posts(textbook, "/synthesize"),
        GET: gets(service, *(f"/jobs/{job_id}" for job_id in readable)),
        NOOP_GET: gets(service, *(f"/noop/{job_id}" for job_id in readable)),
        LEAN_GET: gets(service, *(f"/lean/{job_id}" for job_id in readable)),
        AUDIO: gets(service, f"/jobs/{spoken}/audio"),
        FILE_RESPONSE: gets(textbook, "/audio"),
    }


def _run(contestant: Contestant, machine: Machine, load: Load, name: str, seconds: float) -> Heat:
    api, requests = contestant
    before = sum(api.process.cpu_times()[:2])
    with machine.watched() as others:
        told = load.give(api.port, requests, connections=CONNECTIONS, seconds=seconds)
    cpu = sum(api.process.cpu_times()[:2]) - before
    assert set(told["statuses"]) <= {"200", "202"}, (name, told)
    return Heat(
        told["answers"] / told["seconds"], told["p50"], told["p99"], cpu / told["answers"], told["busy"], *others
    )


def _goals(heats: Mapping[str, Sequence[Heat]]) -> Iterator[Goal]:
    for ours, rival, bound in RATIOS:
        faster = statistics.median(mine.rate / other.rate for mine, other in _quiet_pairs(heats, ours, rival))
        yield Goal(f"{ours} / {rival}", faster, bound)


def _quiet_pairs(heats: Mapping[str, Sequence[Heat]], ours: str, rival: str) -> Sequence[tuple[Heat, Heat]]:
    pairs = list(zip(heats[ours], heats[rival], strict=True))
    return quietest(pairs, lambda pair: max(heat.others for heat in pair))


def _lines(heats: Mapping[str, Sequence[Heat]]) -> Iterator[str]:
    yield f"{'':38}  {'a second':>9}  {'p50 ms':>7}  {'p99 ms':>7}  {'CPU ms':>7}  {'load busy':>9}  {'others':>7}"
    for name, done in heats.items():
        quiet = quietest(done, lambda heat: heat.others)
        rate, p50, p99, cpu, busy, others = (
            statistics.median(getattr(heat, figure) for heat in quiet)
            for figure in ("rate", "p50", "p99", "cpu", "busy", "others")
        )
        yield (
            f"{name:38}  {rate:9.0f}  {p50 * 1e3:7.2f}  {p99 * 1e3:7.2f}  {cpu * 1e3:7.3f}  {busy:9.0%}  {others:7.0%}"
        )
    everywhere = statistics.median(heat.others for done in heats.values() for heat in done)
    yield (
        f"the median of the third of {len(heats[POST])} heats in which others had least of the machine; in all heats "
        f"they had {everywhere:.0%} of its processors"
    )
    for ours, rival, _ in RATIOS:
        cheaper = statistics.median(other.cpu / mine.cpu for mine, other in _quiet_pairs(heats, ours, rival))
        yield f"{ours} / {rival}: {cheaper:.4g} by the seconds of processor that the server took for an answer"
