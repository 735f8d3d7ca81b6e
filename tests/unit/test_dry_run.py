"""`foresite rules test` on the Line 3 week: which cards appear, vanish or change under other rules.

In force: raised on Tuesday, high; critical from Thursday 06:00, two working days after the drift began on Tuesday 06:00.
"""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from schemas import Card, CardState, Facts, Rules, RulesUpdated, Severity, UsageError
from streams.dry_run import DryRun, Load, Story, compare, dry_run
from streams.dry_run_text import dry_run_lines, dry_run_records
from streams.recording import read_recording, write_recording
from streams.simulator.line3 import line3_events
from streams.simulator.line3_case import ZONE
from tests.folding import segment_of
from tests.unit.test_cli import foresite
from tests.unit.test_line3_card import nov

DAY = Path(__file__).resolve().parents[2] / "examples" / "day" / "day.ndjson.gz"
CARD_ID = "delivery_risk/plant-1/line/L3/1"
TITLE = "#4471 for Northwind will miss its truck of Tue 24 Nov: it ships Thu 26 Nov 12:00, 2 days late"


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Monday to Thursday 08:00 as a file; rules of its own were in force."""
    file = tmp_path_factory.mktemp("week") / "week.ndjson"
    own = RulesUpdated(
        event_id="own",
        event_time=nov(16, 6),
        site_id="plant-1",
        rules=Rules(rules_id="plant", version="1", material_p_late=0.2),
    )
    told = [own, *line3_events(until=nov(19, 8), clock_step_s=1800.0)]
    file.write_text("".join(each.model_dump_json() + "\n" for each in told), encoding="utf-8")
    return file


def under(week: Path, **fields: object) -> DryRun:
    return under_json(week, json.dumps(fields))


@cache
def under_json(week: Path, fields: str) -> DryRun:
    """The week under rules that differ in these fields; told once for all tests that look at it."""
    rules = {"rules_id": "plant", "version": "2", "material_p_late": 0.2, **json.loads(fields)}
    return dry_run(Rules.model_validate(rules), [week], tick_s=300)


def test_the_same_rules_change_nothing(week: Path) -> None:
    run = under(week)

    assert {"appears": 0, "vanishes": 0, "changes": 0, "stays": 1} == run.counts()
    assert (["plant 1"], ["plant 2"]) == (run.before.rules, run.after.rules)


def test_a_threshold_out_of_reach_lets_the_card_vanish(week: Path) -> None:
    run = under(week, raise_at_p_late=0.9999)

    assert {"appears": 0, "vanishes": 1, "changes": 0, "stays": 0} == run.counts()
    assert [(CARD_ID, None)] == [(each.story.last.card_id, each.after) for each in run.changes]
    # Monday to Wednesday two shifts a day, and the first two hours of Thursday's first.
    assert {"plant-1": Load(new_cards=1, shifts=7, most=1)} == run.before.sites
    assert {"plant-1": Load(new_cards=0, shifts=7, most=0)} == run.after.sites
    assert ({"R. Okafor": Load(1, 7, 1)}, {}) == (run.before.owners, run.after.owners)


def test_one_working_day_of_drift_is_severe_a_day_earlier(week: Path) -> None:
    [change] = under(week, drift_working_days=1.0).changes
    before, after = change.differences["severity"]

    assert "changes" == change.what
    assert change.before is not None
    assert [(nov(19, 6), "critical")] == before[1:]  # type: ignore[index]
    assert [(nov(18, 6), "critical")] == after[1:]  # type: ignore[index]
    assert [Severity.HIGH, Severity.CRITICAL] == [severity for _, severity in change.before.severities]


def test_owner_weight_and_margin_rule_are_told(week: Path) -> None:
    run = under(
        week,
        min_margin_fraction=0.02,
        customers=[{"customer_id": "northwind", "weight": 2.0}],
        owners=[{"name": "desk", "owner_id": "t.brandt"}],
    )
    [change] = run.changes

    assert {
        "owner": ("R. Okafor (supervisor of Line 3)", 'T. Brandt (rule "desk")'),
        "weight": (1.0, 2.0),
        "rescue": ("keeps the rules", "leaves less margin than the rules keep"),
    } == change.differences
    assert {"T. Brandt": Load(1, 7, 1)} == run.after.owners


def test_people_read_the_card_the_counts_and_the_load(week: Path) -> None:
    lines = [*dry_run_lines(under(week, raise_at_p_late=0.9999), ZONE)]

    assert "plant 2 against plant 1 (in force then): Mon 16 Nov 06:00 to Thu 19 Nov 08:00" in lines[0]
    assert f"- would vanish: {TITLE}" == lines[2]
    assert "R. Okafor 1 (0.14 a shift, most 1) none" == " ".join(lines[-2].split())


def test_machines_read_the_same(week: Path) -> None:
    records = [json.loads(json.dumps(each)) for each in dry_run_records(under(week, raise_at_p_late=0.9999))]

    assert ["vanishes"] == [each["change"] for each in records[:-1]]
    assert {"appears": 0, "vanishes": 1, "changes": 0, "stays": 0} == records[-1]["summary"]
    assert records[-1]["summary"] == records[-1]["by_kind"]["delivery_risk"]
    assert 0.14 == records[-1]["sites"]["plant-1"]["before"]["new_cards_a_shift"]


def test_a_day_without_events_is_said(tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    empty.write_text("", encoding="utf-8")

    with pytest.raises(UsageError, match="no event"):
        dry_run(Rules(), [empty])


def test_a_recording_of_the_log_is_a_day_too(tmp_path: Path) -> None:
    """Three cards by default. The recording's own rules want no card at all, so that under the defaults three appear."""
    own = RulesUpdated(
        event_id="own", event_time=nov(16, 6), site_id="plant-1", rules=Rules(version="own", min_exposure=1e9)
    )
    log = [(0, 1 + number, facts) for number, facts in enumerate(read_recording(DAY)[0])]
    first = Facts(group_id="plant-1", segments=[segment_of("own", 0, own)])
    recorded = tmp_path / "own.ndjson"
    write_recording(recorded, [(0, 0, first), *log])

    assert {"appears": 0, "vanishes": 0, "changes": 0, "stays": 3} == dry_run(
        Rules(version="2"), [DAY]
    ).counts()
    run = dry_run(Rules(version="2"), [recorded])
    assert (["default own"], ["default 2"]) == (run.before.rules, run.after.rules)
    assert 3 == run.counts()["appears"]


def story(card: Card, episode: int, raised: datetime, cleared: datetime | None) -> Story:
    opened = card.model_copy(
        update={"card_id": f"delivery_risk/plant-1/line/L3/{episode}", "as_of": raised, "revision": 1}
    )
    if cleared is None:
        return Story([opened])
    return Story([opened, opened.model_copy(update={"as_of": cleared, "state": CardState.CLEARED})])


def test_episodes_are_the_same_where_they_stood_at_one_time(week: Path) -> None:
    """In force: 8-10 and 12-14; new: 9-10 never, only 12-13 as episode 1: the first vanishes, the second changes."""
    [change] = under(week).changes
    card = change.story.last

    def at(hour: int) -> datetime:
        return datetime(2026, 11, 19, hour, tzinfo=UTC)

    old = [story(card, 1, at(8), at(10)), story(card, 2, at(12), at(14))]
    new = [story(card, 1, at(12), at(13)), story(card, 2, at(20), None)]
    told = [
        (
            each.what,
            None if each.before is None else each.before.raised_at.hour,
            None if each.after is None else each.after.raised_at.hour,
        )
        for each in compare(old, new)
    ]

    assert [("appears", None, 20), ("vanishes", 8, None), ("changes", 12, 12)] == told
    assert {"cleared": (at(14), at(13))} == compare(old, new)[2].differences


# The commands


def test_the_commands_check_show_and_test(week: Path, tmp_path: Path) -> None:
    shown = foresite("rules", "show")
    file = tmp_path / "rules.yaml"
    file.write_text(
        shown.stdout.replace("raise_at_p_late: 0.75", "raise_at_p_late: 0.9999"), encoding="utf-8"
    )
    checked = foresite("rules", "check", str(file), "--against", str(week))
    tested = foresite("rules", "test", str(file), str(week), "--tick", "300", "--json")

    assert 0 == checked.returncode, checked.stderr
    assert "warning: line " in checked.stdout
    assert "default 1 can be used" in checked.stdout
    assert 0 == tested.returncode, tested.stderr
    assert 1 == json.loads(tested.stdout.splitlines()[-1])["summary"]["vanishes"]


def test_a_file_that_cannot_be_used_ends_with_exit_code_2(week: Path, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text('rules_id: p\nversion: "1"\ndrift_dela: 0.1\n', encoding="utf-8")
    checked = foresite("rules", "check", str(file), "--json")
    tested = foresite("rules", "test", str(file), str(week))

    assert 2 == checked.returncode
    assert [
        {"error": {"line": 3, "field": "drift_dela", "message": "unknown field; did you mean drift_delta?"}}
    ] == [json.loads(line) for line in checked.stdout.splitlines()]
    assert 2 == tested.returncode
    assert "line 3: drift_dela: unknown field" in tested.stderr
