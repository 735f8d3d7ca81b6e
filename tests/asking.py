"""A small plant that asks the solver: two like lines, trucks at noon, and orders that a stop makes late."""

from datetime import datetime
from typing import Any

from schemas import Event, ReplanRequested, topics
from tests.folding import Folded, at, event, order, run, small_plant

START = at(0, "08:00")


def both_lines(*item_ids: str) -> list[Event]:
    """Routings by which either line makes these items at 100 an hour, in one step."""
    steps = [{"step": 1, "line_id": line_id, "rate_pcs_per_h": 100.0} for line_id in ("L1", "L2")]
    return [event("routing_upserted", at(0, "00:00"), item_id=each, steps=steps) for each in item_ids]


def tight_plan() -> list[Event]:
    """R1 runs on L1 and ends at 14:00 for a truck on Tuesday; R2 follows from 14:00 to 22:00 for that truck too.

    Tuesday's truck leaves at 12:00, six working hours after the night: R2 may lose six hours, no more.
    """
    return [
        order("1", at(1, "12:00")),
        order("2", at(1, "12:00"), penalty_per_day=500.0),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
        run("R2", "L1", at(0, "14:00"), at(0, "22:00"), pegs=["2"]),
    ]


def running(*more: Event, rules: dict[str, Any] | None = None) -> Folded:
    """L1 runs R1 as planned since 06:00; it is 08:00, L2 is free."""
    folded = Folded()
    said = [] if rules is None else [event("rules_updated", at(0, "00:00"), rules=rules)]
    folded.tell(*small_plant(), *both_lines("red", "blue"), *said, *tight_plan(), *more)
    folded.tick(at(0, "06:00"))
    folded.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    folded.tell(event("count_reported", START, line_id="L1", run_id="R1", good_count=200.0))
    folded.tick(START)
    return folded


def held(when: datetime, line_id: str = "L1", run_id: str = "R1", minutes: float | None = 480.0) -> Event:
    """A line stops, for so many minutes as is said."""
    return event("run_held", when, line_id=line_id, run_id=run_id, expected_duration_min=minutes)


def asked(folded: Folded) -> list[ReplanRequested]:
    """Requests so far."""
    return folded.on(topics.REPLAN_REQUESTS)
