"""Code, list, rules and dashboards speak of the same metrics, and Grafana's own types take the dashboards."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard

from deploy.dashboards import COLUMNS, DASHBOARDS, dashboard_files
from streams.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
RULES = "".join(path.read_text("utf-8") for path in sorted((ROOT / "deploy" / "prometheus").glob("*.yaml")))
LIST = (ROOT / "docs" / "metrics.md").read_text("utf-8")
QUERIES = [query for board in DASHBOARDS for panel in board.panels for query, _ in panel.queries]


def families() -> dict[str, tuple[set[str], set[str]]]:
    """Family -> names of its series, and its labels."""
    found = {}
    for family in vars(Metrics()).values():
        if not hasattr(family, "_labelnames"):
            continue
        described = next(iter(family.describe()))
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(
            described.type, [""]
        )
        found[described.name] = ({described.name + each for each in suffixes}, set(family._labelnames))
    return found


def test_every_metric_is_set_listed_and_on_a_dashboard() -> None:
    asked = set(re.findall(r"\bforesite_\w+", " ".join(QUERIES)))

    assert "Not set yet" not in LIST
    assert [] == [name for name in families() if f"`{name}" not in LIST]
    assert [] == [name for name, (series, _) in families().items() if not series & asked]


def test_rules_and_dashboards_ask_for_nothing_that_is_not() -> None:
    known = {name for series, _ in families().values() for name in series}
    recorded = set(re.findall(r"record: (foresite:\S+)", RULES))

    assert set() == set(re.findall(r"\bforesite_\w+", RULES + " ".join(QUERIES))) - known
    assert set() == set(re.findall(r"\bforesite:\w+:\w+", RULES + " ".join(QUERIES))) - recorded


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_groups_by_labels_that_its_metric_has(query: str) -> None:
    by_target = {"job", "instance", "le"}
    labels = by_target.union(
        *(labels for series, labels in families().values() if any(name in query for name in series)),
        {"site"} if "foresite:" in query else set(),
    )
    grouped = {each.strip() for group in re.findall(r"by \(([^)]*)\)", query) for each in group.split(",")}

    assert set() == grouped - labels


def test_each_alert_names_a_dashboard_that_is() -> None:
    assert {board.uid for board in DASHBOARDS} >= set(
        re.findall(r"^ +dashboard: (\S+)$", RULES, re.MULTILINE)
    )


@pytest.mark.parametrize("name", sorted(dashboard_files()))
def test_grafana_s_own_types_hold_all_of_a_dashboard(name: str) -> None:
    """Read into the types that Grafana generates from its schema, and written again: nothing may be lost or changed."""
    body = json.loads(dashboard_files()[name])

    again = json.loads(json.dumps(GrafanaDashboard.from_json(body), cls=JSONEncoder))

    assert [] == list(lost(body, again, name))


def lost(ours: Any, theirs: Any, path: str) -> Any:
    """Where what we say is not what they read."""
    if isinstance(ours, dict):
        for key, inner in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                yield f"{path}.{key}"
            else:
                yield from lost(inner, theirs[key], f"{path}.{key}")
    elif isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            yield path
        else:
            for place, inner in enumerate(ours):
                yield from lost(inner, theirs[place], f"{path}[{place}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} is {theirs!r}"


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: str(board.uid))
def test_panels_are_told_apart_and_do_not_overlap(board: Any) -> None:
    body = json.loads(dashboard_files()[f"{board.uid}.json"])
    cells = [
        (x, y)
        for panel in body["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < COLUMNS
    assert len(board.panels) == len({panel.title for panel in board.panels})
