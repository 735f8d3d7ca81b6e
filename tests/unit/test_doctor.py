"""The doctor: what is missing for each kind of risk, and that what it calls blind raises no card."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas import CardKind
from streams.doctor import Examined, examine_files
from streams.doctor_data import DataNotes, LineNotes, data_findings
from streams.doctor_findings import DOWN, DRIFT, QUALITY, RISKS, SHORTAGE, Finding, Level
from streams.doctor_text import doctor_lines, doctor_records, verdict
from streams.replay import replay
from twin import Twin

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "examples" / "cases"
FIRST = ROOT / "examples" / "first_card" / "events.ndjson"


def events(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def written(folder: Path, bodies: list[dict[str, Any]]) -> Path:
    path = folder / "events.ndjson"
    path.write_bytes(b"\n".join(orjson.dumps(body) for body in bodies))
    return path


def examined(path: Path) -> Examined:
    return examine_files([path], None, None, 60)


def finding(found: Examined, check: str) -> Finding:
    [site] = found.findings
    return next(each for each in found.findings[site] if each.check == check)


def verdicts(found: Examined) -> dict[str, str]:
    [findings] = found.findings.values()
    return {risk: verdict([each for each in findings if each.risk == risk]) for risk in RISKS}


def test_the_first_card_s_plant_lacks_what_it_does_not_say() -> None:
    found = examined(FIRST)

    assert {
        DRIFT: "can be seen in part",
        SHORTAGE: "CANNOT BE SEEN",
        QUALITY: "CANNOT BE SEEN",
        DOWN: "can be seen in part",
    } == verdicts(found)
    assert found.is_blind
    assert (1, 1) == (finding(found, "orders_with_run").count, finding(found, "orders_with_run").of)
    assert Level.OK is finding(found, "orders_with_penalty").level
    assert "0 of 1 lines have a calendar" == finding(found, "lines_with_calendar").says


@pytest.mark.parametrize(
    ("case", "kind", "risk"),
    [
        ("shortage", CardKind.MATERIAL_SHORTAGE, SHORTAGE),
        ("quality", CardKind.QUALITY_RISK, QUALITY),
        ("line_down", CardKind.LINE_DOWN, DOWN),
    ],
)
def test_a_kind_of_which_there_is_a_card_is_never_called_blind(case: str, kind: CardKind, risk: str) -> None:
    """The other way round is the test below: what is called blind raises none."""
    path = CASES / f"{case}.ndjson"
    assert kind in {card.kind for card in replay([path], None, Twin).cards.values()}

    assert "CANNOT BE SEEN" != verdicts(examined(path))[risk]


@pytest.mark.parametrize(
    ("case", "without", "kind", "risk", "check"),
    [
        ("shortage", {"bill_of_material_upserted"}, CardKind.MATERIAL_SHORTAGE, SHORTAGE, "items_with_bill"),
        ("shortage", {"stock_reported"}, CardKind.MATERIAL_SHORTAGE, SHORTAGE, "components_with_stock"),
        ("shortage", {"order_upserted"}, CardKind.DELIVERY_RISK, DRIFT, "orders"),
        ("line_down", {"order_upserted"}, CardKind.DELIVERY_RISK, DRIFT, "orders"),
        (
            "line_down",
            {"state_changed", "run_held", "run_suspended"},
            CardKind.LINE_DOWN,
            DOWN,
            "lines_with_states",
        ),
    ],
)
def test_without_what_it_needs_a_kind_is_blind_and_has_no_card(
    tmp_path: Path, case: str, without: set[str], kind: CardKind, risk: str, check: str
) -> None:
    path = written(
        tmp_path, [body for body in events(CASES / f"{case}.ndjson") if body["kind"] not in without]
    )

    found = examined(path)

    assert Level.MISSING is finding(found, check).level
    assert finding(found, check).next
    assert "CANNOT BE SEEN" == verdicts(found)[risk]
    assert kind not in {card.kind for card in replay([path], None, Twin).cards.values()}


def test_bad_pieces_that_nobody_counts_make_quality_blind(tmp_path: Path) -> None:
    bodies = [
        {name: value for name, value in body.items() if name not in ("scrap_count", "rework_count")}
        for body in events(CASES / "quality.ndjson")
        if body["kind"] != "quality_recorded"
    ]

    found = examined(written(tmp_path, bodies))

    assert "CANNOT BE SEEN" == verdicts(found)[QUALITY]


def test_an_order_without_a_run_is_counted(tmp_path: Path) -> None:
    order = next(body for body in events(FIRST) if body["kind"] == "order_upserted")
    second = order | {"order_id": "7002", "event_id": "p99"}

    found = finding(examined(written(tmp_path, [*events(FIRST), second])), "orders_with_run")

    assert (Level.PARTLY, 1, 2) == (found.level, found.count, found.of)
    assert "1 of 2 open orders have a run that is for them" == found.says


def test_refused_and_impossible_events_are_told_with_the_first_reason(tmp_path: Path) -> None:
    count = next(body for body in events(FIRST) if body["kind"] == "count_reported")
    bodies = [
        *events(FIRST),
        count | {"event_id": "m90", "good_count": -1},
        count | {"event_id": "m91", "run_id": "nobody"},
    ]

    found = examined(written(tmp_path, bodies))

    assert "1 records are no events: 1 range" == finding(found, "dead_letters").says
    assert "good_count" in finding(found, "dead_letters").then
    assert "1 events were impossible here: 1 unknown_run" == finding(found, "rejected").says
    assert {"range": 1} == dict(found.dead_letters)


def test_conflicts_that_have_a_card_are_told(tmp_path: Path) -> None:
    until = "2026-03-02T09:30:00+01:00"
    bodies = [body for body in events(CASES / "conflict.ndjson") if body["event_time"] <= until]
    tick = {"kind": "clock_ticked", "event_id": "t", "event_time": until, "site_id": "bremen"}

    found = examined(written(tmp_path, [*bodies, tick]))

    assert "contradictions between systems have a card" in finding(found, "conflicts").says


def test_clocks_are_judged_by_when_events_came() -> None:
    twin = Twin()
    notes = DataNotes()
    notes.lines["s", "L1"] = LineNotes(seen=3, ahead=300.0, lags=[-300.0, 5.0, 5.0])
    notes.lines["s", "L2"] = LineNotes(seen=3, lags=[7_300.0, 7_200.0, 7_100.0])
    notes.lines["s", "L3"] = LineNotes(seen=3, lags=[5.0, 6.0, 7.0])

    told = [each.says for each in data_findings(twin, "s", notes) if each.check == "clock_skew"]

    assert [
        "events of L1 are up to 300 s ahead of the clock",
        "events of L2 usually come 2.0 h after they happened",
    ] == told


def test_nothing_known_is_said_with_the_way_out(tmp_path: Path) -> None:
    found = examined(written(tmp_path, []))

    assert found.is_blind
    assert "no site is known" in "\n".join(doctor_lines(found))
    assert [] == list(doctor_records(found))


def test_machines_read_one_record_a_finding() -> None:
    records = list(doctor_records(examined(FIRST)))

    assert {"site_id": "lyon", "risk": DRIFT, "verdict": "can be seen in part"} == records[0]
    findings = [each for each in records if "check" in each]
    assert all(each["next"] for each in findings if each["level"] != "ok")
    assert len(findings) == len(examined(FIRST).findings["lyon"])
