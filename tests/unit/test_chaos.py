"""The verifier of `make chaos` finds what it is there to find, and its table names tests that exist."""

import re
from pathlib import Path

import pytest

from streams.faults import POINTS_OF_ROLE
from tests.chaos.lanes import Death
from tests.chaos.report import Report
from tests.chaos.rows import KILL_ROUNDS, ROWS
from tests.chaos.schedule import ANYWHERE, POINTS, Kill, schedule

ROOT = Path(__file__).resolve().parents[2]


def test_every_fault_point_is_struck_once_a_round() -> None:
    # Web keeps nothing that could be lost with it; its points are struck by tests/integration/test_web_kafka.py.
    planned = {point for role, points in POINTS_OF_ROLE.items() if role != "web" for point in points}
    struck = {point for points in POINTS.values() for point in points} - {ANYWHERE}

    assert planned == struck
    kills = schedule(seed=3, rounds=4, roles=["ingest", "twin"])
    for number in range(1, 5):
        places = [(kill.role, kill.point) for kill in kills if kill.round_number == number]
        assert sorted(places) == sorted(
            (role, point) for role in ("ingest", "twin") for point in POINTS[role]
        )


def test_the_seed_decides() -> None:
    assert schedule(1, 3, ["twin"]) == schedule(1, 3, ["twin"])
    assert schedule(1, 3, ["twin"]) != schedule(2, 3, ["twin"])


def test_every_point_is_passed_somewhere() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "streams").rglob("*.py"))
    passed = set(re.findall(r'fault_point\("(\w+)"\)', code))

    assert {point for points in POINTS_OF_ROLE.values() for point in points} == passed


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_exist(row: str) -> None:
    assert ROWS[row]
    for test in ROWS[row]:
        if test == KILL_ROUNDS:
            continue
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, test


def test_a_report_names_seed_and_rounds_of_a_failure() -> None:
    report = Report(seed=7, rounds=2)
    report.deaths = [
        Death(Kill(1, "twin", "after_commit", 3, 0.1), recovered_s=2.0),
        Death(Kill(2, "twin", "after_commit", 1, 0.1), recovered_s=4.0),
        Death(Kill(2, "twin", "after_begin", 1, 0.1), None, "did not come back"),
    ]

    assert not report.is_passed
    assert "| twin | after_commit | 2     | 2      | 3.0      | 3.9   | 4.0   |" in str(report)
    assert "FAILED: twin after_begin:1 (round 2): did not come back" in str(report)
    assert "make chaos ROUNDS=2 SEED=7" in str(report)
