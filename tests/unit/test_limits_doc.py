"""docs/limits.md: each limit is there with its reason and its metric, and the tests it names meet it."""

import re
from pathlib import Path

import pytest

from docs.limit_table import LIMITS, Limit, described, metric_name, name_of
from streams.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
ROWS = [row for rows in LIMITS.values() for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: name_of(row.bound))
def test_a_limit_has_a_reason_a_metric_and_a_behaviour(row: Limit) -> None:
    bound, reason = described(row.bound)

    assert name_of(row.bound).lower() in bound.lower()
    assert reason or row.bound.startswith(("FORESITE_", "rule "))
    assert metric_name(row.metric).startswith("foresite_")
    assert row.then


@pytest.mark.parametrize("row", [row for row in ROWS if row.test], ids=lambda row: name_of(row.bound))
def test_the_test_of_a_limit_names_it(row: Limit) -> None:
    assert re.search(rf"\b{name_of(row.bound)}\b", (ROOT / row.test).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "bound", ["FORESITE_NO_SUCH", "rule no_such_max", "twin.state.limits.NO_SUCH", "twin.no_such.SITES_MAX"]
)
def test_a_limit_that_is_gone_is_found(bound: str) -> None:
    with pytest.raises((LookupError, AttributeError, ImportError)):
        described(bound)


def test_a_metric_that_is_gone_is_found() -> None:
    with pytest.raises(AttributeError):
        metric_name("no_such_metric")


def test_each_setting_that_is_a_limit_is_listed() -> None:
    """A setting whose name says that it is one stands in the table."""
    listed = {name_of(row.bound) for row in ROWS}
    names = {name for name in Settings.model_fields if name.endswith(("_max", "_max_bytes", "batch_events"))}

    assert set() == names - listed


def test_metrics_that_nobody_sets_are_no_metric_of_a_limit() -> None:
    """What docs/metrics.md marks as not set shows nothing."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    unset = set(re.findall(r"^\| `(\w+)` .*\*\*Not set yet\.\*\*", text, re.MULTILINE))

    assert set() == unset & {metric_name(row.metric) for row in ROWS}
