"""What a PromQL expression asks for, as a parser of Prometheus' own grammar reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser


@dataclass(frozen=True)
class Asked:
    """Series by name with the labels and values that they are chosen by, and the labels that they are grouped by."""

    series: list[tuple[str, dict[str, str]]]
    grouped_by: set[str]


def asked(expression: str) -> Asked:
    """Raises ValueError for what is no PromQL."""
    found = Asked([], set())
    for node in _nodes(promql_parser.parse(expression)):
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name is not None, f"a selector without a name in {expression}"
            found.series.append((node.name, {one.name: one.value for one in node.matchers.matchers}))
        modifier = getattr(node, "modifier", None)
        for labels in (modifier, getattr(modifier, "matching", None)):
            found.grouped_by.update(getattr(labels, "labels", None) or ())
    return found


def _nodes(root: Any) -> Iterator[Any]:
    nodes: list[Any] = []

    def note(node: Any) -> None:
        nodes.append(node)
        if isinstance(node, promql_parser.MatrixSelector):
            nodes.append(node.vector_selector)

    promql_parser.walk(root, note)
    return iter(nodes)
