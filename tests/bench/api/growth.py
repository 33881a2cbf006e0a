"""Whether reading a job takes longer when there are many: two databases of one server, two API processes, by turns."""

import random
import statistics
from collections.abc import Mapping, Sequence

from tests.bench.api.findings import Findings, Goal
from tests.bench.api.jobs import fill
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
    p99s: dict[int, list[float]] = {count: [] for count in apis}
    for number in range(-1, rounds):
        for count in sorted(apis, reverse=bool(number % 2)):
            told = load.give(apis[count].port, requests[count], connections=CONNECTIONS, seconds=seconds)
            assert set(told["statuses"]) == {"200"}, told
            if number >= 0:  # the first round warms both up
                p99s[count].append(told["p99"])
    few, many = (p99s[count] for count in sorted(apis))
    findings.add(
        (f"GET /jobs/{{id}} with {count:,} jobs: p99 {statistics.median(p99s[count]) * 1e3:.2f} ms" for count in apis),
        Goal(
            f"p99 of GET with {max(apis):,} jobs / with {min(apis):,}",
            statistics.median(later / sooner for sooner, later in zip(few, many, strict=True)),
            MOST,
            at_most=True,
        ),
    )


def _requests(api: Api, url: str, count: int) -> Sequence[str]:
    ids = fill(url, count)
    # Always the same choice, of new and old jobs alike.
    chosen = random.Random(count).choices(ids, k=_ASKED_FOR)  # noqa: S311
    return [api.request("GET", f"/jobs/{job_id}") for job_id in chosen]
