"""What is said of material and what follows: stock, use by report and by count, receipts, the hour, retention."""

from datetime import datetime, timedelta
from typing import Any

from schemas import Card, Event
from tests.folding import Folded, at, count, event, order, run, small_plant
from twin import Twin
from twin.material.allocation import allocation_of
from twin.material.materials import Gate
from twin.material.shortfall import available_now
from twin.material.usage import over_use_of

BOLT = ("S1", "bolt")
CARD_ID = "material_shortage/S1/item/bolt/1"


def stock(quantity: float, when: datetime, location: str = "A", **fields: Any) -> Event:
    return event("stock_reported", when, item_id="bolt", location_id=location, quantity=quantity, **fields)


def expected(quantity: float, when: datetime, expected_at: datetime, name: str = "P1") -> Event:
    fields: dict[str, Any] = {
        "receipt_id": name,
        "item_id": "bolt",
        "quantity": quantity,
        "expected_at": expected_at,
    }
    return event("receipt_expected", when, **fields)


def received(in_all: float, when: datetime, name: str = "P1") -> Event:
    return event("receipt_received", when, receipt_id=name, item_id="bolt", quantity=in_all)


def used(quantity: float, when: datetime, run_id: str = "R1", event_id: str | None = None) -> Event:
    fields: dict[str, Any] = {"line_id": "L1", "run_id": run_id, "item_id": "bolt", "quantity": quantity}
    return event("material_consumed", when, event_id, **fields)


def plant(*more: Event, lead_time_days: float | None = 2.0) -> Folded:
    """R1 makes 800 reds of 2 bolts on Line 1, Monday 06:00-14:00; it is Monday 05:00."""
    folded = Folded()
    folded.tell(
        *small_plant(),
        event("item_upserted", at(0, "00:00"), item_id="bolt", lead_time_days=lead_time_days),
        event(
            "bill_of_material_upserted",
            at(0, "00:00"),
            item_id="red",
            components=[{"item_id": "bolt", "quantity_per": 2.0}],
        ),
        order("1", at(1, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
        *more,
    )
    folded.tick(at(0, "05:00"))
    return folded


def there(folded: Folded) -> float:
    model = folded.twin.model
    return round(available_now(model, BOLT, over_use_of(model.supply, BOLT)), 6)


def gates(folded: Folded) -> dict[str, list[Gate]]:
    return folded.twin.model.supply.items[BOLT].gates


def began(until: str, pieces: float) -> list[Event]:
    start = event("run_started", at(0, "06:00"), line_id="L1", run_id="R1")
    return [start, count("L1", "R1", at(0, until), pieces)]


def test_stock_is_the_sum_of_its_unrestricted_lots() -> None:
    folded = plant(
        stock(700.0, at(0, "04:00")),
        stock(300.0, at(0, "04:00"), "B"),
        stock(5_000.0, at(0, "04:00"), "C", disposition="blocked"),
        stock(2_000.0, at(0, "04:00"), "D", disposition="quality"),
    )

    assert 1_000.0 == there(folded)


def test_an_item_whose_stock_nobody_reports_holds_no_run() -> None:
    folded = plant(expected(10.0, at(0, "04:00"), at(3, "06:00")))

    assert {} == gates(folded)
    assert at(0, "14:00").timestamp() == folded.twin.model.lines["S1", "L1"].projected["R1"].finish_at


def test_what_is_said_again_in_the_same_words_is_no_work() -> None:
    """Seen when a whole range of inputs was replayed: the item was looked at anew, so its document changed."""
    folded = plant()
    folded.tell(stock(1_600.0, at(0, "05:00")))
    folded.tick(at(0, "05:01"))
    before = dict(folded.documents)
    folded.tell(event("item_upserted", at(0, "00:00"), item_id="bolt", lead_time_days=2.0))

    assert 1 == folded.twin.counters["duplicate", "content"]
    assert {} == {key: value for key, value in folded.documents.items() if before.get(key) != value}


def test_only_what_was_used_after_the_stock_report_counts_and_a_repeat_counts_once() -> None:
    """1,000 as of 08:00; 400 used at 07:55 are in it, 60 at 08:30 are not; the same word again adds nothing."""
    folded = plant(stock(1_500.0, at(0, "04:00")))
    folded.tell(*began("07:55", 200.0), used(400.0, at(0, "07:55"), event_id="u1"))
    folded.tell(stock(1_000.0, at(0, "08:00")))
    folded.tell(count("L1", "R1", at(0, "08:30"), 30.0), used(60.0, at(0, "08:30"), event_id="u2"))
    folded.tell(used(60.0, at(0, "08:30"), event_id="u2"))

    assert 940.0 == there(folded)


def test_use_told_late_is_in_the_stock_report_that_came_meanwhile() -> None:
    folded = plant(stock(1_500.0, at(0, "04:00")))
    folded.tell(*began("08:00", 200.0), stock(1_100.0, at(0, "08:00")), used(380.0, at(0, "07:50")))

    assert 1_100.0 == there(folded)
    assert (380.0, 1) == (
        folded.twin.model.supply.accounts[BOLT]["R1"].seen_used,
        folded.twin.model.supply.accounts[BOLT]["R1"].reports,
    )


def test_a_run_that_reports_nothing_uses_what_its_counts_ask_for() -> None:
    """1,500 as of 04:00, 300 reds made, 10 of them bad: 620 used. A run of 800 still takes 500 x 2."""
    folded = plant(stock(1_500.0, at(0, "04:00")))
    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "09:00"), 300.0, scrap_count=10.0),
    )

    assert 880.0 == there(folded)


def test_a_stock_report_that_comes_late_cuts_counts_in_step_with_working_time() -> None:
    """400 made from 06:00 to 10:00; 900 there as of 08:00, told at 10:00: the 200 since took 400."""
    folded = plant(stock(1_500.0, at(0, "04:00")))
    folded.tick(at(0, "09:00"))
    folded.tell(*began("10:00", 400.0), stock(900.0, at(0, "08:00")))

    assert 500.0 == there(folded)


def test_pieces_told_late_do_not_use_what_was_counted_after_them() -> None:
    folded = plant(stock(1_500.0, at(0, "04:00")))
    folded.tell(*began("07:00", 100.0), stock(1_200.0, at(0, "08:00")))
    folded.tell(count("L1", "R1", at(0, "07:30"), 50.0))

    assert 1_200.0 == there(folded)


def test_a_receipt_in_parts_counts_once_come_and_once_coming() -> None:
    """1,000 there, 600 announced for Monday 12:00; 250 came at 06:30 and are in the stock, the rest is to come."""
    folded = plant(stock(1_000.0, at(0, "04:00")), expected(600.0, at(0, "04:00"), at(0, "12:00")))
    assert {"R1": [Gate("bolt", at(0, "12:00").timestamp(), 300.0, 0.7 * 3600, "P1")]} == gates(folded)

    folded.tell(received(250.0, at(0, "06:30")))
    folded.tick(at(0, "06:31"))
    assert 1_250.0 == there(folded)
    assert [("P1", 175.0)] == [(gate.receipt_id, gate.after_pcs) for gate in gates(folded)["R1"]]

    folded.tell(stock(1_250.0, at(0, "07:00")))
    folded.tell(received(600.0, at(0, "07:30")))
    folded.tick(at(0, "07:31"))
    assert (1_600.0, {}) == (there(folded), gates(folded))


def test_a_receipt_that_is_overdue_comes_as_late_again_hour_by_hour() -> None:
    """Announced for 08:00. At 10:00 it is 2 h late: 12:00. The run wants its last 300 reds from 11:00 on: 1 h lost."""
    folded = plant(stock(1_000.0, at(0, "04:00")), expected(600.0, at(0, "04:00"), at(0, "08:00")))
    folded.tell(*began("10:00", 400.0))
    folded.tick(at(0, "10:00"))
    waits = folded.twin.model.lines["S1", "L1"].projected["R1"]

    assert [at(0, "12:00").timestamp()] == [gate.at for gate in gates(folded)["R1"]]
    assert (at(0, "15:00").timestamp(), 3_600.0) == (round(waits.finish_at), round(waits.wait_work_s))


def test_a_receipt_that_is_overdue_by_more_than_a_lead_time_is_given_up() -> None:
    """Announced for Saturday 04:00, lead time 2 days. On Monday 05:00 it is 49 h overdue; ordered now: Wednesday 05:00."""
    folded = plant(stock(1_000.0, at(0, "04:00")), expected(600.0, at(-3, "04:00"), at(-2, "04:00")))

    assert [(None, at(2, "05:00").timestamp())] == [
        (gate.receipt_id, gate.at) for gate in gates(folded)["R1"]
    ]


def test_where_nothing_is_on_its_way_the_run_waits_for_a_new_order_and_the_words_say_so() -> None:
    """1,000 bolts for 500 reds: from 11:00 on 300 are missing their 600. Ordered now, the rules' 5 days: Saturday 05:00."""
    folded = plant(stock(1_000.0, at(0, "04:00")), lead_time_days=None)
    card: Card = folded.cards[CARD_ID]
    waits = folded.twin.model.lines["S1", "L1"].projected["R1"]

    assert at(7, "09:00").timestamp() == waits.finish_at
    assert card.shortage is not None
    assert (None, None, "5 days: assumed by the rules: no lead time of bolt is known") == (
        card.shortage.order_by,
        card.shortage.lead_time_days,
        card.shortage.lead_time_because,
    )
    assert (600.0, at(0, "11:00")) == (card.shortage.short_quantity, card.shortage.need_by)
    assert (
        "Nothing more is on its way; what is ordered now takes "
        "5 days: assumed by the rules: no lead time of bolt is known." in card.summary
    )
    assert (at(0, "11:00"), "it is needed then; until then a faster delivery helps") == (
        card.deadline,
        card.deadline_because,
    )


def test_a_run_that_ended_used_what_it_made_and_takes_no_more() -> None:
    folded = plant(stock(2_000.0, at(0, "04:00")))
    folded.tick(at(0, "09:00"))
    folded.tell(*began("10:00", 400.0), event("run_aborted", at(0, "10:00"), line_id="L1", run_id="R1"))
    folded.tick(at(0, "10:01"))

    assert (1_200.0, {}) == (there(folded), gates(folded))


def test_scrap_beyond_the_expected_is_written_off_within_a_minute() -> None:
    """1,600 cover 800 reds. 100 good and 50 bad took 300; 1,300 cover 650 of the other 700."""
    folded = plant(stock(1_600.0, at(0, "04:00")))
    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "07:30"), 100.0, scrap_count=50.0),
    )
    folded.tick(at(0, "07:31"))

    assert 1_300.0 == there(folded)
    assert [50.0] == [gate.after_pcs for gate in gates(folded)["R1"]]


def test_a_count_that_is_as_expected_touches_no_item() -> None:
    folded = plant(stock(1_000.0, at(0, "04:00")))
    folded.tell(*began("07:00", 100.0))
    folded.tick(at(0, "07:00"))
    before = folded.documents[f"{BOLT[0]}/supply/{BOLT[1]}"]
    folded.tell(count("L1", "R1", at(0, "07:30"), 50.0))

    assert before == folded.documents[f"{BOLT[0]}/supply/{BOLT[1]}"]
    assert {} == folded.twin.model.supply.dirty


def weeks_ahead() -> Folded:
    """A run in 9 days that takes 1,600 of 1,000; lead time 2 days: 500 reds are made by Wed 11:00, order by Mon 11:00."""
    return plant(
        event("run_cancelled", at(0, "01:00"), run_id="R1"),
        run("R9", "L1", at(9, "06:00"), at(9, "14:00"), pegs=["1"]),
        order("1", at(10, "12:00"), when=at(0, "01:00")),
        stock(1_000.0, at(0, "04:00")),
    )


def test_a_shortage_is_told_when_the_last_day_to_order_draws_near_and_not_before() -> None:
    """Order by Mon 9 March 11:00; two days before that is Sat 7 March 11:00."""
    folded = weeks_ahead()
    folded.tick(at(5, "10:59"))
    assert {} == folded.cards
    assert ["shortage_projected"] == [signal.signal for signal in folded.on("twin.signals.v1")]

    folded.tick(at(5, "12:00"))
    card = folded.cards[CARD_ID]
    assert (at(7, "11:00"), "last moment to order at the normal price: 2 days before it is needed") == (
        card.deadline,
        card.deadline_because,
    )
    assert "Part bolt will run short: 600 pcs missing from Wed 11 Mar 11:00, R9 for #1 needs it" == card.title
    assert ([], "No order is late by it so far." in card.summary) == (card.affected, True)


def test_a_plan_beyond_the_horizon_is_not_looked_at() -> None:
    folded = plant(
        event("run_cancelled", at(0, "01:00"), run_id="R1"),
        run("R9", "L1", at(18, "06:00"), at(18, "14:00"), pegs=["1"]),
        order("1", at(21, "12:00"), when=at(0, "01:00")),
        stock(1_000.0, at(0, "04:00")),
    )
    folded.tick(at(0, "06:00"))

    assert ({}, []) == (folded.cards, folded.on("twin.signals.v1"))


def test_material_that_is_late_and_not_needed_so_soon_is_no_cause() -> None:
    """P1 is two hours late, but its bolts are due from 11:00 on only; the line that starts late is to blame."""
    folded = plant(
        stock(1_000.0, at(0, "04:00")),
        expected(600.0, at(0, "04:00"), at(0, "08:00")),
        order("1", at(0, "14:30"), when=at(0, "01:00"), route_id=None),
    )
    folded.tell(received(600.0, at(0, "10:00")))
    folded.tick(at(0, "10:01"))

    assert ["delivery_risk/S1/line/L1/1"] == list(folded.cards)


def test_the_buyer_owns_the_card_else_the_supervisor_of_the_line() -> None:
    folded = plant(stock(1_000.0, at(0, "04:00")))
    assert ("S. Upervisor", "supervisor of Line 1") == (
        folded.cards[CARD_ID].owner.name,
        folded.cards[CARD_ID].owner.rule,
    )

    folded.tell(event("person_upserted", at(0, "05:00"), person_id="ada", name="A. Da"))
    folded.tell(event("item_upserted", at(0, "05:01"), item_id="bolt", lead_time_days=2.0, buyer_id="ada"))
    folded.tick(at(0, "05:02"))
    assert ("A. Da", "buyer of bolt") == (folded.cards[CARD_ID].owner.name, folded.cards[CARD_ID].owner.rule)


def test_runs_consume_receipts_supply_and_the_buyer_owns_the_item() -> None:
    folded = plant(
        stock(1_000.0, at(0, "04:00")),
        expected(600.0, at(0, "04:00"), at(0, "12:00")),
        event("item_upserted", at(0, "04:00"), item_id="bolt", name="Bolt 8 mm", buyer_id="sue"),
    )
    graph = folded.twin.model.graph

    assert [
        ("person/S1/sue", "owns", None),
        ("receipt/S1/P1", "supplies", 600.0),
        ("run/S1/R1", "consumes", 1_600.0),
    ] == sorted((edge.from_id, edge.relation, edge.quantity_pcs) for edge in graph.edges_to("item/S1/bolt"))
    assert "Bolt 8 mm" == graph.label("item/S1/bolt")

    folded.tell(
        received(600.0, at(0, "05:10")), event("run_cancelled", at(0, "05:10"), run_id="R1", event_id="c")
    )
    assert "item/S1/bolt" not in graph
    assert "receipt/S1/P1" not in graph


def test_what_is_over_is_forgotten_and_what_it_used_is_not() -> None:
    """After 35 days nothing is kept of a run that used 800 of 2,000, nor of a receipt that brought 600: 1,800 are there."""
    folded = plant(stock(2_000.0, at(0, "04:00")), expected(600.0, at(0, "04:00"), at(0, "05:00")))
    folded.tell(run("R2", "L1", at(60, "06:00"), at(60, "14:00")))
    folded.tick(at(0, "09:00"))
    folded.tell(received(600.0, at(0, "05:30")), *began("10:00", 400.0), used(800.0, at(0, "10:00")))
    folded.tell(
        event("run_completed", at(0, "10:00"), line_id="L1", run_id="R1"),
        event("order_shipped", at(0, "10:00"), order_id="1", shipped_pcs=800.0),
    )
    folded.tick(at(0, "10:00"))
    assert 1_800.0 == there(folded)

    for day in (20, 40, 41):
        folded.tick(at(day, "10:00"))
    kept = [key for key in folded.documents if "R1" in key or "P1" in key]
    assert [] == kept
    assert 1_800.0 == there(folded)
    restored = Twin.restore(folded.twin.header(), folded.documents)
    assert folded.twin.digest == restored.digest
    assert 1_800.0 == there_in(restored)


def there_in(twin: Twin) -> float:
    return available_now(twin.model, BOLT, over_use_of(twin.model.supply, BOLT))


def test_an_item_that_the_plant_makes_itself_is_not_judged() -> None:
    bill = event(
        "bill_of_material_upserted",
        at(0, "04:30"),
        item_id="bolt",
        components=[{"item_id": "rod", "quantity_per": 0.1}],
    )
    folded = plant(stock(1_000.0, at(0, "04:00")))
    assert {"R1"} == {*gates(folded)}
    folded.tell(bill)
    folded.tick(at(0, "05:01"))

    assert {} == gates(folded)
    assert {} == allocation_of(folded.twin.model, BOLT, at(0, "05:01").timestamp()).gates


def test_a_shortage_that_comes_and_goes_makes_one_card_and_clears_it() -> None:
    folded = plant(stock(1_000.0, at(0, "04:00")))
    folded.tell(stock(1_600.0, at(0, "05:00")))
    for minutes in (1, 2, 62):
        folded.tick(at(0, "05:00") + timedelta(minutes=minutes))

    assert ["open", "cleared"] == [card.state.value for card in folded.on("twin.cards.v1")]
