"""The alert rules: what they look at exists, each has a runbook, and they fire where they should."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
FILES = ("alerts.yaml", "objectives.yaml")
RULES = ROOT / "deploy" / "prometheus"
TESTS = ROOT / "deploy" / "prometheus" / "alerts_test.yaml"
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")


def rules() -> list[dict[str, Any]]:
    read = [yaml.safe_load((RULES / name).read_text(encoding="utf-8")) for name in FILES]
    found = [rule for file in read for group in file["groups"] for rule in group["rules"]]
    return [rule for rule in found if "alert" in rule]


def section(title: str, until: str) -> set[str]:
    part = RUNBOOKS.split(f"\n## {title}\n", 1)[1].split(f"\n## {until}\n", 1)[0] if until else None
    return set(re.findall(r"^### (\S+)$", part or RUNBOOKS.split(f"\n## {title}\n", 1)[1], re.MULTILINE))


def metric_names() -> set[str]:
    found = set()
    for family in Metrics().registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        found |= {family.name + suffix for suffix in suffixes}
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_looks_at_metrics_that_are_and_says_what_to_do(rule: dict[str, Any]) -> None:
    looked_at = set(re.findall(r"foresite_\w+", rule["expr"]))

    assert looked_at or "foresite:" in rule["expr"]
    assert set() == looked_at - metric_names()
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert f"docs/runbooks.md#{rule['alert'].lower()}" == rule["annotations"]["runbook_url"]


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    assert {rule["alert"] for rule in rules()} == section("Alerts", "")


def test_each_reason_of_readiness_has_its_runbook() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "streams").rglob("*.py"))
    named = set(re.findall(r'not_ready\(\s*"(\w+)"', code)) | set(
        re.findall(r'^(?:REASON|REFUSED) = "(\w+)"', code, re.MULTILINE)
    )

    assert named
    assert set() == named - section("Readiness", "Alerts")


def test_each_alert_is_tried_where_it_fires_and_where_it_does_not() -> None:
    tests = yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
    wrong, well, gone = (each["alert_rule_test"] for each in tests)
    fired = {
        (case["alertname"], alert["exp_labels"]["severity"])
        for case in (*wrong, *gone)
        for alert in case["exp_alerts"]
    }
    quiet = {case["alertname"]: case["exp_alerts"] for case in well}

    assert {(rule["alert"], rule["labels"]["severity"]) for rule in rules()} == fired
    assert {rule["alert"]: [] for rule in rules()} == quiet


@pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.get("CI"),
    reason="promtool (Debian's prometheus) is not here",
)
def test_prometheus_takes_the_rules_and_they_fire_as_said() -> None:
    for command in (["check", "rules", *FILES], ["test", "rules", TESTS.name]):
        done = subprocess.run(["promtool", *command], cwd=RULES, capture_output=True, text=True, check=False)

        assert 0 == done.returncode, done.stdout + done.stderr
