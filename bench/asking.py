"""What asking costs the twin: a scheduling problem of many lines, built from the live model and written down.

The plant is made by arithmetic: each line has a queue of runs of eight hours, each run an order with a truck, and each
item can be made on six lines.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.results import Machine, Result, result
from schemas import MODEL_OF_KIND, Event, Facts, Tick
from twin import Twin
from twin.replan.problem_scope import scope_of
from twin.replan.problems import build_problem

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
FAMILIES, ITEMS, CHOICES = 5, 10, 6


def measure_problem(machine: Machine, *, quick: bool) -> Result:
    """Milliseconds of processor time for the problem of a plant of 200 runs on 20 lines, scope included."""
    lines, runs_a_line, times = (4, 2, 1) if quick else (20, 10, 20)
    twin = plant(lines, runs_a_line)
    now = twin.now
    assert now is not None
    took = []
    for _ in range(times):
        started = time.process_time()
        scope = scope_of(twin.model, [("S1", "L00")], sorted(twin.model.lines))
        problem = build_problem(twin.model, now, scope, problem_id="bench", hit=[("S1", "L00")])
        took.append((time.process_time() - started) * 1000.0)
        assert len(problem.runs) == lines * runs_a_line, "the problem is not the whole plant"
    return result("fold", f"problem/{lines * runs_a_line}x{lines}", "ms CPU", took, machine)


def plant(lines: int, runs_a_line: int) -> Twin:
    """A twin of a plant that is about to begin its week."""
    twin = Twin()
    events = [*_model(lines), *_orders(lines, runs_a_line)]
    positions = [(number, 0) for number in range(len(events))]
    segment = {"topic": "bench", "partition": 0, "positions": positions, "events": events}
    twin.apply(Facts.model_validate({"group_id": "S1", "segments": [segment]}))
    twin.apply(Facts(group_id="S1", tick=Tick(now=MONDAY + timedelta(hours=5))))
    return twin


def _model(lines: int) -> list[Event]:
    shifts = [{"weekday": day, "start": "06:00", "end": "22:00"} for day in range(5)]
    entries = [{"from_family": f"f{a}", "to_family": f"f{b}", "setup_min": 10.0 + a} for a in range(FAMILIES) for b in range(FAMILIES)]  # fmt: skip
    slots = [{"weekday": day, "at": "12:00"} for day in range(7)]
    events = [
        _event("site_upserted", name="Plant", zone="UTC"),
        _event("calendar_upserted", calendar_id="two-shifts", shifts=shifts),
        _event("setup_matrix_upserted", default_min=30.0, entries=entries),
        _event("shipment_slots_upserted", route_id="daily", weekly=slots),
        _event("customer_upserted", customer_id="acme", name="Acme", penalty_per_day=1000.0),
    ]
    for item in range(ITEMS):
        steps = [{"step": 1, "line_id": _line(item + n, lines), "rate_pcs_per_h": 100.0} for n in range(CHOICES)]  # fmt: skip
        events.append(_event("item_upserted", item_id=f"i{item}", setup_family=f"f{item % FAMILIES}"))
        events.append(_event("routing_upserted", item_id=f"i{item}", steps=steps))
    return events + [
        _event("line_upserted", line_id=_line(number, lines), calendar_id="two-shifts", setup_family="f0")
        for number in range(lines)
    ]


def _orders(lines: int, runs_a_line: int) -> list[Event]:
    events = []
    for line in range(lines):
        for place in range(runs_a_line):
            number, start = line * runs_a_line + place, MONDAY + timedelta(hours=6 + 10 * place)
            item_id = f"i{(line - place % CHOICES) % ITEMS}"
            events.append(_event("order_upserted", order_id=f"o{number}", customer_id="acme", item_id=item_id, quantity_pcs=800.0, promised_at=MONDAY + timedelta(days=2 + place, hours=12), route_id="daily"))  # fmt: skip
            events.append(_event("run_planned", run_id=f"R{number}", line_id=_line(line, lines), item_id=item_id, quantity_pcs=800.0, planned_start_at=start, planned_end_at=start + timedelta(hours=8), rate_pcs_per_h=100.0, pegs=[{"order_id": f"o{number}", "quantity_pcs": 800.0}]))  # fmt: skip
    return events


def _line(number: int, lines: int) -> str:
    return f"L{number % lines:02}"


def _event(kind: str, **fields: Any) -> Event:
    identity = f"{kind}/" + "/".join(str(value) for value in fields.values() if isinstance(value, str))
    body = {"kind": kind, "event_id": identity, "event_time": MONDAY, "site_id": "S1", **fields}
    made = MODEL_OF_KIND[kind].model_validate(body)
    assert isinstance(made, Event)
    return made
