"""Many clients that wait for their jobs at once, on one process: all are told, and the process does not grow.

They come in waves. Half of a wave reads its job's events, half waits in a GET with `Prefer: wait=60`; when all are
there, every job is done at once; the last wave has to wait for a while. What a process has once used it keeps, so the
first wave counts for nothing.
"""

import time

from app.shared.job import JobStatus
from app.shared.redis_client import connect
from tests.bench.api.findings import Findings, Goal
from tests.bench.api.jobs import fill, move
from tests.bench.api.stage import Api, Load
from tests.service import wait_for

CLIENTS = 2_000
MOST_GROWTH = 1.05
_MEGABYTE = 2**20
_SETTLED = 0.002
_MARKER = f'"status":"{JobStatus.SUCCEEDED}"'


# Its subscriptions, what is shared, and what a moment's work has left open.
_OWN_CONNECTIONS = 8


def gather(api: Api, load: Load, redis_url: str, clients: int, waves: int, patience: float, findings: Findings) -> None:
    """Lets so many waves of clients come and go, the last one after so many seconds of waiting."""
    idle = _megabytes(api)
    full, after = [], []
    for wave in range(waves):
        ids = fill(redis_url, clients, [JobStatus.RUNNING])
        requests = [
            api.request("GET", f"/jobs/{job_id}/events")
            if place % 2
            else api.request("GET", f"/jobs/{job_id}", Prefer="wait=60")
            for place, job_id in enumerate(ids)
        ]
        opened = load.give(api.port, requests, marker=_MARKER)["open"]
        wait_for("all clients to be there", lambda: len(api.process.net_connections("tcp")) > clients)
        full.append(_settled(api))
        if wave == waves - 1:
            time.sleep(patience)  # heartbeats go out meanwhile
            waited = _settled(api)
        began = time.monotonic()
        with connect(redis_url) as redis:
            move(redis, ids, JobStatus.SUCCEEDED)
        told = load.hear()["told"]
        assert opened == told == clients, (opened, told)
        took = time.monotonic() - began
        wait_for(
            "all clients to be gone", lambda: len(api.process.net_connections("tcp")) < _OWN_CONNECTIONS + clients / 10
        )
        after.append(_settled(api))
    findings.add(
        [
            f"{clients:,} waiting clients on one process, {waves} waves, all told (the last wave within {took:.1f} s)",
            f"its memory: {idle:.0f} MB before; while they wait {_listed(full)}, {patience:.0f} s later {waited:.0f}; "
            f"when they have gone {_listed(after)}",
        ],
        Goal(f"memory with {clients:,} clients, last wave / second", full[-1] / full[1], MOST_GROWTH, at_most=True),
        Goal(f"their memory after {patience:.0f} s / before", waited / full[-1], MOST_GROWTH, at_most=True),
        Goal("memory after them, last wave / second", after[-1] / after[1], MOST_GROWTH, at_most=True),
    )


def _settled(api: Api) -> float:
    """Its memory in MB once it changes no longer."""
    seen = [_megabytes(api)]

    def settled() -> bool:
        time.sleep(0.5)
        seen.append(_megabytes(api))
        return abs(seen[-1] - seen[-2]) <= _SETTLED * seen[-1]

    wait_for("the memory to settle", settled)
    return seen[-1]


def _megabytes(api: Api) -> float:
    return float(api.process.memory_info().rss / _MEGABYTE)


def _listed(figures: list[float]) -> str:
    return ", ".join(f"{figure:.0f}" for figure in figures)
