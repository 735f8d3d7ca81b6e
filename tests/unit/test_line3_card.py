"""The Line 3 case, by hand: what a planner with paper and calendar gets, the card must say.

460 instead of 500 good pieces an hour from Tue 17 Nov 06:00. R-4470: 12,000 / 460 = 26 h 05:13, ends Wed 16:05:13;
setup 30 min; R-4471 from 16:35:13 makes 5.4131 h x 460 = 2,490 on Wednesday and 920 by Thu 08:00 = 3,410; 26,340
remain = 57.2609 h of 16 h days: Thu 14, Fri 16, Mon 16, and 11.2609 on Tuesday: 17:15:39. The truck left at 12:00:
5.2609 h short. Two days to Thursday's truck: 2 x 2,500 = 5,000. Margin 29,750 x 0.14 = 4,165, less 5,000 = -835.
Overtime 5.26 h x 780 = 4,102.80, leaves 62.20 = 0.05 % of 119,000; 5,000 - 4,102.80 = 897.20 better than late.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from schemas import Card, CardState, Facts, Severity, topics
from streams.simulator.line3 import line3_events
from tests.folding import Folded, segment_of

BERLIN = ZoneInfo("Europe/Berlin")


def nov(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)


@cache
def told_until(moment: datetime) -> Folded:
    """The story up to a moment; told once for all tests that only look at it."""
    return told_anew(moment)


def told_anew(moment: datetime) -> Folded:
    folded = Folded()
    for number, event in enumerate(line3_events(until=moment)):
        folded.fold(Facts(group_id=event.site_id, segments=[segment_of("story", number, event)]))
    return folded


def the_card(folded: Folded) -> Card:
    assert ["delivery_risk/plant-1/line/L3/1"] == list(folded.cards)
    return folded.cards["delivery_risk/plant-1/line/L3/1"]


def test_the_card_on_thursday_says_what_paper_says() -> None:
    card = the_card(told_until(nov(19, 8)))
    worst = card.affected[0]
    rescue = card.impact.rescue

    assert rescue is not None
    assert (
        "#4471 for Northwind will miss its truck of Tue 24 Nov: it ships Thu 26 Nov 12:00, 2 days late"
        == card.title
    )
    assert (
        "Line 3 has run 8.0 % under plan since Tue 17 Nov 06:00 (no stoppage logged). "
        "Late costs 5,000 EUR in penalty (margin 4,165 becomes -835). "
        "5.26 h of overtime cost 4,103 EUR, hold the date with 90 % probability and leave 62 EUR (0.05 %). "
        "Owner: R. Okafor. Decide by Fri 20 Nov 14:00 (overtime notice)." == card.summary
    )
    assert ["4471"] == [each.order_id for each in card.affected]
    assert worst.ready_at is not None
    assert abs(worst.ready_at - nov(24, 17, 15) - timedelta(seconds=39)) < timedelta(seconds=2)
    assert nov(26, 12) == worst.ships_at
    assert 2 * 86_400.0 == worst.slip_s
    assert 5.2609 == worst.overhang_h
    assert (5000.0, 4165.0, -835.0) == (
        card.impact.exposure,
        card.impact.margin_before,
        card.impact.margin_if_late,
    )
    assert (5.26, 4102.8, 897.2) == (rescue.overtime_h, rescue.cost, rescue.net_benefit)
    assert (62.2, 0.000523) == (rescue.margin_after, rescue.margin_after_fraction)
    assert nov(20, 14) == card.deadline
    assert nov(24, 12) == card.need_by
    assert ("R. Okafor", "supervisor of Line 3") == (card.owner.name, card.owner.rule)
    assert ("drift", -0.08, nov(17, 6)) == (card.cause.signal, card.cause.delta, card.cause.since)


def test_the_card_stands_on_tuesday_and_turns_severe_on_thursday_at_six() -> None:
    cards = [
        (card.as_of.astimezone(BERLIN), card.severity) for card in told_until(nov(19, 8)).on(topics.CARDS)
    ]

    assert cards[0][0] < nov(17, 22)
    assert {Severity.HIGH} == {severity for as_of, severity in cards if as_of < nov(19, 6)}
    assert (nov(19, 6), Severity.CRITICAL) == cards[-1]


def test_the_path_runs_from_line_to_customer() -> None:
    card = the_card(told_until(nov(19, 8)))

    assert [
        ("run/plant-1/R-4471", "on", "line/plant-1/L3"),
        ("order/plant-1/4471", "needs", "run/plant-1/R-4471"),
        ("order/plant-1/4471", "ships_on"),
        ("customer/plant-1/northwind", "placed", "order/plant-1/4471"),
    ] == [
        (step.from_id, step.relation, step.to_id)[: 2 if step.relation == "ships_on" else 3]
        for step in card.path
    ]
    assert all(step.event_id for step in card.path)


def test_the_other_orders_were_looked_at_and_keep_their_slack() -> None:
    """#4470: Wed 16:05:13 to Fri 12:00 = 43.91 h. #4472: Wed 25 19:09:08 to Fri 27 12:00 = 40.85 h."""
    folded = told_until(nov(19, 8))
    line = folded.twin.model.lines["plant-1", "L3"]
    finish = line.projected["R-4472"].finish_at
    ended = folded.twin.model.runs["plant-1", "R-4470"].progress.ended_at
    assert ended is not None

    assert 43.91 == round((nov(20, 12).timestamp() - ended) / 3600, 2)
    # Pieces are whole and rates are shrunk: seconds, where the case allows half an hour.
    assert abs(finish - nov(25, 19, 9).timestamp() - 8) < 30
    assert 40.85 == round((nov(27, 12).timestamp() - finish) / 3600, 2)


def test_when_the_notice_is_gone_the_card_says_so() -> None:
    """After Friday 14:00 nobody can be called in for Saturday: no rescue, and the truck itself is the deadline."""
    card = the_card(told_until(nov(20, 14, 30)))

    assert card.impact.rescue is None
    assert (nov(24, 12), "goods must be ready") == (card.deadline, card.deadline_because)
    assert "No overtime on offer holds the date." in card.summary


def test_an_order_that_ships_clears_its_card() -> None:
    folded = told_anew(nov(19, 8))
    shipped = {"kind": "order_shipped", "order_id": "4471", "shipped_pcs": 29_750.0}
    event = {**shipped, "event_id": "s", "event_time": nov(19, 8).isoformat(), "site_id": "plant-1"}
    segment = {"topic": "more", "partition": 0, "positions": [(0, 0)], "events": [event]}
    folded.fold(Facts.model_validate({"group_id": "plant-1", "segments": [segment]}))
    card = the_card(folded)

    assert CardState.CLEARED == card.state
    assert "every affected order was shipped or cancelled" == card.update_reason
    assert card.as_of.tzinfo is UTC or card.as_of.utcoffset() == timedelta(0)
