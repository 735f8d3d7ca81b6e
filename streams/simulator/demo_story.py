"""What the demo plays: the Line 3 case, and beside it four ordinary lines of another site with a week of their own.

They are another site's because forecasts of a site go by what all its lines have lived through: Line 3 is the same with
every seed, as it is on paper.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import merge
from itertools import chain

from schemas import ClockTicked, Event, Rules, RulesUpdated
from streams.simulator.clock import tick_times, with_clock
from streams.simulator.factory import Factory
from streams.simulator.line3 import line3_timed_events
from streams.simulator.line3_case import BEGIN, CALENDAR, SITE_ID, ZONE
from streams.simulator.settings import FactorySettings

FAST_STEP_S = 3_600.0
CAREFUL_STEP_S = 300.0
CAREFUL_S = 7_200.0
"""The last hours before the cards are shown are stepped as finely as counts come."""
LIVE_STEP_S = 30.0
OTHER_SITES = "north"
"""Begins the name of the site of the four lines."""
DECIDE_WITHIN_H = 7 * 24.0
LIVE_DAYS = 12
"""The story goes on so long after the cards are shown: to the last truck of the Line 3 case."""


def demo_events(seed: int, shown_at: datetime) -> Iterator[Event]:
    """The demo's events with their clock, fine-stepped once the cards are shown.

    Args:
        seed: of the four lines; Line 3 is the same with every seed.
        shown_at: when fast motion ends.
    """
    factory = Factory(
        FactorySettings(
            seed=seed,
            lines=4,
            days=(shown_at - BEGIN).days + LIVE_DAYS,
            start=BEGIN,
            zone=ZONE,
            skipped_lines=(3,),
            site_prefix=OTHER_SITES,
        )
    )
    begin_s, shown_s, end_s = BEGIN.timestamp(), shown_at.timestamp(), factory.settings.end_s
    careful_s = shown_s - CAREFUL_S
    fast = tick_times(CALENDAR.intervals(begin_s, careful_s), begin_s, careful_s, FAST_STEP_S, FAST_STEP_S)
    careful = tick_times([], careful_s + CAREFUL_STEP_S, shown_s, CAREFUL_STEP_S, CAREFUL_STEP_S)
    live = tick_times([], shown_s + LIVE_STEP_S, end_s, LIVE_STEP_S, LIVE_STEP_S)
    site_ids = [SITE_ID, *(site.site_id for site in factory.sites)]
    rules = [(begin_s, _patient(site_id)) for site_id in site_ids]
    timed = merge(line3_timed_events(), factory.timed_events(), rules, key=lambda timed: timed[0])
    return _for_each_site(with_clock(timed, chain(fast, careful, live), SITE_ID, ZONE), site_ids)


def _patient(site_id: str) -> Event:
    """Rules by which options wait: three days pass in half a minute before a visitor can decide on any."""
    return RulesUpdated(
        event_id=f"demo-rules/{site_id}",
        event_time=BEGIN,
        site_id=site_id,
        rules=Rules(proposal_valid_h=DECIDE_WITHIN_H),
    )


def _for_each_site(events: Iterable[Event], site_ids: list[str]) -> Iterator[Event]:
    """The same events, each tick told to every site: a clock is a site's own."""
    for event in events:
        if not isinstance(event, ClockTicked):
            yield event
            continue
        for site_id in site_ids:
            event_id = f"{event.event_id}/{site_id}"
            yield event.model_copy(update={"site_id": site_id, "event_id": event_id})


def up_to(events: Iterator[Event], until: datetime) -> Iterator[Event]:
    """Events until the clock has ticked at a moment; the iterator can be read on from there."""
    for event in events:
        yield event
        if isinstance(event, ClockTicked) and event.event_time >= until and event.site_id != SITE_ID:
            return
