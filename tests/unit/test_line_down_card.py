"""The seed case "a machine down mid-shift", by hand; its events are examples/cases/line_down.ndjson.

Line 7 makes 300 an hour, Mon-Fri 06:00-22:00; standing costs 420 an hour. R-71: 4,800 pieces from Mon 23 Nov 06:00 for
#7001, truck Tue 12:00, 1,500 a day. By 10:30 it has made 1,350; the filler breaks. 3,450 pieces are 11.5 h: 6 h of
Tuesday before the truck and 5.5 h of Monday before 22:00, so the line must run again by Mon 16:30.
At 11:15 the fitter says 7 h: back at 18:15. Then 3.75 h are left of Monday, 7.75 h of Tuesday: ready 13:45, 1.75 h after
the truck, a day late: 1,500. What people expect errs by 30 %: 7.77 h in all +-2.33 h, so P(late) = P(z < 1.75 / 2.33) =
0.774, and another long stop may come: 0.784. Standing 7.02 h more (the clock stood at 11:14) costs 2,948.40. Together 4,448.40.
It is back at 16:00: 6 h of Monday, 5.5 h of Tuesday, 11:30: in time, and the card goes.
"""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas import Card, CardState, Facts, Severity, topics
from streams.replay import replay
from tests.folding import Folded, at, count, event, order, run, small_plant
from twin import Twin
from twin.shopfloor.stops import PastStop, expected_length
from twin.state.runs import RunState

CASE = Path(__file__).parents[2] / "examples" / "cases" / "line_down.ndjson"
BERLIN = ZoneInfo("Europe/Berlin")


def monday(clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(2026, 11, 23, int(hour), int(minute), tzinfo=BERLIN)


def state_of(folded: Folded) -> RunState:
    return folded.twin.model.runs["S1", "R1"].progress.state


def cards_at(clock: str) -> dict[str, Card]:
    return replay([CASE], None, Twin, monday(clock)).cards


def test_the_card_after_the_fitter_spoke_says_what_paper_says() -> None:
    [card] = cards_at("11:15").values()
    worst, stop = card.affected[0], card.stop

    assert stop is not None
    assert "line_down/plant-1/line/L7/1" == card.card_id
    assert (
        "Line 7 is down: #7001 for Fabrikam may miss its truck of Tue 24 Nov: it would ship Wed 25 Nov 12:00, 1 day late"
        == card.title
    )
    assert (
        "Line 7 is down since Mon 23 Nov 10:30, stopped by Filler (gearbox). "
        "It is expected back Mon 23 Nov 18:15, in 7.02 working hours (said by j-fuchs). "
        "Late costs 1,500 EUR in penalty (margin 2,400 becomes 900). Standing costs 2,948 EUR more. "
        "R-72 could go to L8. "
        "Owner: T. Lang. Decide by Mon 23 Nov 16:30 (it must run again for #7001)." == card.summary
    )
    assert [("7001", 0.784)] == [(each.order_id, each.p_late) for each in card.affected]
    assert abs(worst.ready_at - monday("13:45") - timedelta(days=1)) < timedelta(seconds=1)  # type: ignore[operator]
    assert {"penalty": 1500.0, "idle_line": 2948.4} == card.impact.parts
    assert (4448.4, 1) == (card.impact.exposure, card.impact.slip_days)
    assert (monday("16:30"), "it must run again for #7001") == (card.deadline, card.deadline_because)
    assert (Severity.HIGH, "an order will be late; the line is down") == (
        card.severity,
        card.severity_because,
    )
    assert ("ST-2", "gearbox", monday("18:15"), 7.02) == (
        stop.station_id,
        stop.reason,
        stop.expected_end_at,
        stop.remaining_h,
    )
    assert [("R-72", ["L8"])] == [(move.run_id, move.line_ids) for move in stop.moves]
    assert ("down", "station", "ST-2") == (card.cause.signal, card.cause.entity_type, card.cause.entity_id)
    assert ("station/plant-1/ST-2", "part_of", "line/plant-1/L7") == (
        card.path[0].from_id,
        card.path[0].relation,
        card.path[0].to_id,
    )


def test_the_card_comes_after_half_an_hour_and_then_says_that_it_does_not_know() -> None:
    assert {} == cards_at("11:00")
    [card] = cards_at("11:01").values()

    assert (Severity.MEDIUM, 0, 0.0) == (card.severity, card.affected_total, card.impact.exposure)
    assert card.stop is not None
    assert (None, None) == (card.stop.expected_end_at, card.stop.remaining_h)
    assert (monday("16:30"), "it must run again for #7001") == (card.deadline, card.deadline_because)
    assert (
        "How long it will last is unknown (not enough data: too few of its past stops lasted this long)."
        in card.summary
    )


def test_it_runs_again_in_time_and_the_card_goes_with_nothing_left_behind() -> None:
    [card] = cards_at("17:01").values()

    assert (CardState.CLEARED, "it runs again") == (card.state, card.update_reason)


@pytest.fixture
def line() -> Folded:
    """Line 1 of the small plant on R1, 800 pieces for Tuesday's truck, 100 made by Monday 07:00.

    Its rules tell a stop after 30 min whatever it costs, and clear a card after 30 min.
    """
    folded = Folded()
    folded.tell(
        *small_plant(),
        event("station_upserted", at(0, "00:00"), station_id="ST", line_id="L1", name="Press"),
        event("rules_updated", at(0, "00:00"), rules={"down_card_after_min": 30.0, "clear_after_min": 30.0}),
        order("1", at(1, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
    )
    folded.tick(at(0, "06:00"))
    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "07:00"), 100.0),
    )
    folded.tick(at(0, "07:00"))
    return folded


def stops(folded: Folded, *lengths_min: int, reason: str = "jam") -> None:
    """Stops that begin at 07:00 and every half hour after, of these lengths."""
    when = at(0, "07:00")
    for minutes in lengths_min:
        told = {"line_id": "L1", "run_id": "R1"}
        folded.tick(when)
        folded.tell(event("run_held", when, **told, reason=reason))
        folded.tick(when + timedelta(minutes=minutes))
        folded.tell(event("run_resumed", when + timedelta(minutes=minutes), **told))
        when += timedelta(minutes=30)


def stop_signals(folded: Folded) -> list[str]:
    return [body.signal for body in folded.on(topics.SIGNALS) if body.signal in ("line_down", "line_up")]


def test_history_says_that_half_of_those_that_lasted_longer_were_over_by_then() -> None:
    """Of 1, 2, 3, 10, 20, 30, 40, 50 min, five lasted longer than 5 min: their median is 30. Beyond 10 min: too few."""
    past = [PastStop(0.0, 0.0, minutes * 60.0, "jam", None) for minutes in (1, 2, 3, 10, 20, 30, 40, 50)]
    found = expected_length(past, 300.0, None)

    assert found is not None
    assert (1800.0, 5) == (found.work_s, found.n)
    assert expected_length(past, 600.0, None) is None


def test_stops_of_the_same_reason_speak_first() -> None:
    """Five jams of 5 min and five gearboxes of 100 min: a gearbox takes 100, an unknown reason 52.5."""
    past = [PastStop(0.0, 0.0, 300.0, "jam", None)] * 5 + [PastStop(0.0, 0.0, 6000.0, "gearbox", None)] * 5

    assert [6000.0, 3150.0] == [
        found.work_s for reason in ("gearbox", "rope") if (found := expected_length(past, 0.0, reason))
    ]


def test_where_nobody_says_the_projection_takes_the_line_s_own_history(line: Folded) -> None:
    """Five stops of 10, 10, 20, 20, 20 min; the sixth begins at 12:00: the median is 20 min, so it goes on at 12:20.
    It has made 100 by 07:00, and no more was counted: 700 pieces from 12:20 on are 7 h: 19:20."""
    stops(line, 10, 10, 20, 20, 20)
    line.tick(at(0, "12:00"))
    line.tell(event("run_held", at(0, "12:00"), line_id="L1", run_id="R1", reason="jam"))
    line.tick(at(0, "12:01"))

    assert at(0, "19:20").timestamp() == line.twin.model.lines["S1", "L1"].projected["R1"].finish_at


def test_what_was_said_and_has_passed_gives_way_to_what_the_longer_ones_say(line: Folded) -> None:
    """Said: 5 min. At 12:06 it still lasts: of 10, 10, 20, 20, 20 all lasted longer: 20 min, 12:20."""
    stops(line, 10, 10, 20, 20, 20)
    line.tick(at(0, "12:00"))
    line.tell(event("run_held", at(0, "12:00"), line_id="L1", run_id="R1", expected_duration_min=5.0))
    line.tick(at(0, "12:01"))
    before = line.twin.model.lines["S1", "L1"].projected["R1"].start_at
    line.tick(at(0, "12:06"))

    assert (at(0, "12:05").timestamp(), at(0, "12:20").timestamp()) == (
        before,
        line.twin.model.lines["S1", "L1"].projected["R1"].start_at,
    )


def test_short_stops_raise_neither_card_nor_signal(line: Folded) -> None:
    stops(line, 2, 3, 2, 5, 1, 4, 2)
    line.tick(at(0, "11:00"))

    assert ({}, []) == (line.cards, stop_signals(line))


def test_a_stop_is_told_when_it_has_lasted_and_its_end_too(line: Folded) -> None:
    line.tell(event("run_held", at(0, "07:00"), line_id="L1", run_id="R1"))
    line.tick(at(0, "07:29"))
    assert [] == stop_signals(line)
    line.tick(at(0, "07:30"))
    assert ["line_down"] == stop_signals(line)
    line.tell(event("run_resumed", at(0, "07:40"), line_id="L1", run_id="R1"))

    assert ["line_down", "line_up"] == stop_signals(line)


def test_a_stop_expected_to_last_is_told_at_once_and_time_outside_the_shifts_does_not_count(
    line: Folded,
) -> None:
    line.tick(at(0, "21:50"))
    line.tell(event("run_held", at(0, "21:50"), line_id="L1", run_id="R1", expected_duration_min=45.0))
    assert [] == stop_signals(line)  # 10 min of it are working time
    line.tell(event("run_resumed", at(0, "21:51"), line_id="L1", run_id="R1"))
    line.tell(event("run_held", at(0, "21:52"), line_id="L1", run_id="R1", expected_duration_min=900.0))

    assert ["line_down"] == stop_signals(line)  # until Tuesday 12:52


def test_a_station_down_stops_its_line_when_no_pieces_come(line: Folded) -> None:
    """The press is down from 07:05, pieces last came at 07:10: at 07:40 the line is down since 07:10."""
    line.tell(
        event("state_changed", at(0, "07:05"), line_id="L1", station_id="ST", state="HELD", reason="die"),
        count("L1", "R1", at(0, "07:10"), 15.0),
    )
    line.tick(at(0, "07:39"))
    assert {} == line.cards
    line.tick(at(0, "07:40"))
    [card] = line.cards.values()

    assert RunState.HELD is state_of(line)
    assert ("line_down/S1/line/L1/1", "ST", 0.9) == (
        card.card_id,
        card.cause.entity_id,
        card.confidence.value,
    )
    assert "Press of Line 1 is down (die), and no pieces have come since Mon 2 Mar 07:10." in card.summary
    line.tell(event("state_changed", at(0, "07:50"), line_id="L1", station_id="ST", state="EXECUTE"))
    assert RunState.RUNNING is state_of(line)


def test_a_line_that_stops_again_at_once_keeps_its_card_and_one_that_runs_on_loses_it(line: Folded) -> None:
    """Down 07:00-07:40, again 07:50-07:55: one card throughout, until 08:25."""
    states = []
    for clock, kind in (
        ("07:00", "run_held"),
        ("07:40", "run_resumed"),
        ("07:50", "run_held"),
        ("07:55", "run_resumed"),
    ):
        line.tick(at(0, clock))
        line.tell(event(kind, at(0, clock), line_id="L1", run_id="R1"))
    for clock in ("08:24", "08:25"):
        line.tick(at(0, clock))
        [card] = line.cards.values()
        states.append((card.state, card.episode))

    assert [(CardState.OPEN, 1), (CardState.CLEARED, 1)] == states


def test_a_line_that_goes_on_without_its_station_is_not_down(line: Folded) -> None:
    line.tell(event("state_changed", at(0, "07:05"), line_id="L1", station_id="ST", state="HELD"))
    for minutes in range(10, 60, 10):
        line.tell(count("L1", "R1", at(0, f"07:{minutes}"), 15.0))
        line.tick(at(0, f"07:{minutes}"))

    assert RunState.RUNNING is state_of(line)
    assert {} == line.cards


def test_pieces_after_all_let_a_line_that_was_held_for_its_station_go_on(line: Folded) -> None:
    line.tell(event("state_changed", at(0, "07:05"), line_id="L1", station_id="ST", state="HELD"))
    line.tick(at(0, "07:40"))
    assert RunState.HELD is state_of(line)
    line.tell(count("L1", "R1", at(0, "07:45"), 10.0))

    assert RunState.RUNNING is state_of(line)


def test_the_restart_that_the_next_order_needs_is_walked_back_through_the_queue(line: Folded) -> None:
    """#2 in R2, 300 blue pieces planned for Tuesday 15:00, due 18:00 without a truck. R1 has 700 to go for Tuesday 12:00,
    that is 7 h: Tue 06:00-12:00 and an hour of Monday, 21:00. R2 back from Tuesday 18:00: 3 h, 30 min of setup, then R1's
    7 h: 10.5 h before 18:00 is Tue 07:30. The first to be lost is #1: Mon 21:00. With #1 cancelled it is Tue 07:30."""
    line.tell(
        order("2", at(1, "18:00"), quantity=300.0, route_id=None),
        run("R2", "L1", at(1, "15:00"), at(1, "18:00"), quantity=300.0, item_id="blue", pegs=["2"]),
    )
    line.tell(event("run_held", at(0, "07:00"), line_id="L1", run_id="R1"))
    line.tick(at(0, "07:30"))
    card = line.cards["line_down/S1/line/L1/1"]
    assert (at(0, "21:00"), "it must run again for #1") == (card.deadline, card.deadline_because)
    line.tell(event("order_cancelled", at(0, "07:31"), order_id="1"))
    line.tick(at(0, "07:32"))
    card = line.cards["line_down/S1/line/L1/1"]

    assert (at(1, "07:30"), "it must run again for #2") == (card.deadline, card.deadline_because)


def test_what_is_lost_to_a_stop_that_is_over_belongs_to_the_delivery_card(line: Folded) -> None:
    """Down 07:00 to Tuesday 08:00: 700 pieces end at 15:00, three hours after the truck, also once it runs again."""
    line.tell(event("run_held", at(0, "07:00"), line_id="L1", run_id="R1"))
    line.tick(at(1, "08:00"))
    assert "down" == line.cards["line_down/S1/line/L1/1"].cause.signal
    line.tell(event("run_resumed", at(1, "08:00"), line_id="L1", run_id="R1"))
    card, before = (line.cards[f"{kind}/S1/line/L1/1"] for kind in ("delivery_risk", "line_down"))

    # At once, so that the money of an order is never on two cards.
    assert ("Line 1 runs again since Tue 3 Mar 08:00", [], 0.0) == (
        before.title,
        before.affected,
        before.impact.exposure,
    )
    assert "this card goes Tue 3 Mar 08:30 if it still runs then" == before.deadline_because
    assert ("stop", ["1"], at(0, "07:00")) == (
        card.cause.signal,
        [each.order_id for each in card.affected],
        card.cause.since,
    )
    assert "Line 1 lost 17 working hours to stops since Mon 2 Mar 07:00." in card.summary


def test_a_line_that_stands_for_want_of_a_part_that_has_a_card_is_no_second_card(line: Folded) -> None:
    """A red piece takes a bolt; the last 300 came with R1's pieces, 500 more come on Wednesday. From 09:00 on it waits.

    Its order is late by the bolts: it is on their card. That the line stands is part of the same cause.
    """
    line.tell(
        event("bill_of_material_upserted", at(0, "07:00"), item_id="red", components=[{"item_id": "bolt", "quantity_per": 1.0}]),
        event("stock_reported", at(0, "07:00"), item_id="bolt", location_id="A", quantity=200.0),
        event("receipt_expected", at(0, "07:00"), receipt_id="P1", item_id="bolt", quantity=500.0, expected_at=at(2, "06:00")),
        count("L1", "R1", at(0, "09:00"), 200.0),
        event("material_consumed", at(0, "09:00"), line_id="L1", run_id="R1", item_id="bolt", quantity=200.0),
    )  # fmt: skip
    line.tick(at(0, "09:00"))
    line.tell(event("run_suspended", at(0, "09:00"), line_id="L1", run_id="R1", reason="no bolts"))
    for clock in ("09:01", "10:00", "11:00", "12:00"):
        line.tick(at(0, clock))

    assert ["material_shortage/S1/item/bolt/1"] == [*line.cards]
    assert ["1"] == [each.order_id for each in line.cards["material_shortage/S1/item/bolt/1"].affected]


def test_a_restored_twin_knows_the_stops() -> None:
    log = replay_records()
    folded = Folded()
    for facts in log:
        folded.fold(facts)
    restored = Twin.restore(folded.twin.header(), folded.documents)

    assert folded.twin.model.lines["S1", "L1"].stops == restored.model.lines["S1", "L1"].stops
    assert 2 == len(restored.model.lines["S1", "L1"].stops.past)


def replay_records() -> list[Facts]:
    folded = Folded()
    folded.tell(*small_plant(), run("R1", "L1", at(0, "06:00"), at(0, "14:00")))
    folded.tick(at(0, "06:00"))
    folded.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    stops(folded, 5, 10)
    folded.tell(event("state_changed", at(0, "08:30"), line_id="L1", station_id="ST", state="ABORTED"))
    folded.tell(event("state_changed", at(0, "08:31"), line_id="L1", state="HELD"))
    return folded.records
