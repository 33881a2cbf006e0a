"""Whether reading a job takes longer when there are many: two databases of one server, two API processes, by turns.

A ratio is taken within one round, and the rounds count in which others had least of the machine: a slow answer is
mostly one for which the server had no processor.
"""

import random
import statistics
from collections.abc import Mapping, Sequence

from tests.bench.api.findings import Findings, Goal
from tests.bench.api.jobs import fill
from tests.bench.api.quiet import Machine, quietest
from tests.bench.api.stage import Api, Load

FEW, MANY = 1_000, 100_000
CONNECTIONS = 4
MOST = 1.2
_ASKED_FOR = 5_000


def grow(
    apis: Mapping[int, Api], urls: Mapping[int, str], load: Load, rounds: int, seconds: float, findings: Findings
) -> None:
    """`apis` and `urls` by the number of jobs that each is to have."""
    requests = {count: _requests(api, urls[count], count) for count, api in apis.items()}
    machine = Machine()
    pairs: list[tuple[dict[int, float], float]] = []
    for number in range(-1, rounds):
        slowest: dict[int, float] = {}
        with machine.watched() as others:
            for count in sorted(apis, reverse=bool(number % 2)):
                told = load.give(apis[count].port, requests[count], connections=CONNECTIONS, seconds=seconds)
                assert set(told["statuses"]) == {"200"}, told
                slowest[count] = told["p99"]
        if number >= 0:  # the first round warms both up
            pairs.append((slowest, others[0]))
    quiet = quietest(pairs, lambda pair: pair[1])
    few, many = sorted(apis)
    findings.add(
        (
            f"GET /jobs/{{id}} with {count:,} jobs: p99 {1e3 * statistics.median(p99[count] for p99, _ in quiet):.2f} "
            f"ms while others had {statistics.median(others for _, others in quiet):.0%} of the processors"
            for count in (few, many)
        ),
        Goal(
            f"p99 of GET with {many:,} jobs / with {few:,}",
            statistics.median(p99[many] / p99[few] for p99, _ in quiet),
            MOST,
            at_most=True,
        ),
    )


def _requests(api: Api, url: str, count: int) -> Sequence[str]:
    ids = fill(url, count)
    # Always the same choice, of new and old jobs alike.
    chosen = random.Random(count).choices(ids, k=_ASKED_FOR)  # noqa: S311
    return [api.request("GET", f"/jobs/{job_id}") for job_id in chosen]
