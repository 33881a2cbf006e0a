"""The dashboard and the alert rules of docs/, held against what a service exposes."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis

from app.shared.deliveries import DeliveryStatus
from app.shared.job import JobStatus
from app.shared.metrics import count
from app.shared.quota import RUN_KINDS
from tests.app.api_process import serving
from tests.app.conftest import Place
from tests.app.exposition import History, live, samples
from tests.app.promql import asked

DOCS = Path(__file__).parents[2] / "docs"
RULES = [rule for group in yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text())
PANELS = DASHBOARD["panels"]
# Grafana puts these in before Prometheus sees the expression.
GRAFANA = {"$__rate_interval": "5m", "$__range": "6h"}
CODES = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "errors.md").read_text(), re.MULTILINE))
VALUES = {
    "status": {status.value for statuses in (JobStatus, DeliveryStatus) for status in statuses},
    "kind": {*RUN_KINDS, "ended"},
    "result": {"hit", "shared", "miss"},
    "code": CODES,
}

Labels = Mapping[str, set[str]]


@pytest.fixture(scope="module")
def exposed(place: Place, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Labels:
    """The labels of every series that a service has which has lived a little, by name; Prometheus adds its own."""
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        redis.flushdb()
        live(redis, redis_url, History(billed_seconds=100, quota_seconds=3600))
        count(redis, f"webhook_attempts|{DeliveryStatus.DELIVERED}")
        with serving(tmp_path_factory.mktemp("exposed"), **place.settings | {"cache_max_megabytes": 10}) as api:
            assert api.post("/synthesize", json={"text": "Hello."}).status_code == 202
            found: dict[str, set[str]] = defaultdict(set)
            for name, labels in samples(api):
                found[name] |= {label for label, _ in labels} | {"job", "instance"}
    return found | {"up": {"job", "instance"}}


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


def as_prometheus_sees(expression: str) -> str:
    for variable, value in GRAFANA.items():
        expression = expression.replace(variable, value)
    return expression


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_name_in_an_expression_exists(where: str, expression: str, exposed: Labels) -> None:
    """Metrics, the labels that they are chosen and grouped by, and the values of those labels that are known."""
    query = asked(as_prometheus_sees(expression))
    assert query.series, where
    available: set[str] = set()
    for name, chosen in query.series:
        assert name in exposed, f"{where}: there is no {name}"
        assert chosen.keys() <= exposed[name], f"{where}: {name} has no {chosen.keys() - exposed[name]}"
        for label, value in chosen.items():
            if label in VALUES:
                assert set(value.split("|")) <= VALUES[label], f"{where}: {label}={value}"
        available |= exposed[name]
    assert query.grouped_by <= available, f"{where}: nothing there has {query.grouped_by - available}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any], exposed: Labels) -> None:
    """With a severity, and no label in its words that its expression does not leave."""
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "action"}
    query = asked(rule["expr"])
    grouped = "by (" in rule["expr"]
    left = query.grouped_by if grouped else set.union(*(exposed[name] for name, _ in query.series))
    said = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert said <= left, f"{rule['alert']} has no {said - left}"


def test_the_dashboard_shows_every_metric(exposed: Labels) -> None:
    """But for what only alerts and people ask for."""
    shown = {name for _, expression in expressions() for name, _ in asked(as_prometheus_sees(expression)).series}
    unshown = {family(name) for name in exposed} - {family(name) for name in shown}
    assert unshown == {"kavox_info", "kavox_cache_entries", "kavox_quota_refreshes_at_seconds"}


def test_the_page_lists_every_metric(exposed: Labels) -> None:
    """docs/operating.md names what is exposed, with the labels that it has, and nothing else."""
    lines = re.findall(r"^\| (`kavox_.*?) \|(.*?)\|", (DOCS / "operating.md").read_text(), re.MULTILINE)
    told = {name: set(in_ticks(labels)) for names, labels in lines for name in in_ticks(names)}
    usual = {"job", "instance", "le", "provider", "model", "host"}
    found = {family(name): labels - usual for name, labels in exposed.items() if name != "up"}
    assert {name: labels - usual for name, labels in told.items()} == found


def in_ticks(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def family(name: str) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", name)


def test_the_dashboard_can_be_imported() -> None:
    """Panels have ids of their own and places that do not overlap, legends name labels that their query leaves."""
    places = [panel["gridPos"] for panel in PANELS]
    taken = [(at["x"] + x, at["y"] + y) for at in places for x in range(at["w"]) for y in range(at["h"])]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(target)))
            assert named <= variables, (panel["title"], named)
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            query = asked(as_prometheus_sees(target["expr"]))
            assert legend <= (query.grouped_by or {"kind"}), panel["title"]
