"""More risks than a site may have cards: by hand, on lines that cost 100, 200, ... an hour while they stand."""

from datetime import timedelta

from schemas import Event, Facts, SiteStatus, Tick, topics
from tests.folding import Folded, at, event, run, small_plant, tick, wire
from twin import Twin

EIGHT = at(0, "08:00")
MINUTE = timedelta(minutes=1)


def lines(number: int, open_cards_max: int) -> Folded:
    """So many lines, M1 at 100 an hour and so on, each running since 06:00; it is 08:00, and each was heard of just now."""
    folded = Folded()
    said = at(0, "00:00")
    rules = {
        "rules_id": "r",
        "version": "1",
        "open_cards_max": open_cards_max,
        "clear_after_min": 5.0,
        "replan_min_gain": 1e9,
    }
    names = range(1, number + 1)
    folded.tell(*small_plant(), event("rules_updated", said, rules=rules))
    for n in names:
        folded.tell(
            event("line_upserted", said, line_id=f"M{n}", calendar_id="two-shifts", idle_cost_per_h=100.0 * n)
        )
        folded.tell(run(f"R{n}", f"M{n}", at(0, "06:00"), at(0, "14:00")))
    folded.tick(at(0, "06:00"))
    for n in names:
        folded.tell(event("run_started", at(0, "06:00"), line_id=f"M{n}", run_id=f"R{n}"))
    for n in names:
        folded.tell(event("count_reported", EIGHT, line_id=f"M{n}", run_id=f"R{n}", good_count=200.0))
    folded.tick(EIGHT)
    return folded


def down(n: int, minutes: float = 240.0) -> Event:
    """Line n stands for four hours: n x 400 money."""
    return event("run_held", EIGHT, line_id=f"M{n}", run_id=f"R{n}", expected_duration_min=minutes)


def open_lines(folded: Folded) -> list[str]:
    return sorted(card.card_id.split("/")[3] for card in folded.cards.values() if card.state == "open")


def status(folded: Folded) -> tuple[int, float, int, float]:
    last = folded.on(topics.SITES)[-1]
    assert isinstance(last, SiteStatus)
    return last.cards_open, last.cards_exposure, last.cards_set_aside, last.set_aside_exposure


def test_what_ranks_below_all_open_cards_is_set_aside_and_counted() -> None:
    """Two cards are allowed; M3 and M2 have them (1,200 and 800), M1 (400) is counted with its money."""
    folded = lines(3, 2)
    folded.tell(down(3), down(2), down(1))
    folded.tick(EIGHT + timedelta(seconds=10))

    assert ["M2", "M3"] == open_lines(folded)
    assert (2, 2_000.0, 1, 400.0) == status(folded)


def test_what_outranks_an_open_card_opens_up_to_twice_the_limit() -> None:
    """Rising: M1 and M2 are open at the limit of two; M3 and M4 outrank them; M5 finds four, and none goes for it."""
    folded = lines(5, 2)
    folded.tell(*(down(n) for n in range(1, 6)))
    folded.tick(EIGHT + timedelta(seconds=10))

    assert ["M1", "M2", "M3", "M4"] == open_lines(folded)
    assert (4, 4_000.0, 1, 2_000.0) == status(folded)


def test_the_worst_of_those_set_aside_opens_when_there_is_room() -> None:
    """M1 runs again: of M4 and M5, which wait, M5 has the room. The two above the limit do not count as room for M4."""
    folded = lines(5, 1)
    folded.tell(*(down(n) for n in range(1, 6)))
    before = open_lines(folded)
    folded.tell(event("run_resumed", EIGHT + MINUTE, line_id="M1", run_id="R1"))
    for minutes in range(1, 8):  # its card goes when it has run for clear_after_min
        folded.tick(EIGHT + minutes * MINUTE)

    assert (["M1", "M2"], ["M2", "M5"]) == (before, open_lines(folded))
    assert 2 == len(folded.twin.model.card_book.aside)


def test_a_risk_that_is_over_is_not_counted_any_more() -> None:
    folded = lines(2, 1)
    folded.tell(down(2), down(1))
    folded.tell(event("run_resumed", EIGHT + MINUTE, line_id="M1", run_id="R1"))
    folded.tick(EIGHT + MINUTE)

    assert (["M2"], {}) == (open_lines(folded), folded.twin.model.card_book.aside)


def test_a_twin_restored_among_risks_set_aside_goes_on_the_same() -> None:
    folded = lines(5, 1)
    folded.tell(*(down(n) for n in range(1, 6)))
    restored = Twin.restore(folded.twin.header(), folded.documents)
    records = [
        folded.log.of(event("run_resumed", EIGHT + MINUTE, line_id="M2", run_id="R2")),
        tick(EIGHT + 2 * MINUTE),
    ]
    ours = [output for record in records for output in folded.twin.apply(record)]
    theirs = [output for record in records for output in restored.apply(record)]

    assert wire(ours) == wire(theirs)
    assert folded.twin.take_changes() == restored.take_changes()
    assert folded.twin.digest == restored.digest


def test_a_site_says_how_it_stands_every_ten_seconds() -> None:
    folded = lines(1, 1)
    for second in range(1, 31):
        folded.fold(Facts(group_id="*", tick=Tick(now=EIGHT + timedelta(seconds=second))))

    assert [at(0, "06:00"), EIGHT, *(EIGHT + timedelta(seconds=each) for each in (10, 20, 30))] == [
        each.as_of for each in folded.on(topics.SITES)
    ]
