"""The seed case "23 bad pieces, not 1,400", by hand; its events are examples/cases/quality.ndjson.

Line 5 makes brackets for #5001 of Contoso, 20,000 in R-51, counted at the welder every ten minutes, 110 at a time. From
08:00 to 10:00 it makes 1,320 with 7 bad; 0.5 % are expected, which counts for 200 pieces with one bad: base rate
(1 + 7) / (200 + 1,320) = 0.526 %. From 10:00 on 7, 8 and 8 are bad: 23 of 330 = 6.97 %, 13 times as many.
Good so far: 1,313 + 307 = 1,620; 18,380 to go, which are 18,380 / 0.9303 = 19,757 made and 1,377 more bad ones: 1,400 in
all. At 1.20 a piece 1,652.40 can still be saved. The last inspection without a fault was at 09:40: two counts of 110
before the change and 330 since, 550 pieces, are to be held back.
The run ends: 656.7 good an hour at 99.5 % yield are 660 made; 19,757 / 660 = 29.93 h from 10:30: Wed 08:26.
"""

import math
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bench.quality import false_alarms, time_to_detect
from schemas import Card, Severity, topics
from streams.replay import replay
from tests.folding import Folded, at, count, event, order, run, small_plant
from twin import Twin
from twin.forecast.lookahead import expected_yield_of
from twin.quality.bad_share import (
    QUALITY_TRANSITIONS,
    QualityBucket,
    QualityChange,
    QualityPhase,
    QualityState,
    detect,
    prior_of,
    read,
    step,
)

CASE = Path(__file__).parents[2] / "examples" / "cases" / "quality.ndjson"
BERLIN = ZoneInfo("Europe/Berlin")


def nov(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=BERLIN)


def cards_at(clock: str) -> list[Card]:
    return [*replay([CASE], None, Twin, nov(23, clock)).cards.values()]


def test_twenty_three_bad_pieces_and_not_1400() -> None:
    [card] = cards_at("10:30")
    quality = card.quality

    assert quality is not None
    assert "quality_risk/plant-1/station/ST-2/1" == card.card_id
    assert (
        "Welder of Line 5 makes 7.0 % of brackets bad: 23 pieces so far, 1,400 at the end of R-51 if nothing is done"
        == card.title
    )
    assert (
        "Welder of Line 5 has 7.0 % bad since Mon 23 Nov 10:00, 0.5 % before: 23 of 330 made. "
        "If nothing is done it is 1,400 at the end of R-51: 1,652 EUR of scrap that can still be avoided. "
        "Hold back 550 pieces made since Mon 23 Nov 09:40 (the last clean inspection). "
        "Behind it: #5001 for Contoso. Owner: K. Adler. Decide by Wed 25 Nov 08:26 (R-51 ends)."
        == card.summary
    )
    assert (0.00526, 0.0697, 330.0, 23.0, 1400.0) == (
        quality.base_rate,
        quality.rate,
        quality.made_quantity,
        quality.bad_quantity,
        quality.projected_bad_quantity,
    )
    assert (nov(23, "09:40"), nov(23, "10:30"), 550.0) == (
        quality.containment_from,
        quality.containment_to,
        quality.containment_quantity,
    )
    assert {"scrapped_value": 1652.4} == card.impact.parts
    assert (Severity.MEDIUM, "3 times as many bad pieces as before") == (card.severity, card.severity_because)
    assert ("K. Adler", "quality lead of the rules") == (card.owner.name, card.owner.rule)
    assert abs((card.deadline or nov(23, "00:00")) - nov(25, "08:26")) < timedelta(minutes=1)
    assert ("quality", nov(23, "10:00"), 0.06443) == (card.cause.signal, card.cause.since, card.cause.delta)
    assert [("5001", 0.0)] == [(each.order_id, each.exposure) for each in card.affected]
    assert ["q24", "q27", "q28", "q29", "q12"] == card.evidence
    assert [
        ("station/plant-1/ST-2", "part_of", "line/plant-1/L5"),
        ("run/plant-1/R-51", "on", "line/plant-1/L5"),
        ("order/plant-1/5001", "needs", "run/plant-1/R-51"),
    ] == [(each.from_id, each.relation, each.to_id) for each in card.path[:3]]


def test_two_counts_are_too_few_to_tell_a_burst_from_a_shift() -> None:
    assert [] == cards_at("10:20")


# The test itself


def buckets(*bad: float, pieces: float = 100.0) -> list[QualityBucket]:
    return [
        QualityBucket(index * 600.0, index * 600.0 + 600.0, pieces, each, 0.0, "R")
        for index, each in enumerate(bad)
    ]


def test_the_change_is_found_dated_and_judged_against_the_history_before_it() -> None:
    """Ten buckets with 1 of 100, then three with 8: base (1 + 10) / (200 + 1,000), rate 24 / 300."""
    found = detect(QualityState(), buckets(*[1.0] * 10, 8.0, 8.0, 8.0), prior_of(0.0))

    assert found is not None
    assert (6000.0, 24.0, 300.0, 3) == (found.since_s, found.pieces.bad, found.pieces.made, found.n_buckets)
    assert (11 / 1200, 0.08, 1000.0) == (found.base_rate, found.rate, found.base_pieces)


def test_the_statistic_is_the_likelihood_of_two_rates_over_that_of_one() -> None:
    """11 of 1,200 and 24 of 300, or 35 of 1,500."""

    def log_likelihood(made: float, bad: float) -> float:
        return bad * math.log(bad / made) + (made - bad) * math.log(1.0 - bad / made)

    found = detect(QualityState(), buckets(*[1.0] * 10, 8.0, 8.0, 8.0), prior_of(0.0))
    by_hand = log_likelihood(1200, 11) + log_likelihood(300, 24) - log_likelihood(1500, 35)

    assert found is not None
    assert 19.9 == round(by_hand, 1)
    assert abs(by_hand - found.statistic) < 1e-9  # neighbours differ by less than chance: nothing clusters


def test_one_burst_is_no_shift_however_large() -> None:
    assert detect(QualityState(), buckets(*[1.0] * 10, 60.0, 1.0, 1.0), prior_of(0.0)) is None


def test_a_rate_that_was_always_high_becomes_the_base_and_raises_nothing() -> None:
    """5 % from the first piece on, where none was expected."""
    state, change = step(QualityState(), buckets(*[5.0] * 40), prior_of(0.0))

    assert (QualityPhase.NONE, None) == (state.phase, change)


def test_a_shift_is_cleared_when_the_newest_pieces_are_as_before_and_can_rise_again() -> None:
    history = [1.0] * 10 + [8.0] * 4
    state, risen = step(QualityState(), buckets(*history), prior_of(0.0))
    assert risen is not None
    assert "shifted" == risen.kind
    good: list[float] = []
    change: QualityChange | None = None
    while change is None or change.kind != "cleared":
        good.append(1.0)
        state, change = step(state, buckets(*history, *good), prior_of(0.0))
        assert len(good) < 10
    assert QualityPhase.NONE is state.phase
    assert 14 * 600.0 == state.evidence_from_s
    # The bad ones are no part of the new base: 1 % of 1,000 before, with the prior.
    assert (1000.0, 10.0) == (state.before.made, state.before.bad)
    again = [*history, *good, 8.0, 8.0, 8.0]
    state, change = step(state, buckets(*again), prior_of(0.0))
    assert change is not None
    assert ("shifted", (14 + len(good)) * 600.0) == (change.kind, change.reading.since_s)


def test_a_correction_that_takes_the_bad_pieces_back_takes_the_shift_back() -> None:
    state, _ = step(QualityState(), buckets(*[1.0] * 10, 8.0, 8.0, 8.0), prior_of(0.0))
    state, change = step(state, buckets(*[1.0] * 13), prior_of(0.0))

    assert change is not None
    assert ("cleared", QualityPhase.NONE) == (change.kind, state.phase)


def test_a_reading_of_a_shift_is_that_of_the_step_that_raised_it() -> None:
    history = buckets(*[1.0] * 10, 8.0, 8.0, 8.0)
    state, change = step(QualityState(), history, prior_of(0.0))

    assert change is not None
    assert change.reading == read(state, history, prior_of(0.0))


def test_every_phase_is_reached_and_left() -> None:
    assert set(QualityPhase) == set(QUALITY_TRANSITIONS)
    assert set(QualityPhase) == {after for moves in QUALITY_TRANSITIONS.values() for after in moves.values()}


def test_steady_lines_do_not_alarm_and_five_times_as_many_bad_ones_are_found_soon() -> None:
    """One alarm in 100 line-days is allowed; five times 1 % is found within 400 pieces, half of the times."""
    assert 0 == false_alarms(random.Random(3), "independent", 0.01, 15, 0.01)
    rng = random.Random(4)
    delays = sorted(
        math.inf if found is None else found[0]
        for found in (time_to_detect(rng, "independent", 0.01, 5.0, 0.01) for _ in range(7))
    )

    assert delays[3] <= 400.0


# In the twin


@pytest.fixture
def line() -> Folded:
    """Line 1 on R1, 2,400 pieces at 100 an hour, for #1 without a truck, due Tuesday 15:00: an hour to spare."""
    folded = Folded()
    folded.tell(
        *small_plant(),
        # Counts come each half hour: that is no silence here.
        event("rules_updated", at(0, "00:00"), rules={"stale_after_min": 600.0}),
        order("1", at(1, "15:00"), quantity=2400.0, route_id=None),
        run("R1", "L1", at(0, "06:00"), at(1, "14:00"), quantity=2400.0, pegs=["1"]),
    )
    folded.tick(at(0, "06:00"))
    folded.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    return folded


BEGIN = at(0, "06:00")


def make(folded: Folded, *bad: float, since: datetime = BEGIN, name: str = "scrap_count", **fields: Any) -> datetime:  # fmt: skip
    """Half hours of 50 pieces each, so many of them bad; says when the last one ended."""
    when = since
    for each in bad:
        when += timedelta(minutes=30)
        folded.tick(when)
        folded.tell(count("L1", "R1", when, 50.0 - each, **{name: each}, **fields))
    folded.tick(when + timedelta(seconds=1))
    return when


STEADY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]


def test_lost_yield_makes_an_order_late_and_the_order_belongs_to_the_quality_card(line: Folded) -> None:
    """600 pieces with 3 bad by 12:00, then 10 of 50 three times: 20 %. Good: 597 + 120; 1,683 to go at 80 an hour are
    21.04 h: 8.5 h of Monday, 12.54 h of Tuesday: 18:32, 3.54 h late, a day: 1,000. 421 more bad ones."""
    make(line, *STEADY, 10.0, 10.0, 10.0)
    [card] = line.cards.values()
    [late] = card.affected

    assert "quality_risk/S1/line/L1/1" == card.card_id
    assert ("1", 3.5375, 1000.0) == (late.order_id, late.overhang_h, late.exposure)
    assert {"scrapped_value": 0.0, "penalty": 1000.0} == card.impact.parts
    assert 451.0 == card.impact.projected_bad_quantity
    assert "what a piece costs is unknown" in card.summary
    assert "quality" == line.on(topics.ORDER_PROJECTIONS)[-1].binding_cause
    assert ["quality_shifted"] == [body.signal for body in line.on(topics.SIGNALS)]


def test_while_more_is_bad_the_yield_is_that_since_the_change_and_after_it_the_run_s_own(
    line: Folded,
) -> None:
    """Before: (597 + 200) / (600 + 200). Then 0.8; the blend would say (717 + 200) / 950 = 0.965."""
    l1, r1 = line.twin.model.lines["S1", "L1"], line.twin.model.runs["S1", "R1"]
    when = make(line, *STEADY)
    assert 797 / 800 == expected_yield_of(l1, r1)
    when = make(line, 10.0, 10.0, 10.0, since=when)
    assert 0.8 == expected_yield_of(l1, r1)
    when = make(line, *[0.0] * 6, since=when)

    assert ["quality_shifted", "quality_cleared"] == [body.signal for body in line.on(topics.SIGNALS)]
    assert (1017 + 200) / (1050 + 200) == expected_yield_of(l1, r1)


def test_the_card_goes_when_the_share_of_bad_pieces_is_as_before(line: Folded) -> None:
    when = make(line, *STEADY, 10.0, 10.0, 10.0)
    when = make(line, *[0.0] * 8, since=when)
    card = line.cards["quality_risk/S1/line/L1/1"]

    assert ("cleared", "the share of bad pieces is as before") == (card.state, card.update_reason)


def test_rework_counts_as_bad_and_is_no_scrap(line: Folded) -> None:
    line.tell(event("item_upserted", at(0, "06:00"), item_id="red", setup_family="red", unit_cost=2.0))
    make(line, *STEADY, 10.0, 10.0, 10.0, name="rework_count")
    [card] = line.cards.values()

    assert (30.0, 0.0) == (card.impact.bad_quantity, card.impact.parts["scrapped_value"])


def test_a_corrected_count_takes_the_card_back(line: Folded) -> None:
    """Not 10 of 50 three times but none: 30 of them were good."""
    make(line, *STEADY, 10.0, 10.0, 10.0)
    for clock in ("12:30", "13:00", "13:30"):
        told: dict[str, Any] = {"line_id": "L1", "run_id": "R1", "good_delta": 10.0, "scrap_delta": -10.0}
        line.tell(event("count_corrected", at(0, clock), **told))
    line.tick(at(0, "14:05"))
    line.tick(at(0, "14:40"))

    assert ["cleared"] == [card.state for card in line.cards.values()]
    assert 0.0 == sum(
        bucket.bad
        for series in line.twin.model.lines["S1", "L1"].quality.series.values()
        for bucket in series.buckets
        if bucket.start_s >= at(0, "12:00").timestamp()
    )


def test_inspections_find_what_counts_do_not_tell(line: Folded) -> None:
    """Every half hour 25 pieces are looked at: none bad twelve times, then 5, 5, 5. The counts say all good."""
    when = at(0, "06:00")
    for bad in [0.0] * 12 + [5.0] * 3:
        when = make(line, 0.0, since=when)
        told: dict[str, Any] = {
            "line_id": "L1",
            "run_id": "R1",
            "inspected_count": 25.0,
            "bad_count": bad,
            "station_id": "ST",
        }
        line.tell(event("quality_recorded", when, **told))
    line.tick(when + timedelta(minutes=1))
    [card] = line.cards.values()

    assert card.quality is not None
    assert ("quality_risk/S1/station/ST/1", "ST", 15.0, 75.0) == (
        card.card_id,
        card.quality.station_id,
        card.quality.bad_quantity,
        card.quality.made_quantity,
    )
    # Held back: what was counted since the clean inspection at 12:00, 150 pieces.
    assert (at(0, "12:00"), 150.0) == (card.quality.containment_from, card.quality.containment_quantity)
    assert "15 of 75 inspected" in card.summary


def test_bad_pieces_of_a_setup_are_no_shift(line: Folded) -> None:
    when = make(line, *STEADY)
    line.tell(event("setup_started", when, line_id="L1", run_id="R1"))
    make(line, 40.0, 40.0, 40.0, since=when)

    assert {} == line.cards


def test_a_restored_twin_knows_the_pieces_it_had(line: Folded) -> None:
    when = make(line, *STEADY, 10.0, 10.0, 10.0)
    restored = Twin.restore(line.twin.header(), line.documents)
    before, after = (twin.model.lines["S1", "L1"].quality for twin in (line.twin, restored))

    assert [*before.series] == [*after.series]
    for key, series in before.series.items():
        assert (series.hot, series.buckets) == (after.series[key].hot, after.series[key].buckets)
    assert [series.key for series in before.risen] == [series.key for series in after.risen]
    assert when == at(0, "13:30")


def test_series_that_nothing_was_heard_of_for_long_are_forgotten(line: Folded) -> None:
    make(line, *STEADY)
    for day in (36, 37):
        line.tick(at(day, "00:00"))

    assert {} == line.twin.model.lines["S1", "L1"].quality.series
    assert [] == [key for key in line.documents if "/quality" in key]
