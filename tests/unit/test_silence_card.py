"""Silence is never "on plan": what a planner with paper gets, the card must say. examples/cases/silence.ndjson

Line 1 makes 120 an hour, 06:00-22:00. R-1, 1,680 pieces from Mon 06:00, ends Mon 20:00; #7001 goes with the truck of
Tue 07:00: 2 h of work on Monday evening and 1 h on Tuesday morning are left, 3 h of room. A count of 20 comes every
10 min, the last at Mon 10:00. Silent means 30 min, or four times the usual pause: 4 x 10 = 40 min. At 10:40 nobody knows
whether the line runs. If it stands from 10:00 until the shift ends at 22:00, 12 h are lost, more than 3 h: #7001 misses
its truck, one day, 600. It can stand until 10:00 + 3 h = 13:00. #7002 would lose nothing: R-2 ends Tue 10:00, its truck
leaves on Friday 07:00: 12 + 16 + 16 + 1 = 45 h of room.
Score: 0.5 x 600 x 1 x urgency; from 10:40 to 13:00 are 2.333 h: 24 / 26.333 = 0.911; 273.30.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from schemas import CardKind, CardState, Event, Facts, Severity, topics
from tests.folding import Folded, at, count, event, run, segment_of, small_plant
from tests.unit.cases import open_cards, played, read_events, the_card

BERLIN = ZoneInfo("Europe/Berlin")


def mon(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=BERLIN)


def test_a_minute_earlier_it_is_only_quiet() -> None:
    assert [] == open_cards("silence", mon(10, 39))


def test_at_twenty_to_eleven_nobody_knows_whether_the_line_runs() -> None:
    card = the_card("silence", mon(10, 40))

    assert ("data_stale/berlin/line/L1/1", CardKind.DATA_STALE) == (card.card_id, card.kind)
    assert "Line 1 is silent since Mon 2 Mar 10:00: nobody knows whether it runs" == card.title
    assert (
        "The last word of Line 1 came at Mon 2 Mar 10:00. It usually speaks every 10 min of working time. "
        "If it has stood since then and stands until Mon 2 Mar 22:00, 1 order will be late: 600 EUR in penalty. "
        "Owner: S. Adler. Decide by Mon 2 Mar 13:00 (if it stands, #7001 misses its date from then on)."
    ) == card.summary
    assert ("silence", mon(10)) == (card.cause.signal, card.cause.since)
    assert {"penalty": 600.0} == card.impact.parts
    assert [("7001", -3.0, 600.0)] == [
        (each.order_id, each.overhang_h, each.penalty) for each in card.affected
    ]
    assert (mon(13), Severity.MEDIUM) == (card.deadline, card.severity)
    assert ("S. Adler", "supervisor of Line 1") == (card.owner.name, card.owner.rule)
    assert (0.5, 600.0, 1.0, 0.911) == tuple(term.value for term in card.rank_terms)
    assert 273.3 == card.score
    assert card.data is not None
    [last_word] = card.data.claims
    assert ("running R-1, 480 good pieces", mon(10), "silence-37") == (
        last_word.value,
        last_word.since,
        last_word.event_id,
    )
    assert ["silence-37"] == card.evidence


def test_the_first_word_clears_it_at_once() -> None:
    """180 pieces in 1.5 h: it ran on plan all the time."""
    result = played("silence", mon(11, 30))
    [card] = result.cards.values()

    assert [] == result.ranked()
    assert (CardState.CLEARED, "its data come again") == (card.state, card.update_reason)
    assert card.as_of <= mon(11, 30).astimezone(UTC)


def test_forecasts_that_rest_on_the_silent_line_say_so_until_it_speaks() -> None:
    folded = Folded()
    for number, each in enumerate(read_events("silence")):
        if each.event_time > mon(10):
            break
        folded.fold(Facts(group_id="berlin", segments=[segment_of("case", number, each)]))
        folded.tick(each.event_time)
    folded.tick(mon(10, 40))
    silent = {body.order_id: body.caveats for body in folded.on(topics.ORDER_PROJECTIONS)}
    folded.tell(
        event("count_reported", mon(11, 30), site_id="berlin", line_id="L1", run_id="R-1", good_count=180.0)
    )
    folded.tick(mon(11, 31))
    spoken = {body.order_id: body.caveats for body in folded.on(topics.ORDER_PROJECTIONS)}

    words = "Line 1 is silent since Mon 2 Mar 10:00: nobody knows whether it runs"
    assert {"7001": [words], "7002": [words]} == silent
    assert {"7001": [], "7002": []} == spoken
    signals = [(each.signal, each.line_id, each.since, each.evidence) for each in folded.on(topics.SIGNALS)]
    assert [
        ("data_stale", "L1", mon(10), ["silence-37"]),
        ("data_fresh", "L1", mon(10), ["silence-37"]),
    ] == signals


def test_a_hole_in_the_numbers_of_a_source_is_told_after_an_hour_and_goes_when_it_is_filled() -> None:
    """Numbers 1, 2, then 6 at 07:00: 3 to 5 are missing. At 08:00 an hour is over; at 08:10 they come after all."""
    folded = Folded()
    folded.tell(*small_plant(), run("R1", "L1", at(0, "06:00"), at(0, "14:00")))
    folded.tick(at(0, "06:00"))

    def counted(clock: str, number: int) -> Event:
        return count(
            "L1", "R1", at(0, clock), 10.0, source_id="gw", source_sequence=number, event_id=f"c{number}"
        )

    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1", source_id="gw", source_sequence=1)
    )
    folded.tell(counted("06:50", 2), counted("07:00", 6))
    folded.tick(at(0, "07:59"))
    folded.tell(counted("07:58", 7))
    assert {} == folded.cards
    folded.tick(at(0, "08:00"))
    [card] = folded.cards.values()
    assert "3 messages of Line 1 did not come, missing since Mon 2 Mar 07:00" == card.title
    assert "gw numbers its messages: 3 to 5 have not come by now." in card.summary
    assert card.data is not None
    assert 3 == card.data.missing

    folded.tell(counted("07:01", 3), counted("07:02", 4), counted("07:03", 5))
    folded.tick(at(0, "08:11"))
    assert CardState.CLEARED is folded.cards[card.card_id].state


def test_a_source_that_numbers_several_lines_together_leaves_no_hole() -> None:
    folded = Folded()
    folded.tell(*small_plant(), run("R1", "L1", at(0, "06:00"), at(0, "14:00")))
    folded.tick(at(0, "06:00"))
    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1", source_id="gw", source_sequence=1),
        event("state_changed", at(0, "06:01"), line_id="L2", state="IDLE", source_id="gw", source_sequence=2),
        count("L1", "R1", at(0, "07:00"), 100.0, source_id="gw", source_sequence=6),
        count("L1", "R1", at(0, "08:00"), 100.0, source_id="gw", source_sequence=7),
    )
    folded.tick(at(0, "08:10"))

    assert {} == folded.cards
