"""Small plants with a full plan and one line that stands: something to decide about, drawn from a seed.

Lines of 100 pieces an hour, 06:00-22:00, three families with half an hour of setup between them, runs of two to six
hours, each for an order with a truck at noon; overtime on some lines, and at every third seed a second site.
"""

import random
from datetime import datetime, timedelta
from typing import Any

from schemas import Event
from tests.folding import Folded, at, event, order, run

FAMILIES = ("a", "b", "c")
SAID = at(0, "00:00")


def disrupted(seed: int) -> Folded:
    """The plant at Mon 06:31, a minute after its first line stopped for four to fifteen hours."""
    rng = random.Random(seed)
    lines = [("S1", "L1"), ("S1", "L2"), ("S1", "L3")] + ([("S2", "L9")] if seed % 3 == 0 else [])
    rules = {
        "rules_id": "r",
        "version": "1",
        "replan_min_gain": 0.0,
        "plan_frozen_h": rng.choice([0.0, 2.0]),
        "plan_firm_h": rng.choice([0.0, 2.0]),
    }
    folded = Folded()
    folded.tell(
        *_sites(lines), *_overtime(rng, lines), *_plan(rng, lines), event("rules_updated", SAID, rules=rules)
    )
    folded.tick(at(0, "06:00"))
    first = {key: folded.twin.model.lines[key].queued()[0].run_id for key in lines}
    started = [
        event("run_started", at(0, "06:00"), site_id=site, line_id=line, run_id=first[site, line])
        for site, line in lines
    ]
    folded.tell(*started)
    folded.tick(at(0, "06:30"))
    stop: dict[str, Any] = {"line_id": "L1", "run_id": first["S1", "L1"]}
    folded.tell(
        event("run_held", at(0, "06:30"), **stop, expected_duration_min=rng.choice([240.0, 480.0, 900.0]))
    )
    folded.tick(at(0, "06:31"))
    return folded


def _sites(lines: list[tuple[str, str]]) -> list[Event]:
    shifts = [{"weekday": day, "start": "06:00", "end": "22:00"} for day in range(5)]
    events = [
        event("customer_upserted", SAID, customer_id="acme", name="Acme", penalty_per_day=1000.0),
        event("shipment_slots_upserted", SAID, route_id="daily", weekly=[{"weekday": day, "at": "12:00"} for day in range(7)]),
        event("transfer_lane_upserted", SAID, site_id="S2", to_site_id="S1", transfer_min=60.0, cost=10.0),
    ]  # fmt: skip
    for site in dict.fromkeys(site for site, _ in lines):
        steps = [
            {"step": 1, "line_id": line, "rate_pcs_per_h": 100.0} for other, line in lines if other == site
        ]
        events += [
            event("site_upserted", SAID, site_id=site, name=site),
            event("calendar_upserted", SAID, site_id=site, calendar_id="two-shifts", shifts=shifts),
            event("setup_matrix_upserted", SAID, site_id=site, default_min=30.0),
        ]
        for family in FAMILIES:
            events.append(event("item_upserted", SAID, site_id=site, item_id=family, setup_family=family))
            events.append(event("routing_upserted", SAID, site_id=site, item_id=family, steps=steps))
    return events + [
        event("line_upserted", SAID, site_id=site, line_id=line, calendar_id="two-shifts")
        for site, line in lines
    ]


def _overtime(rng: random.Random, lines: list[tuple[str, str]]) -> list[Event]:
    windows = []
    for site, line in lines:
        if rng.random() < 0.6:
            when = {"start_at": at(0, "22:00"), "end_at": at(1, "02:00")}
            window: dict[str, Any] = {"window_id": f"W-{line}", "line_id": line, "cost_per_h": 30.0, **when}
            windows.append(event("overtime_window_upserted", SAID, site_id=site, **window))
    return windows


def _plan(rng: random.Random, lines: list[tuple[str, str]]) -> list[Event]:
    events: list[Event] = []
    number = 0
    for site, line in lines:
        start: datetime = at(0, "06:00")
        for _ in range(rng.choice([2, 6]) if line == "L3" else 6):
            number += 1
            quantity, item = float(rng.choice([200, 300, 400, 600])), rng.choice(FAMILIES)
            end = start + timedelta(hours=quantity / 100.0)
            promised = at(rng.choice([1, 1, 2, 3]), "12:00")
            fields: dict[str, Any] = {"site_id": site, "item_id": item}
            events.append(order(str(number), promised, quantity=quantity, **fields))
            events.append(
                run(f"R{number}", line, start, end, quantity, [str(number)], rate_pcs_per_h=None, **fields)
            )
            start = end + timedelta(minutes=30)
            if not 6 <= start.hour < 22:
                start = (start + timedelta(hours=10)).replace(hour=6, minute=0)
    return events
