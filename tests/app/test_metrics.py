"""GET /metrics: what Prometheus reads, as its own parser understands it."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


def samples(api: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """By name and labels."""
    answer = api.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(api: httpx.Client, name: str, **labels: str) -> float | None:
    return samples(api).get((name, frozenset(labels.items())))


HIBARI = {"provider": "hibari", "model": "hibari", "host": "emulator"}


def test_a_new_installation_has_nothing_but_zeros_and_limits(api: httpx.Client) -> None:
    assert of(api, "kavox_jobs", status="queued") == 0
    assert of(api, "kavox_runs_limit", kind="gpu") == 2
    assert of(api, "kavox_workers") == 0
    assert not any(name.startswith("kavox_quota") for name, _ in samples(api))
