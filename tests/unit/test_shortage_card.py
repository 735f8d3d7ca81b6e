"""The shortage a day out, by hand: a part for two lines, used faster than the bill says, and a receipt put off.

Lines 2 and 5 work Mon-Fri 06:00-22:00. A door takes 2 hinges M-7, a cabinet 1.
R-87, 4,800 doors at 200/h on Line 2, Mon 23 Nov 06:00 - Tue 14:00.      #4479.
R-88, 6,400 doors at 200/h on Line 2, Tue 24 Nov 14:00 - Thu 14:00.      #4480 for Northwind, truck Fri 27 Nov 12:00.
R-91, 3,000 cabinets at 100/h on Line 5, Thu 26 Nov 06:00 - Fri 20:00.   #4495, promised Wed 2 Dec 12:00.
Stock, Mon 05:45: 12,320 + 6,000 = 18,320; 500 more are blocked. PO-712 brings 9,000, announced for Wed 25 Nov 08:00.

Tue 24 Nov 08:00. R-87 has made 3,600 doors = 7,200 hinges by the bill, and reported 3,335 + 3,335 + 834 = 7,504.
Over-use, through 200 doors by the bill: (7,504 + 400) / (7,200 + 400) = 1.04: a door takes 2.08, a cabinet 1.04.
There: 18,320 - 7,504 = 10,816. To R-87 for 1,200 doors: 2,496. To R-88 the other 8,320: 4,000 doors. 2,400 are left.
PO-712 is put off to Fri 27 Nov 10:00.
R-88 makes 4,000 doors in 20 h: Tue 8 h, Wed 12 h: the last hinge goes Wed 25 Nov 18:00. It stands Wed 4 h, Thu 16 h and
Fri 4 h = 24 h, and makes 2,400 in 12 h from Fri 10:00: done Fri 22:00, 10 working hours after its truck. The next goes
Tue 1 Dec 12:00: 4 days, 8,000. R-91 has nothing from Thu 06:00 on and makes 3,000 from Fri 10:00: Fri 12 h, Mon 16 h,
Tue 2 h: done Tue 1 Dec 08:00 instead of Fri 20:00, 2 + 16 + 2 = 20 h later, and 28 h before it is promised: no cause.
Missing just before PO-712 comes: R-88 all 2,400 x 2.08 = 4,992; R-91 is due at 20 h x 100 x 1.04 = 2,080: 7,072.
To order at the normal price: Wed 18:00 less 1 day = Tue 24 Nov 18:00.
Idle: 24 h x 120 + 20 h x 60 = 4,080. Loss: 8,000 + 4,080 = 12,080; margin 6,400 x 2 = 12,800 less that = 720.
"""

from datetime import datetime, timedelta
from functools import cache
from math import erf, sqrt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from schemas import MODEL_OF_KIND, Card, CardState, Event, Facts, Severity, topics
from schemas.cards import MaterialUse
from schemas.json_text import read_json
from streams.replay import replay
from tests.folding import Folded, event, segment_of
from twin import Twin
from twin.explain.why_order import why_order
from twin.recompute import picture_of, recompute

CASE = Path(__file__).parents[2] / "examples" / "cases" / "shortage.ndjson"
BERLIN = ZoneInfo("Europe/Berlin")
CARD_ID = "material_shortage/P2/item/M-7/1"


def nov(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)


def events() -> list[Event]:
    bodies = [read_json(line) for line in CASE.read_bytes().splitlines()]
    return [MODEL_OF_KIND[body["kind"]].model_validate(body) for body in bodies]  # type: ignore[misc]


def told_anew() -> Folded:
    folded = Folded()
    for number, each in enumerate(events()):
        folded.fold(Facts(group_id="P2", segments=[segment_of("case", number, each)]))
    return folded


@cache
def told() -> Folded:
    return told_anew()


def test_the_card_says_what_paper_says() -> None:
    folded = told()
    card = folded.cards[CARD_ID]
    shortage = card.shortage

    assert [] == folded.rejections
    assert [CARD_ID] == list(folded.cards)
    assert (
        "Part M-7 will run short: 7,072 pcs missing from Wed 25 Nov 18:00, R-88 for #4480 waits" == card.title
    )
    assert (
        "M-7 (Hinge): 10,816 pcs there and 0 pcs to come until Wed 25 Nov 18:00, "
        "used 4.0 % above the bill of material. PO-712 comes Fri 27 Nov 10:00. "
        "R-88 on Line 2 stands 24 working hours for it. R-91 on Line 5 stands 20 working hours for it. "
        "Late costs 8,000 EUR in penalty, lines that stand 4,080 EUR (margin 12,800 becomes 720). Owner: K. Sato. "
        "Decide by Tue 24 Nov 18:00 (last moment to order at the normal price: 1 day before it is needed)."
        == card.summary
    )
    assert shortage is not None
    assert (10_816.0, 0.0, 7_072.0, 0.04) == (
        shortage.available,
        shortage.on_order,
        shortage.short_quantity,
        shortage.over_use,
    )
    assert (nov(25, 18), nov(25, 18), nov(24, 18)) == (
        shortage.runs_out_at,
        shortage.need_by,
        shortage.order_by,
    )
    assert ("PO-712", nov(27, 10)) == (shortage.next_receipt_id, shortage.next_receipt_at)
    assert (1.0, "1 day: lead time of M-7") == (shortage.lead_time_days, shortage.lead_time_because)
    assert [
        MaterialUse(run_id="R-87", line_id="L2", starts_at=nov(24, 8), needs=2_496.0, covered=2_496.0),
        MaterialUse(
            run_id="R-88", line_id="L2", starts_at=nov(24, 14), needs=13_312.0, covered=8_320.0, waits_h=24.0
        ),
        MaterialUse(
            run_id="R-91", line_id="L5", starts_at=nov(26, 6), needs=3_120.0, covered=0.0, waits_h=20.0
        ),
    ] == shortage.uses
    assert ("K. Sato", "buyer of M-7") == (card.owner.name, card.owner.rule)
    assert (nov(24, 18), nov(27, 12)) == (card.deadline, card.need_by)
    assert ("material", "item", "M-7", "over_use", 0.04, nov(24, 8)) == (
        card.cause.signal,
        card.cause.entity_type,
        card.cause.entity_id,
        card.cause.metric,
        card.cause.delta,
        card.cause.since,
    )
    assert Severity.MEDIUM == card.severity


def test_one_order_is_late_by_it_and_the_other_keeps_its_slack() -> None:
    folded = told()
    worst = folded.cards[CARD_ID].affected[0]
    waits = folded.twin.model.lines["P2", "L5"].projected["R-91"]

    assert ["4480"] == [each.order_id for each in folded.cards[CARD_ID].affected]
    assert (nov(27, 22), datetime(2026, 12, 1, 12, tzinfo=BERLIN), 4, 10.0) == (
        worst.ready_at,
        worst.ships_at,
        worst.slip_days,
        worst.overhang_h,
    )
    assert datetime(2026, 12, 1, 8, tzinfo=BERLIN).timestamp() == waits.finish_at
    assert 20 * 3600.0 == waits.wait_work_s
    assert [None, "material_shortage/item/P2/M-7", None] == [
        folded.twin.model.orders["P2", order_id].state.root for order_id in ("4479", "4480", "4495")
    ]


def test_money_and_rank_are_the_products_on_the_card() -> None:
    """PO-712 is 74 h away, +-7.4 h: Fri 02:36-17:24, of which the line works 11.4 h: +-5.7 h. P(late) = P(z < 10 / 5.7).

    A long stop that may still come in the 12 h of work adds a thousandth.
    R-88 is out of hinges 24 working hours before they come: 24 / 5.7 is beyond doubt, 0.999.
    """
    card = told().cards[CARD_ID]
    p_late = round(0.5 * (1 + erf(10 / 5.7 / sqrt(2))), 3) + 0.001
    expected = round((p_late * 8_000 + 0.999 * 4_080) / 12_080, 3)

    assert 0.961 == p_late == card.affected[0].p_late
    assert {"penalty": 8_000.0, "idle_line": 4_080.0} == card.impact.parts
    assert (12_080.0, 12_800.0, 720.0) == (
        card.impact.exposure,
        card.impact.margin_before,
        card.impact.margin_if_late,
    )
    assert [expected, 12_080.0, 1.0, round(24 / 34, 3)] == [term.value for term in card.rank_terms]
    assert round(expected * 12_080 * round(24 / 34, 3), 2) == card.score
    assert (0.999, 3, 26.25) == (card.confidence.value, card.confidence.n, card.confidence.window_h)


def test_the_path_runs_from_the_receipt_to_the_customer() -> None:
    card = told().cards[CARD_ID]

    assert [
        ("receipt/P2/PO-712", "supplies", "item/P2/M-7"),
        ("run/P2/R-88", "consumes", "item/P2/M-7"),
        ("order/P2/4480", "needs", "run/P2/R-88"),
        ("order/P2/4480", "ships_on", "shipment/P2/north@1795777200"),
        ("customer/P2/northwind", "placed", "order/P2/4480"),
    ] == [(step.from_id, step.relation, step.to_id) for step in card.path]
    by_id = {each.event_id: each.kind for each in events()}
    kinds = {by_id[event_id] for event_id in card.evidence}
    assert {
        "stock_reported",
        "receipt_expected",
        "material_consumed",
        "run_planned",
        "bill_of_material_upserted",
    } == kinds


def test_the_signal_says_what_since_when_and_how_it_was_found() -> None:
    (signal,) = told().on(topics.SIGNALS)

    assert ("shortage_projected", "M-7", "R-88", "L2", "allocation", 7_072.0, 0.999, 3, nov(24, 8)) == (
        signal.signal,
        signal.item_id,
        signal.run_id,
        signal.line_id,
        signal.method,
        signal.statistic,
        signal.confidence,
        signal.n,
        signal.since,
    )


def test_before_the_receipt_was_put_off_nothing_was_said() -> None:
    folded = Folded()
    for number, each in enumerate(events()):
        if each.event_time < nov(24, 8):
            folded.fold(Facts(group_id="P2", segments=[segment_of("case", number, each)]))

    assert ({}, []) == (folded.cards, folded.on(topics.SIGNALS))
    assert nov(26, 14).timestamp() == folded.twin.model.lines["P2", "L2"].projected["R-88"].finish_at


def test_why_tells_what_the_run_waits_for() -> None:
    folded = told()
    now = folded.twin.now
    assert now is not None
    said = why_order(folded.twin.model, folded.twin.model.orders["P2", "4480"], now)
    of_run = {step.what: step.formula for step in said.steps[0].steps}

    assert (
        "2,400 of 6,400 pieces not before Fri 27 Nov 10:00: 24.00 h lost"
        == of_run["waits for M-7, which comes with PO-712"]
    )


def test_a_faster_delivery_clears_it() -> None:
    """7,500 more on Wed 16:00: R-88 needs 4,992 from 18:00 on, R-91 has 2,508 of 3,120; its last are due Fri 14:00."""
    folded = told_anew()
    sooner: dict[str, Any] = {
        "receipt_id": "PO-713",
        "item_id": "M-7",
        "quantity": 7_500.0,
        "expected_at": nov(25, 16),
    }
    folded.tell(event("receipt_expected", nov(24, 9), site_id="P2", **sooner))
    for minute in (0, 1, 61):
        folded.tick(nov(24, 9) + timedelta(minutes=minute, seconds=1))
    card = folded.cards[CARD_ID]

    assert (CardState.CLEARED, "there is enough of it again") == (card.state, card.update_reason)
    assert ["shortage_projected", "shortage_cleared"] == [
        signal.signal for signal in folded.on(topics.SIGNALS) if signal.item_id == "M-7"
    ]


def test_numbers_are_recomputed_from_the_documents_and_a_restored_twin_says_the_same() -> None:
    folded = told()
    now = folded.twin.now
    assert now is not None

    assert recompute(folded.documents, now) == picture_of(folded.twin.model, now)
    assert {("P2", "M-7"): (7_072.0, nov(25, 18).timestamp(), nov(24, 18).timestamp(), 0.999)} == {
        key: (round(short, 6), need_by, order_by, sure)
        for key, (short, need_by, order_by, sure) in picture_of(folded.twin.model, now).missing.items()
    }
    restored = Twin.restore(folded.twin.header(), folded.documents)
    assert folded.twin.digest == restored.digest
    assert picture_of(folded.twin.model, now) == picture_of(restored.model, now)


def test_the_replayed_file_has_the_same_card() -> None:
    result = replay([CASE], mapping=None, twin_factory=Twin, until=nov(24, 8), tick_s=900)
    card: Card = result.cards[CARD_ID]
    mine = told().cards[CARD_ID]

    assert [CARD_ID] == list(result.cards)
    assert (mine.title, mine.summary, mine.impact, mine.shortage) == (
        card.title,
        card.summary,
        card.impact,
        card.shortage,
    )
