"""ERP and MES contradict each other: which value, from whom, since when. examples/cases/conflict.ndjson

Line 1 makes 100 an hour. R-1 is for #7101, 1,000 pieces, from Mon 06:00: it ends 16:00, an hour before the truck of 17:00.
At 08:00 ERP says 1,200 pieces; they end at 18:00, after the truck. At 09:00 MES says 1,000 again. From then on the two
contradict each other; a difference may settle within 30 min, at 09:30 it is told. The later word is used, 1,000. If ERP
is right, 200 more pieces take 2 h, and there is 1 h of room: #7101 misses its truck, one day, 500.
Score: 0.5 x 500 x 1 x urgency; from 09:30 to 17:00 are 7.5 h: 24 / 31.5 = 0.762; 190.50.
At 10:15 MES says 1,200 too: they agree, and the plan itself ends an hour late, as it did from 08:00 to 09:00: that card
went an hour later, at 10:00, and a second one comes.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import Card, CardKind, CardState
from tests.unit.cases import open_cards, played

BERLIN = ZoneInfo("Europe/Berlin")


def mon(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=BERLIN)


def conflicts(until: datetime) -> list[Card]:
    return [card for card in open_cards("conflict", until) if card.kind is CardKind.DATA_CONFLICT]


def test_it_may_settle_for_half_an_hour() -> None:
    assert [] == conflicts(mon(9, 29))


def test_then_it_says_which_value_from_whom_since_when() -> None:
    [card] = conflicts(mon(9, 30))

    assert "data_conflict/bremen/run/R-1/1" == card.card_id
    assert "Contradiction about quantity of R-1: mes says 1,000 pieces, erp says 1,200 pieces" == card.title
    assert (
        "mes says 1,000 pieces since Mon 2 Mar 09:00. erp says 1,200 pieces since Mon 2 Mar 08:00. "
        "Forecasts use the later word, that of mes. "
        "If the other is right, 1 order will be late: 500 EUR in penalty. "
        "Owner: S. Adler. Decide by Mon 2 Mar 17:00 (the first goods must be ready)."
    ) == card.summary
    assert card.data is not None
    assert [("mes", "1,000 pieces", mon(9)), ("erp", "1,200 pieces", mon(8))] == [
        (claim.source, claim.value, claim.since) for claim in card.data.claims
    ]
    assert (0.5, 500.0, 1.0, 0.762) == tuple(term.value for term in card.rank_terms)
    assert 190.5 == card.score
    assert (mon(17), mon(9)) == (card.deadline, card.cause.since)
    assert ["conflict-15", "conflict-14"] == card.evidence


def test_it_goes_when_they_agree_and_the_plan_that_is_left_is_judged() -> None:
    result = played("conflict", mon(10, 16))
    settled = result.cards["data_conflict/bremen/run/R-1/1"]
    [left] = result.ranked()

    assert (CardState.CLEARED, "the systems agree again") == (settled.state, settled.update_reason)
    assert ("plan_infeasible/bremen/line/L1/2", "plan") == (left.card_id, left.cause.signal)
    assert "The plan itself ends too late, by 1 working hour of Line 1" == left.cause.in_words
