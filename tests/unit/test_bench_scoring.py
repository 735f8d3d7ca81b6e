"""The alerts bench's score, on truths and cards small enough to reckon by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bench.alerts import rows, score
from bench.lateness import Causes, LateOrder, Loss
from bench.month import Month, Told
from bench.results import Machine
from bench.scoring import Episode, Referee, episodes, flaps, foresight, new_cards_by_shift, returns
from schemas import Card, CardKind, CardState, OrderUpserted, Peg, RunPlanned
from streams.simulator import FactorySettings
from streams.simulator.plant import Line, Route
from streams.simulator.truth import (
    ConflictTruth,
    DriftTruth,
    LateReceiptTruth,
    OrderTruth,
    OutageTruth,
    RunTruth,
    ScrapShiftTruth,
    ShortageTruth,
    StopTruth,
    TruthRecord,
)
from twin.state.calendar import CalendarDescription, WorkCalendar

MACHINE = Machine(python="3.11.7", cpus=2, platform="Linux x86_64", kafka=None, load=0.1)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
ALWAYS = WorkCalendar(CalendarDescription(always=True))
"""Around the clock, so that hours on the wall are working hours."""


def at(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return MONDAY + timedelta(days=day, hours=int(hour), minutes=int(minute))


def s(day: int, clock: str) -> float:
    return at(day, clock).timestamp()


def line(line_id: str = "L1") -> Line:
    return Line(
        line_id=line_id,
        number=1,
        area_id="a",
        calendar_id="always",
        calendar=ALWAYS,
        supervisor_id="sue",
        rate_pcs_per_h=100.0,
        first_family="red",
        stations=(f"{line_id}-main",),
        counts_totals=False,
        names_run=True,
        reports_states=True,
        is_finishing=False,
    )


def month(*truth: TruthRecord, cards: Sequence[Card] = (), days: int = 10) -> Month:
    settings = FactorySettings(lines=1, days=days, start=at(0, "06:00"), zone=ZoneInfo("UTC"))
    route = Route("north", ((3, 12),), loading_min=60.0)
    lines = {"L1": line(), "L2": line("L2")}
    return Month(settings, lines, {"north": route}, list(cards), truth=list(truth))


def affected(order_id: str, promised_at: datetime) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "site_id": "S1",
        "customer_id": "acme",
        "customer_name": "Acme",
        "item_id": "can",
        "quantity_pcs": 100.0,
        "run_id": "R1",
        "line_id": "L1",
        "promised_at": promised_at,
        "ready_at": promised_at,
        "ships_at": promised_at,
        "on_time_slot_at": promised_at,
        "need_by": promised_at,
        "slip_s": 0.0,
        "slip_days": 1,
        "slack_s": 0.0,
        "overhang_h": 0.0,
        "p_late": 0.9,
        "penalty": 100.0,
        "exposure": 100.0,
        "margin_before": None,
        "margin_if_late": None,
    }


def card(
    kind: CardKind,
    when: datetime,
    *orders: dict[str, Any],
    root: tuple[str, str] = ("line", "L1"),
    revision: int = 1,
    state: CardState = CardState.OPEN,
    episode: int = 1,
    need_by: datetime | None = None,
) -> Card:
    return Card.model_validate(
        {
            "output_id": f"{kind}/{root}/{episode}/{revision}",
            "card_id": f"{kind.value}/S1/{'/'.join(root)}/{episode}",
            "kind": kind,
            "site_id": "S1",
            "revision": revision,
            "state": state,
            "severity": "high",
            "severity_because": "test",
            "rank": None,
            "score": 1.0,
            "rank_terms": [],
            "title": "t",
            "summary": "s",
            "owner": {"id": None, "name": "n", "rule": "r"},
            "deadline": None,
            "deadline_because": "d",
            "need_by": need_by,
            "affected": list(orders),
            "affected_total": len(orders),
            "impact": {"currency": "EUR", "slip_s": 0.0, "slip_days": 0, "exposure": 0.0, "parts": {}},
            "cause": {"signal": "x", "entity_type": root[0], "entity_id": root[1], "in_words": "w"},
            "path": [],
            "evidence": [],
            "confidence": {"value": 1.0, "n": 1, "window_h": 1.0},
            "rule": {"id": "default", "version": "1"},
            "opened_at": when,
            "as_of": when,
            "episode": episode,
            "update_reason": "opened",
        }
    )


def shipped(order_id: str, promised: float, shipped_s: float) -> OrderTruth:
    return OrderTruth(order_id, promised, shipped_s, shipped_s, max(0.0, shipped_s - promised))


def verdict(*cards: Card, truth: Sequence[TruthRecord]) -> bool | None:
    (episode,) = episodes(cards)
    return Referee(month(*truth)).is_right(episode)


def test_a_delivery_card_is_right_where_an_order_that_it_ever_listed_left_after_its_promise() -> None:
    first = card(CardKind.DELIVERY_RISK, at(1, "08:00"), affected("1", at(3, "12:00")))
    second = card(
        CardKind.DELIVERY_RISK,
        at(1, "09:00"),
        affected("1", at(3, "12:00")),
        affected("2", at(3, "12:00")),
        revision=2,
    )
    on_time, late = shipped("1", s(3, "12:00"), s(3, "12:00")), shipped("2", s(3, "12:00"), s(5, "12:00"))

    assert verdict(first, truth=[on_time, late]) is False
    assert verdict(first, second, truth=[on_time, late]) is True


def test_a_delivery_card_is_held_to_the_promise_that_it_named_not_to_a_later_one() -> None:
    raised = card(CardKind.DELIVERY_RISK, at(1, "08:00"), affected("1", at(3, "12:00")))

    assert verdict(raised, truth=[shipped("1", s(5, "12:00"), s(5, "12:00"))]) is True


def test_nothing_can_tell_of_a_card_whose_every_order_was_cancelled() -> None:
    raised = card(CardKind.DELIVERY_RISK, at(1, "08:00"), affected("1", at(3, "12:00")))

    assert verdict(raised, truth=[]) is None


def test_a_shortage_card_is_right_until_a_day_after_the_moment_for_which_it_foresaw_the_want() -> None:
    root = ("item", "bolt")
    raised = card(CardKind.MATERIAL_SHORTAGE, at(1, "08:00"), root=root, need_by=at(3, "08:00"))
    gone = card(
        CardKind.MATERIAL_SHORTAGE,
        at(1, "20:00"),
        root=root,
        need_by=at(3, "08:00"),
        revision=2,
        state=CardState.CLEARED,
    )

    def stood(item_id: str, day: int, clock: str) -> list[TruthRecord]:
        return [ShortageTruth("L1", "R1", item_id, s(day, clock), s(day, clock) + 600.0)]

    assert verdict(raised, gone, truth=stood("bolt", 4, "07:59")) is True
    assert verdict(raised, gone, truth=stood("bolt", 4, "08:01")) is False
    assert verdict(raised, gone, truth=stood("nut", 3, "08:00")) is False
    assert verdict(raised, gone, truth=stood("bolt", 0, "20:00")) is False


@pytest.mark.parametrize(
    ("kind", "root", "truth"),
    [
        (CardKind.QUALITY_RISK, ("line", "L1"), ScrapShiftTruth("L1", s(1, "02:00"), s(1, "07:30"), 4.0)),
        (
            CardKind.QUALITY_RISK,
            ("station", "L1-main"),
            ScrapShiftTruth("L1", s(1, "08:30"), s(2, "0:00"), 4.0),
        ),
        (CardKind.LINE_DOWN, ("line", "L1"), StopTruth("L1", "R1", s(1, "07:00"), s(1, "08:30"), "jam")),
        (CardKind.LINE_DOWN, ("line", "L1"), ShortageTruth("L1", "R1", "bolt", s(1, "07:00"), s(1, "09:30"))),
        (CardKind.DATA_STALE, ("line", "L1"), OutageTruth("L1", s(1, "07:00"), s(1, "08:10"))),
        (
            CardKind.DATA_CONFLICT,
            ("run", "R1"),
            ConflictTruth("R1", "WO-1", ("1",), "quantity", s(1, "06:00"), s(1, "20:00")),
        ),
    ],
)
def test_a_card_about_the_floor_or_the_data_is_right_where_the_truth_has_it_at_its_time(
    kind: CardKind, root: tuple[str, str], truth: TruthRecord
) -> None:
    raised = card(kind, at(1, "08:00"), root=root)
    over = card(kind, at(1, "09:00"), root=root, revision=2, state=CardState.CLEARED)
    elsewhere = ("run", "R9") if root[0] == "run" else ("line", "L2")
    a_day_early = [card(kind, at(0, "00:00"), root=root), card(kind, at(0, "01:00"), root=root, revision=2, state=CardState.CLEARED)]  # fmt: skip

    assert verdict(raised, over, truth=[truth]) is True
    assert verdict(card(kind, at(1, "08:00"), root=elsewhere), truth=[truth]) is False
    assert verdict(*a_day_early, truth=[truth]) is False


def order_told(order_id: str, when: datetime, promised_at: datetime) -> Told:
    body = {"event_id": f"{order_id}/{when}", "event_time": when, "site_id": "S1", "order_id": order_id}
    more = {"customer_id": "acme", "item_id": "can", "quantity_pcs": 100.0, "route_id": "north"}
    return Told(when.timestamp(), OrderUpserted.model_validate({**body, **more, "promised_at": promised_at}))


def run_told(
    run_id: str, when: datetime, begin: datetime, end: datetime, order_id: str | None = None, **more: Any
) -> Told:
    pegs = [] if order_id is None else [Peg(order_id=order_id, quantity_pcs=100.0)]
    event = RunPlanned(
        event_id=f"{run_id}/{when}",
        event_time=when,
        site_id="S1",
        run_id=run_id,
        line_id="L1",
        item_id="can",
        quantity_pcs=100.0,
        planned_start_at=begin,
        planned_end_at=end,
        pegs=pegs,
        **more,
    )
    return Told(when.timestamp(), event)


def made(run_id: str, begin: datetime, end: datetime, good: int, setup_s: float = 0.0) -> RunTruth:
    begin_s, end_s = begin.timestamp(), end.timestamp()
    return RunTruth(run_id, "L1", setup_s, begin_s, end_s, good, 0, 1.0, setup_s)


def late_month(*truth: TruthRecord) -> Month:
    """#1 needs R1, planned Wed 00:00 to 10:00 (1,000 pieces), for the truck of Thu 12:00, loaded from 11:00.

    R0 is planned before it, Tue 14:00 to 24:00.
    """
    made_month = month(*truth)
    made_month.orders["1"] = [order_told("1", at(0, "06:00"), at(3, "12:00"))]
    made_month.runs["R0"] = [run_told("R0", at(0, "06:00"), at(1, "14:00"), at(2, "00:00"))]
    made_month.runs["R1"] = [run_told("R1", at(0, "06:00"), at(2, "00:00"), at(2, "10:00"), "1")]
    return made_month


def the_late_order(*truth: TruthRecord) -> LateOrder:
    (order,) = Causes(late_month(*truth)).late_orders()
    return order


def hours(order: LateOrder) -> dict[str, float]:
    """Working hours lost by cause."""
    kinds = sorted({loss.kind for loss in order.losses})
    return {
        kind: round(sum(loss.work_s for loss in order.losses if loss.kind == kind) / 3600.0, 3)
        for kind in kinds
    }


def test_a_long_stop_is_the_cause_of_an_order_that_it_made_late() -> None:
    """R1 stood 27 h from Wed 05:00 and was done Thu 13:00: two hours after loading began, and no chance in it."""
    order = the_late_order(
        made("R0", at(1, "14:00"), at(2, "00:00"), 1_000),
        made("R1", at(2, "00:00"), at(3, "13:00"), 1_000),
        StopTruth("L1", "R1", s(2, "05:00"), s(3, "08:00"), "breakdown"),
        OrderTruth("1", s(3, "12:00"), s(3, "13:00"), s(10, "12:00"), 604_800.0),
    )

    assert 7_200.0 == order.overhang_s
    assert {"chance": 0.0, "setup": 0.0, "stop": 27.0} == hours(order)
    assert Loss("stop", "L1", s(2, "05:00"), 97_200.0) == order.main
    assert 7_200.0 == order.old_overhang_s


def test_a_stop_of_the_last_day_is_no_old_cause() -> None:
    """The same 27 h, had they begun after Wed 12:00, could not have been told a day before the truck of Thu 12:00."""
    order = the_late_order(
        made("R0", at(1, "23:00"), at(2, "09:00"), 1_000),
        made("R1", at(2, "09:00"), at(3, "22:00"), 1_000),
        StopTruth("L1", "R1", s(2, "13:00"), s(3, "16:00"), "breakdown"),
        OrderTruth("1", s(3, "12:00"), s(3, "22:00"), s(10, "12:00"), 604_800.0),
    )

    assert 39_600.0 == order.overhang_s
    assert 39_600.0 - 97_200.0 == order.old_overhang_s


def test_a_drift_is_charged_on_every_run_before_the_order_and_dated_at_its_beginning() -> None:
    """20 % slower from Tue 14:00: R0 takes 12.5 h instead of 10, R1 as well; chance has no part in it."""
    order = the_late_order(
        made("R0", at(1, "14:00"), at(2, "02:30"), 1_000),
        made("R1", at(2, "02:30"), at(2, "15:00"), 1_000),
        DriftTruth("L1", s(1, "14:00"), s(1, "14:00"), s(9, "00:00"), -0.2),
        OrderTruth("1", s(3, "12:00"), s(3, "12:30"), s(10, "12:00"), 604_800.0),
    )

    assert {"chance": 0.0, "drift": 5.0, "setup": 0.0} == hours(order)
    assert {s(1, "14:00")} == {loss.began_s for loss in order.losses if loss.kind == "drift"}


def test_a_rush_order_is_charged_whole_and_what_it_came_before_not_beyond_it() -> None:
    """R9 was told on Tuesday, two days after #1, and made for 5 h with 1 h of setup right before R1."""
    late = late_month(
        made("R9", at(1, "20:00"), at(2, "01:00"), 500, setup_s=3_600.0),
        made("R1", at(2, "01:00"), at(2, "11:00"), 1_000),
        OrderTruth("1", s(3, "12:00"), s(3, "12:00"), s(10, "12:00"), 604_800.0),
    )
    late.runs["R9"] = [run_told("R9", at(1, "12:00"), at(1, "20:00"), at(2, "01:00"))]
    (order,) = Causes(late).late_orders()

    assert Loss("rush", "L1", s(1, "12:00"), 21_600.0) == order.losses[0]


def test_a_plan_that_ends_too_late_and_a_promise_moved_forward_are_causes_of_their_own() -> None:
    """Promised Tue 12:00 at first, need 11:00: planned 23 h later. Then moved to Mon 12:00: another 24 h."""
    late = late_month(
        made("R1", at(2, "00:00"), at(2, "10:00"), 1_000),
        OrderTruth("1", s(0, "12:00"), s(2, "10:00"), s(3, "12:00"), 1.0),
    )
    late.orders["1"] = [
        order_told("1", at(0, "06:00"), at(1, "12:00")),
        order_told("1", at(0, "07:00"), at(0, "12:00")),
    ]
    (order,) = Causes(late).late_orders()

    assert {"chance": 0.0, "plan": 23.0, "promise": 24.0, "setup": 0.0} == hours(order)
    assert 47.0 * 3_600.0 == order.overhang_s


def test_a_shortage_began_when_the_receipt_that_would_have_prevented_it_was_due() -> None:
    order = the_late_order(
        made("R1", at(2, "00:00"), at(3, "13:00"), 1_000),
        ShortageTruth("L1", "R1", "bolt", s(2, "05:00"), s(3, "08:00")),
        LateReceiptTruth("PO-1", "bolt", s(0, "09:00"), s(3, "08:00")),
        LateReceiptTruth("PO-2", "nut", s(0, "07:00"), s(3, "08:00")),
        OrderTruth("1", s(3, "12:00"), s(3, "13:00"), s(10, "12:00"), 604_800.0),
    )

    assert Loss("shortage", "L1", s(0, "09:00"), 97_200.0) == order.main


def old_order(order_id: str, overhang_s: float = 3_600.0) -> LateOrder:
    return LateOrder(order_id, s(3, "12:00"), s(3, "11:00"), s(3, "13:00"), overhang_s, ())


def test_foreseen_is_who_stands_on_a_card_that_is_open_a_day_before_its_truck() -> None:
    listed = affected("1", at(3, "12:00"))
    raised = card(CardKind.DELIVERY_RISK, at(2, "12:00"), listed)
    too_late = card(CardKind.DELIVERY_RISK, at(2, "12:01"), listed)
    over = card(CardKind.DELIVERY_RISK, at(2, "11:59"), listed, revision=2, state=CardState.CLEARED)
    before = card(CardKind.DELIVERY_RISK, at(2, "08:00"), listed)

    def had_card(*cards: Card) -> list[bool]:
        late = late_month()
        return [each.had_card for each in foresight([old_order("1")], episodes(cards), late)]

    late = late_month()
    (told,) = foresight([old_order("1")], episodes([raised]), late)
    assert 24.0 == told.warned_h
    assert [True] == had_card(raised)
    assert [False] == had_card(too_late)
    assert [True] == had_card(before)
    assert [False] == had_card(before, over)


def test_no_foresight_is_asked_for_what_began_too_late_or_was_told_too_late() -> None:
    late = late_month()
    late.orders["2"] = [order_told("2", at(2, "12:01"), at(3, "12:00"))]

    assert [] == foresight([old_order("1", overhang_s=0.0), old_order("2")], [], late)


def test_cards_that_come_back_within_an_hour_flap() -> None:
    def life(episode: int, raised: datetime, over: datetime | None) -> list[Card]:
        first = card(CardKind.DELIVERY_RISK, raised, episode=episode)
        if over is None:
            return [first]
        return [
            first,
            card(CardKind.DELIVERY_RISK, over, episode=episode, revision=2, state=CardState.CLEARED),
        ]

    lived = [
        *life(1, at(0, "08:00"), at(0, "10:00")),
        *life(2, at(0, "11:00"), at(0, "11:25")),  # an hour after the first ended
        *life(3, at(0, "12:00"), at(0, "12:01")),  # an hour after the second was raised
        *life(4, at(0, "13:02"), None),  # an hour and a minute after the third ended
    ]
    cards = episodes(lived)

    assert [(2, 3)] == [(before.first.episode, after.first.episode) for before, after in flaps(cards)]
    returned = [(before.first.episode, after.first.episode) for before, after in returns(cards)]
    assert [(1, 2), (2, 3)] == returned


def test_new_cards_are_counted_by_shifts_from_six_and_quiet_shifts_count_too() -> None:
    raised = [
        card(CardKind.DELIVERY_RISK, when, episode=number)
        for number, when in enumerate([at(0, "06:00"), at(0, "13:59"), at(0, "14:00"), at(1, "05:59")])
    ]
    counted = new_cards_by_shift(episodes(raised), month(days=1))

    assert {at(0, "06:00"): 2, at(0, "14:00"): 1, at(0, "22:00"): 1, at(1, "06:00"): 0} == counted


def test_the_figures_of_a_small_month() -> None:
    """Three cards, two right; one late order, foreseen; two shifts of two and one new cards, 28 quiet ones."""
    promised = at(3, "12:00")
    cards = [
        card(CardKind.DELIVERY_RISK, at(1, "08:00"), affected("1", promised)),
        card(CardKind.DELIVERY_RISK, at(1, "09:00"), affected("2", promised), root=("line", "L2")),
        card(CardKind.LINE_DOWN, at(2, "05:30")),
    ]
    lived = late_month(
        made("R1", at(2, "00:00"), at(3, "13:00"), 1_000),
        StopTruth("L1", "R1", s(2, "05:00"), s(3, "08:00"), "breakdown"),
        OrderTruth("1", s(3, "12:00"), s(3, "13:00"), s(10, "12:00"), 604_800.0),
        shipped("2", s(3, "12:00"), s(3, "12:00")),
    )
    lived.cards = cards
    figures = {row.metric: row.value for row in rows(score(lived), MACHINE)}

    assert 0.6667 == figures["precision"]
    assert (2.0, 1.0, 0.0) == tuple(figures[f"cards_{name}"] for name in ("right", "wrong", "undecided"))
    assert 0.5 == figures["precision_delivery_risk"]
    assert 1.0 == figures["precision_line_down"]
    assert 1.0 == figures["recall"] == figures["recall_stop"]
    assert 2.0 == figures["new_cards_a_shift_max"]
    assert 0.0 == figures["flaps"]


def test_a_month_without_cards_has_no_precision() -> None:
    figures = {row.metric: row.value for row in rows(score(month()), MACHINE)}

    assert figures["precision"] is None
    assert figures["recall"] is None


def test_an_episode_is_asked_for_the_revision_that_was_open_then() -> None:
    first = card(CardKind.DELIVERY_RISK, at(1, "08:00"))
    second = replace(Episode((first,)), revisions=(first, first.model_copy(update={"as_of": at(1, "09:00"), "revision": 2})))  # fmt: skip

    assert second.at(s(1, "07:59")) is None
    assert 1 == getattr(second.at(s(1, "08:59")), "revision", None)
    assert 2 == getattr(second.at(s(1, "09:00")), "revision", None)
