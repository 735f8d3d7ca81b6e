"""The verifier of `make chaos` finds what it is there to find, and its table names tests that exist."""

import re
from pathlib import Path
from typing import Any

import pytest

from schemas import BadRecord, ReasonCode
from streams.faults import POINTS_OF_ROLE
from tests.chaos.account import APPLIED, NOTHING, REPEAT, TRIMMED, Account, Items, Place
from tests.chaos.lanes import Death
from tests.chaos.report import Report
from tests.chaos.rows import KILL_ROUNDS, ROWS
from tests.chaos.schedule import ANYWHERE, POINTS, Kill, schedule
from tests.folding import at, count

ELSEWHERE = frozenset({"web", "connect"})
"""web answers people: a death between question and answer needs somebody who asks again, and the rounds have nobody.
connect needs a broker of MQTT: tests/integration/test_mqtt.py kills it at each of its points."""

ROOT = Path(__file__).resolve().parents[2]


def test_every_fault_point_is_struck_once_a_round() -> None:
    planned = {point for role, points in POINTS_OF_ROLE.items() for point in points if role not in ELSEWHERE}
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


GOOD = count("L1", "R1", at(0, "08:00"), 5.0)
BAD = BadRecord(ReasonCode.PARSE, "no JSON")
PLACE = ("mes.machine-events.v1", 0, 7, 0)
OTHER = ("mes.machine-events.v1", 0, 8, 0)


def judged(
    items: dict[Place, Any],
    facts: dict[Place, Any],
    letters: dict[Place, str],
    verdicts: dict[Place, list[str]],
) -> tuple[dict[str, int], list[str]]:
    account = Account()
    taken = Items(account, facts, letters, verdicts)
    for place, item in items.items():
        taken.take(place, item)
    taken.close()
    return dict(account.items), [failure.split(": ")[0] for failure in account.failures]


def test_each_item_in_one_place_is_as_it_must_be() -> None:
    found = judged(
        {PLACE: GOOD, OTHER: BAD}, {PLACE: GOOD}, {OTHER: "parse"}, {PLACE: [APPLIED, TRIMMED, TRIMMED]}
    )

    assert ({"applied": 1, "dead letter": 1}, []) == found


@pytest.mark.parametrize(
    ("facts", "letters", "verdicts", "failure"),
    [
        ({}, {}, {}, "1 items of the input are neither in the facts nor dead letters"),
        ({PLACE: GOOD}, {PLACE: "parse"}, {}, "1 items of the input are both in the facts and dead letters"),
        ({PLACE: count("L1", "R1", at(0, "08:00"), 6.0)}, {}, {}, "1 good items became something else"),
        ({}, {PLACE: "parse"}, {}, "1 good items became something else"),
        ({PLACE: GOOD}, {}, {PLACE: [TRIMMED]}, "1 facts were not in one of applied, rejected, repeat"),
        ({PLACE: GOOD}, {}, {PLACE: [NOTHING]}, "1 facts were not in one of applied, rejected, repeat"),
        (
            {PLACE: GOOD},
            {},
            {PLACE: [APPLIED, REPEAT]},
            "1 facts were not in one of applied, rejected, repeat",
        ),
        ({PLACE: GOOD}, {}, {PLACE: [REPEAT]}, "1 items were taken for repeats of what was never there"),
    ],
)
def test_what_is_lost_double_altered_or_unaccounted_for_is_found(
    facts: dict[Place, Any], letters: dict[Place, str], verdicts: dict[Place, list[str]], failure: str
) -> None:
    assert [failure] == judged({PLACE: GOOD}, facts, letters, verdicts)[1]


def test_what_was_applied_twice_is_found() -> None:
    same = {PLACE: GOOD, OTHER: GOOD}

    assert ["1 events were applied twice"] == judged(same, same, {}, {PLACE: [APPLIED], OTHER: [APPLIED]})[1]
    assert [] == judged(same, same, {}, {PLACE: [APPLIED], OTHER: [REPEAT]})[1]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_exist(row: str) -> None:
    assert ROWS[row]
    for test in ROWS[row]:
        if test == KILL_ROUNDS:
            continue
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, test


def test_every_row_is_in_the_document() -> None:
    text = (ROOT / "docs" / "failure-cases.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)

    assert ["case", "---", *ROWS] == told


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
