"""The ledger by hand: one week of Line 5 (examples/plans/ledger.ndjson), and what its arithmetic must keep to.

Line 5 works 06:00 to 22:00 and is set up for amber; a setup takes 60 min and costs 40. Four runs of 1,000 pieces take 4 h
each. On Monday it ran R1 amber, R2 blue, R3 amber, R4 blue: three changeovers, and R4, whose truck left on Monday at
20:00, was ready on Tuesday at 09:00 and left at 12:00, 16 h late: one started day, 500. With R4 behind R2 it would have
been ready on Monday at 19:00, R3 on Tuesday at 08:00, in time for Tuesday 12:00: two changeovers, nobody late.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bench.month import segments
from schemas import (
    BillOfMaterialUpserted,
    BomComponent,
    ClockTicked,
    Event,
    Facts,
    LedgerEntry,
    ReceiptReceived,
    RunCompleted,
    RunEvent,
    RunHeld,
    RunResumed,
    RunStarted,
    SchedulingProblem,
    SetupStarted,
    UsageError,
)
from solvers.hindsight import best_with_hindsight, worth_of
from streams.ledger import ChronicledTwin, Week, ledger_key, ledger_of_files
from streams.ledger_entries import site_entries
from streams.simulator.clock import moment
from streams.simulator.dispatch_rule import plan_by_rule
from streams.simulator.settings import FactorySettings
from streams.simulator.shop import Shop
from tests.unit.cases import PLANS, read_events
from twin.ledger.hindsight import hindsight_week
from twin.ledger.lateness_patterns import ShippedOrder, hypergeometric_tail, recurring
from twin.ledger.line_account import without
from twin.state.chronicle import Chronicle, Stretch
from twin.state.runs import RunState

CASE = Path(__file__).parents[2] / "examples" / "plans" / "ledger.ndjson"
HOUR_S = 3_600.0
WEEK = Week.of("2026-W47").bounds(ZoneInfo("Europe/Berlin"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}+01:00")


@pytest.fixture(scope="module")
def entries() -> list[LedgerEntry]:
    return ledger_of_files([CASE], None, Week.of("2026-W47"))


def test_the_week_of_line_5_by_hand(entries: list[LedgerEntry]) -> None:
    site, line = entries
    assert ["*", "L5"] == [site.line_id, line.line_id]
    for entry in entries:
        assert (3, 2, 1) == (entry.changeovers_run, entry.changeovers_needed, entry.changeovers_avoidable)
        assert (180.0, 120.0) == (entry.setup_min_run, entry.setup_min_needed)
        assert (16.0, 0.0) == (entry.tardiness_h, entry.tardiness_possible_h)
        assert (32.0, 0.0) == (entry.weighted_tardiness_h, entry.weighted_tardiness_possible_h), "weight 2"
        assert (620.0, 80.0) == (entry.money, entry.money_possible), "500 + 3 x 40, 2 x 40"
        assert (4, 4, 1, 0) == (entry.runs, entry.orders, entry.late_orders, entry.late_orders_possible)
        assert [] == entry.violations
        assert 16.0 == entry.tardiness_really_h


def test_points_of_utilization_by_hand(entries: list[LedgerEntry]) -> None:
    """Of the 19 h up to the last news (16 on Monday, 3 on Tuesday) 16 h made pieces; an hour of setup was avoidable."""
    line = entries[1]
    assert round(16 / 19, 6) == line.utilization
    assert round(17 / 19, 6) == line.utilization_possible
    assert round(100 / 19, 3) == line.utilization_points


def test_both_sequences_are_shown_with_their_changeovers(entries: list[LedgerEntry]) -> None:
    line = entries[1]
    assert [("R1", 0.0), ("R2", 60.0), ("R3", 60.0), ("R4", 60.0)] == [
        (run.run_id, run.setup_min) for run in line.sequence_run
    ]
    assert [("R1", 0.0), ("R2", 60.0), ("R4", 0.0), ("R3", 60.0)] == [
        (run.run_id, run.setup_min) for run in line.sequence_possible
    ]
    assert [at("16T06:00"), at("16T11:00"), at("16T15:00"), at("16T20:00")] == [
        run.start_at for run in line.sequence_possible
    ]
    assert at("17T08:00") == line.sequence_possible[-1].end_at


def test_what_was_made_comes_out_as_it_was(entries: list[LedgerEntry]) -> None:
    line = entries[1]
    assert [at("16T10:00"), at("16T15:00"), at("16T20:00"), at("17T09:00")] == [
        run.end_at for run in line.sequence_run
    ]
    assert entries[0].caveats[0].startswith("what was made, worked out again, ends at most 0 min off")


def test_another_week_is_empty() -> None:
    assert [] == ledger_of_files([CASE], None, Week.of("2026-W46"))


def test_a_week_that_is_not_over_says_so() -> None:
    shard = folded([event for event in read_events("ledger", PLANS) if event.event_time <= at("17T10:00")])
    site, _ = site_entries(
        shard.twin.model, shard.chronicle, "plant-1", "2026-W47", WEEK, at("17T10:00").timestamp()
    )
    assert "the week is not over: runs that are still to end are missing" in site.caveats


def test_a_stop_of_the_line_stays_where_it_was() -> None:
    """R2 stood from 12:00 to 13:00 for a jam: the line has no working time then, whatever it makes; R2 is 3 h of work."""
    problem = problem_of([jam("R2", "16T12:00", "16T13:00")])
    assert [(at("16T06:00").timestamp(), at("16T12:00").timestamp()), (at("16T13:00").timestamp(), at("16T22:00").timestamp())] == (
        problem.lines[0].spans[:2]
    )  # fmt: skip
    (run,) = [run for run in problem.runs if run.run_id == "R2"]
    assert 3.0 * HOUR_S == pytest.approx(run.remaining_pcs / run.eligible[0].rate_pcs_per_h * HOUR_S)
    assert [] == run.gates


def test_a_run_that_stood_for_material_waits_for_it_in_every_plan() -> None:
    """The same stop, and its component came at 12:45: no hole in the working time; 2 of 3 h are still to do at 13:00."""
    told = [
        BillOfMaterialUpserted(
            event_id="bill", event_time=at("13T12:00"), site_id="plant-1", item_id="B",
            components=[BomComponent(item_id="screw", quantity_per=1.0)],
        ),
        ReceiptReceived(
            event_id="came", event_time=at("16T12:45"), site_id="plant-1", receipt_id="PO-1", item_id="screw", quantity=1e6
        ),
    ]  # fmt: skip
    problem = problem_of([*told, jam("R2", "16T12:00", "16T13:00")])
    assert (at("16T06:00").timestamp(), at("16T22:00").timestamp()) == problem.lines[0].spans[0]
    (run,) = [run for run in problem.runs if run.run_id == "R2"]
    (gate,) = run.gates
    assert ("screw", at("16T13:00").timestamp()) == (gate.item_id, gate.at)
    assert 2.0 / 3.0 * run.quantity_pcs == pytest.approx(gate.after_pcs)


def test_a_run_from_the_week_before_stays_at_the_head() -> None:
    """Told of the week from Tuesday on, R4 is on the line: 3 of its 4 h are left, and it is not to be moved."""
    shard = folded(read_events("ledger", PLANS))
    week = hindsight_week(
        shard.twin.model, shard.chronicle, "plant-1", at("17T00:00").timestamp(), WEEK[1], "from Tuesday"
    )
    assert week.problem is not None
    (run,) = week.problem.runs
    assert ("R4", "running", "started") == (run.run_id, run.state, run.freedom)
    assert 750.0 == pytest.approx(run.remaining_pcs)
    assert at("17T00:00").timestamp() == run.next_piece_at
    assert "blue" == week.problem.lines[0].family


def test_nothing_begins_before_anybody_heard_of_it() -> None:
    events = [
        event.model_copy(update={"event_time": at("16T09:30")})
        if getattr(event, "run_id", None) == "R4" and event.kind == "run_planned"
        else event
        for event in read_events("ledger", PLANS)
    ]
    (run,) = [run for run in problem_of([], events).runs if run.run_id == "R4"]
    assert at("16T09:30").timestamp() == run.release_at


def jam(run_id: str, begin: str, end: str) -> list[Event]:
    """A run held and resumed on Line 5."""
    return [said(RunHeld, begin, run_id), said(RunResumed, end, run_id)]


def said(model: type[RunEvent], time: str, run_id: str) -> Event:
    """What Line 5 says of a run."""
    name = f"{model.__name__}/{time}/{run_id}"
    body = {"event_id": name, "event_time": at(time), "site_id": "plant-1", "line_id": "L5", "run_id": run_id}
    return model.model_validate(body)


def problem_of(
    more: Sequence[Event | list[Event]], events: Sequence[Event] | None = None
) -> SchedulingProblem:
    """The problem of the week of Line 5, with more events."""
    added = [each for one in more for each in (one if isinstance(one, list) else [one])]
    told = sorted([*(events or read_events("ledger", PLANS)), *added], key=lambda event: event.event_time)
    shard = folded(told)
    week = hindsight_week(shard.twin.model, shard.chronicle, "plant-1", *WEEK, "w")
    assert week.problem is not None
    return week.problem


def folded(events: Sequence[Event]) -> ChronicledTwin:
    """A twin with its chronicle, after some events."""
    shard = ChronicledTwin()
    shard.apply(Facts(group_id="test", segments=segments(list(events), {})))
    return shard


def test_the_same_facts_give_the_same_bytes(entries: list[LedgerEntry]) -> None:
    again = ledger_of_files([CASE], None, Week.of("2026-W47"))
    assert [entry.model_dump_json() for entry in entries] == [entry.model_dump_json() for entry in again]
    assert ["2026-W47/plant-1/*", "2026-W47/plant-1/L5"] == [ledger_key(entry) for entry in entries]


@pytest.mark.parametrize("name", ["2026-47", "2026-W54", "W47", ""])
def test_what_is_no_week_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no week"):
        Week.of(name)


class TestTheChronicle:
    def moves(self, *told: tuple[type[RunEvent], str]) -> list[Stretch]:
        chronicle = Chronicle()
        for model, time in told:
            chronicle.take_events([said(model, time, "R1")])
        return chronicle.runs["plant-1", "R1"].stretches()

    def test_repeats_and_late_news_change_nothing(self) -> None:
        """Held at 08:00, on again at 09:00: the resumption came before the hold, and one was told twice."""
        expected = [
            Stretch(RunState.SETUP, at("16T06:00").timestamp(), at("16T07:00").timestamp()),
            Stretch(RunState.RUNNING, at("16T07:00").timestamp(), at("16T08:00").timestamp()),
            Stretch(RunState.HELD, at("16T08:00").timestamp(), at("16T09:00").timestamp()),
            Stretch(RunState.RUNNING, at("16T09:00").timestamp(), at("16T10:00").timestamp()),
            Stretch(RunState.COMPLETED, at("16T10:00").timestamp(), at("16T10:00").timestamp()),
        ]
        told: list[tuple[type[RunEvent], str]] = [
            (SetupStarted, "16T06:00"),
            (RunStarted, "16T07:00"),
            (RunResumed, "16T09:00"),
            (RunHeld, "16T08:00"),
            (RunHeld, "16T08:00"),
            (RunCompleted, "16T10:00"),
        ]
        assert expected == self.moves(*told)
        assert expected == self.moves(*reversed(told))

    def test_news_of_a_run_that_is_over_is_left_out(self) -> None:
        last = self.moves((RunStarted, "16T06:00"), (RunCompleted, "16T07:00"), (RunHeld, "16T08:00"))[-1]
        assert Stretch(RunState.COMPLETED, at("16T07:00").timestamp(), at("16T07:00").timestamp()) == last


def test_what_is_left_of_a_span() -> None:
    assert [(0.0, 2.0), (3.0, 5.0), (8.0, 10.0)] == without(
        (0.0, 10.0), [(5.0, 8.0), (2.0, 3.0), (12.0, 14.0)]
    )


class TestPatterns:
    def test_chance_by_hand(self) -> None:
        """Of 4 orders 2 are late; of 2 drawn both are late in 1 of 6 draws, at least one in 5 of 6."""
        assert 1 / 6 == pytest.approx(hypergeometric_tail(4, 2, 2, 2))
        assert 5 / 6 == pytest.approx(hypergeometric_tail(4, 2, 2, 1))

    def orders(self, bad_late: int, others_late: int, weeks: int = 2) -> list[ShippedOrder]:
        """10 orders of Northwind and 30 of others, so many of them late, in so many weeks."""

        def order(customer: str, number: int, *, is_late: bool) -> ShippedOrder:
            groups = {"customer": customer, "family": None, "line": "L1", "weekday": None}
            return ShippedOrder(groups=groups, week=f"2026-W{40 + number % weeks}", is_late=is_late)  # type: ignore[arg-type]

        return [
            *(order("Northwind", number, is_late=number < bad_late) for number in range(10)),
            *(order(f"C{number}", number, is_late=number < others_late) for number in range(30)),
        ]

    def test_a_customer_that_is_late_again_and_again_is_told(self) -> None:
        (found,) = recurring(self.orders(bad_late=6, others_late=2))
        assert ("customer", "Northwind", 10, 6, 30, 2, 2) == (
            found.dimension, found.value, found.orders, found.late, found.others, found.others_late, found.weeks,
        )  # fmt: skip
        assert found.chance == pytest.approx(hypergeometric_tail(40, 8, 10, 6))

    def test_chance_one_bad_week_and_few_orders_are_no_pattern(self) -> None:
        assert [] == recurring(self.orders(bad_late=2, others_late=4))
        assert [] == recurring(self.orders(bad_late=6, others_late=2, weeks=1))
        assert [] == recurring(self.orders(bad_late=6, others_late=2)[4:])


@pytest.fixture(scope="module")
def simulated() -> ChronicledTwin:
    """A week and three days of four lines with stops, drifts and scrap, planned by the rule each morning."""
    settings = FactorySettings(
        seed=11, lines=4, areas=2, days=14, load=0.9, setup_scale=2.0, setup_cost_per_h=120.0, stop_every_h=10.0,
        breakdown_share=0.15, count_step_s=3_600.0,
    )  # fmt: skip
    shop, shard = Shop(settings), ChronicledTwin()
    events = list(shop.start_events())
    for hour in range(24 * 10):
        now_s = settings.start_s + hour * HOUR_S
        events += [event for _, event in shop.advance(now_s)]
        tick_at = moment(now_s, settings.zone)
        events.append(ClockTicked(event_id=f"clock/{hour}", event_time=tick_at, site_id=shop.site.site_id))
        if hour % 24 == 0:
            shop.replan(plan_by_rule(shop.site, shop.waiting(), shop.free(), now_s).positions)
    offsets: dict[str, int] = {}
    for begin in range(0, len(events), 500):
        shard.apply(Facts(group_id="test", segments=segments(events[begin : begin + 500], offsets)))
        shard.take_changes()
    return shard


def test_the_plan_with_hindsight_passes_the_checker_and_is_never_worse(simulated: ChronicledTwin) -> None:
    """A week of stops, drifts and rush orders; the best plan keeps within what was made, in money and in late hours."""
    model = simulated.twin.model
    week = hindsight_week(
        model, simulated.chronicle, "plant-1", *Week.of("2026-W47").bounds(model.plant.zone("plant-1")), "w"
    )
    assert week.problem is not None
    assert len(week.problem.runs) > 40
    found = best_with_hindsight(week.problem, plans=1_500)
    made, best = worth_of(found.made), worth_of(found.best)
    assert [] == found.violations
    assert best < made
    assert best[0] <= made[0]
    assert best[1] <= made[1]


def test_what_was_made_ends_when_it_really_ended_but_for_setups(simulated: ChronicledTwin) -> None:
    """Work, stops and waits are as they were. Only setups are those of the matrix, stretched to what the line took."""
    model = simulated.twin.model
    week = hindsight_week(
        model, simulated.chronicle, "plant-1", *Week.of("2026-W47").bounds(model.plant.zone("plant-1")), "w"
    )
    assert week.problem is not None
    found = best_with_hindsight(week.problem, plans=1)
    off = [abs(found.made.end["plant-1", run.run_id] - (run.planned_end or 0.0)) for run in week.problem.runs]
    assert sorted(off)[len(off) // 2] < 15 * 60.0
    for line in found.made.lines:
        first = next((place for place, seconds in enumerate(line.setup_s) if seconds > 0.0), len(line.keys))
        for key, end in zip(line.keys[:first], line.ends[:first], strict=True):
            assert abs(end - (found.made.problem.runs[key].planned_end or 0.0)) < 5.0, key


def test_lines_add_up_to_the_site(simulated: ChronicledTwin) -> None:
    model = simulated.twin.model
    bounds = Week.of("2026-W47").bounds(model.plant.zone("plant-1"))
    site, *lines = site_entries(
        model, simulated.chronicle, "plant-1", "2026-W47", bounds, simulated.twin.now, 50
    )
    for name in ("runs", "orders", "changeovers_run", "changeovers_needed", "late_orders"):
        assert getattr(site, name) == sum(getattr(line, name) for line in lines), name
    for name in ("money", "money_possible", "tardiness_h", "setup_min_run"):
        assert getattr(site, name) == pytest.approx(sum(getattr(line, name) for line in lines), abs=0.05), (
            name
        )
