"""A small plant that lives: events, decisions and time, drawn by Hypothesis, and the twin that is told of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from schemas import MODEL_OF_KIND, Event, Facts
from tests.deciding import Decision
from tests.folding import Folded, at, count, event, order, run, small_plant

STEPS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RUNS = {"R1": "L1", "R2": "L2", "R3": "L1", "R4": "L2"}


def beginning() -> list[Event]:
    """Two lines with two runs each; R1 feeds R2, R3 feeds R4; three orders, one of them tight; bolts are scarce."""
    return [
        *small_plant(),
        event("overtime_window_upserted", at(0, "00:00"), window_id="O1", line_id="L1", start_at=at(0, "22:00"), end_at=at(1, "02:00"), cost_per_h=50.0),
        event("item_upserted", at(0, "00:00"), item_id="bolt", lead_time_days=2.0, buyer_id="sue"),
        event("bill_of_material_upserted", at(0, "00:00"), item_id="red", components=[{"item_id": "bolt", "quantity_per": 2.0}, {"item_id": "glue", "quantity_per": 0.5}]),
        event("bill_of_material_upserted", at(0, "00:00"), item_id="blue", components=[{"item_id": "bolt", "quantity_per": 1.0}]),
        *(event("routing_upserted", at(0, "00:00"), item_id=item_id, steps=[{"step": 1, "line_id": line_id, "rate_pcs_per_h": 100.0} for line_id in ("L1", "L2")]) for item_id in ("red", "blue")),
        event("stock_reported", at(0, "04:00"), item_id="bolt", location_id="A", quantity=2_000.0),
        order("1", at(1, "12:00")),
        order("2", at(2, "12:00"), penalty_per_day=500.0),
        order("3", at(1, "12:00"), quantity=400.0),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["3"], feeds_run_ids=["R2"], work_order_id="W1"),
        run("R2", "L2", at(0, "14:00"), at(0, "22:00"), pegs=["1"]),
        run("R3", "L1", at(0, "14:00"), at(0, "22:00"), item_id="blue", feeds_run_ids=["R4"]),
        run("R4", "L2", at(1, "06:00"), at(1, "14:00"), item_id="blue", pegs=["2"]),
    ]  # fmt: skip


MADE = [
    "count",
    "count",
    "count",
    "numbered",
    "move",
    "order",
    "plan",
    "correct",
    "state",
    "state",
    "inspect",
    "command",
    "close",
    "ship",
    "rules",
    "material",
    "material",
]
"""What happens next; counts most often."""

CARDS = [
    "delivery_risk/S1/line/L1/1",
    "delivery_risk/S1/line/L2/1",
    "plan_infeasible/S1/order/1/1",
    "plan_infeasible/S1/line/L2/1",
    "line_down/S1/line/L1/1",
    "data_stale/S1/line/L1/1",
    "data_conflict/S1/run/R1/1",
    "material_shortage/S1/item/bolt/1",
]


DECIDED = [
    [],
    [],
    ["answer"],
    ["command"],
    ["acknowledge", "acknowledge"],
    ["answer", "command", "command"],
    ["answer", "command", "command", "acknowledge", "acknowledge"],
    ["answer", "command", "answer", "command", "acknowledge", "command"],
]
"""What solver, planner and ERP do between two steps of the plant."""

Step = list[Event] | datetime | Decision
"""Events at once, time that passes, or something that is decided on what the twin has said by then."""


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Steps of a plant: some events, then time passes by a few minutes up to hours."""
    now = at(0, "05:00")
    steps: list[Step] = []
    number = 0
    for _ in range(draw(st.integers(2, 14))):
        events: list[Event] = []
        for _ in range(draw(st.integers(0, 4))):
            number += 1
            # Mostly now, sometimes late by up to three hours, rarely ahead.
            when = now + timedelta(minutes=draw(st.integers(-180, 10)))
            run_id = draw(st.sampled_from(sorted(RUNS)))
            made = draw(st.sampled_from(MADE))
            events.append(drawn_event(draw, made, f"e{number}", when, run_id))
        if draw(st.booleans()):  # a steady stretch, or one with many bad pieces
            bad = draw(st.sampled_from([0.0, 1.0, 25.0]))
            for minutes in (18, 12, 6, 0):
                number += 1
                when = now - timedelta(minutes=minutes)
                events.append(count("L1", "R1", when, 60.0 - bad, scrap_count=bad, event_id=f"e{number}"))
        steps.append(events)
        for what in draw(st.sampled_from(DECIDED)):
            number += 1
            numbers = draw(st.tuples(*[st.integers(0, 41)] * 3))
            steps.append(Decision(what, numbers, f"e{number}", now))
        now += timedelta(minutes=draw(st.sampled_from([1, 5, 30, 60, 240])))
        steps.append(now)
    return steps


def drawn_event(draw: st.DrawFn, made: str, event_id: str, when: datetime, run_id: str) -> Event:
    line_id = RUNS[run_id]
    if made == "count":
        good, scrap = float(draw(st.integers(0, 60))), float(draw(st.integers(0, 5)))
        fields = {"scrap_count": scrap, "rework_count": float(draw(st.integers(0, 3)))}
        if draw(st.booleans()):
            fields["station_id"] = f"{line_id}-a"  # type: ignore[assignment]
        return count(line_id, run_id, when, good, **fields, event_id=event_id)
    if made == "numbered":
        number = draw(st.integers(1, 9))
        return count(
            line_id, run_id, when, 1.0, event_id=event_id, source_id=f"gw-{line_id}", source_sequence=number
        )
    if made == "command":
        return _command(draw, event_id, when, line_id)
    if made == "close":
        return event("work_order_closed", when, event_id, work_order_id="W1")
    if made == "ship":
        shipped = float(draw(st.sampled_from([100, 800])))
        return event(
            "order_shipped", when, event_id, order_id=draw(st.sampled_from(["1", "2"])), shipped_pcs=shipped
        )
    if made == "move":
        kinds = [
            "setup_started",
            "run_started",
            "run_started",
            "run_held",
            "run_resumed",
            "run_suspended",
            "run_completed",
        ]
        kind = draw(st.sampled_from(kinds))
        other = draw(st.sampled_from(["L1", "L2", line_id, line_id]))
        return event(kind, when, event_id, line_id=other, run_id=run_id)
    if made == "material":
        return _material(draw, event_id, when, run_id)
    if made == "state":
        state = draw(st.sampled_from(["HELD", "EXECUTE", "SUSPENDED", "IDLE"]))
        station = draw(st.sampled_from([None, None, f"{line_id}-a", f"{line_id}-b"]))
        expected = draw(st.sampled_from([None, None, 20.0, 600.0]))
        stopped: dict[str, Any] = {
            "line_id": line_id,
            "state": state,
            "station_id": station,
            "expected_duration_min": expected,
        }
        return event("state_changed", when, event_id, **stopped)
    if made == "inspect":
        inspected = draw(st.integers(1, 50))
        bad = draw(st.integers(0, min(inspected, 20)))
        looked: dict[str, Any] = {
            "inspected_count": float(inspected),
            "bad_count": float(bad),
            "station_id": f"{line_id}-a",
        }
        return event("quality_recorded", when, event_id, line_id=line_id, run_id=run_id, **looked)
    if made == "correct":
        delta, scrap = float(draw(st.integers(-30, 30))), float(draw(st.integers(-5, 30)))
        deltas: dict[str, Any] = {"good_delta": delta, "scrap_delta": scrap}
        return event("count_corrected", when, event_id, line_id=line_id, run_id=run_id, **deltas)
    if made == "rules":
        if draw(st.booleans()):
            until = when + timedelta(hours=draw(st.integers(0, 8)))
            return event("person_upserted", when, event_id, person_id="sue", name="S.", absent_until=until)
        acme = {
            "customer_id": "acme",
            "cannot_slip": draw(st.booleans()),
            "min_margin_fraction": draw(st.sampled_from([0.0, 0.19])),
        }
        said = {
            "version": event_id,
            "raise_at_p_late": draw(st.sampled_from([0.5, 0.9])),
            "customers": [acme],
            "owners": [{"when": {"min_severity": "high"}, "owner_id": "boss"}],
        }
        return event("rules_updated", when, event_id, rules=said)
    if made == "order":
        order_id = draw(st.sampled_from(["1", "2", "3", "4"]))
        if draw(st.booleans()):
            return event("order_cancelled", when, event_id, order_id=order_id)
        source_id = draw(st.sampled_from(["erp", "crm", None]))
        promised = at(draw(st.integers(0, 3)), "12:00")
        return order(order_id, promised, when=when, event_id=event_id, source_id=source_id)
    start = at(draw(st.integers(0, 1)), draw(st.sampled_from(["06:00", "12:00", "20:00"])))
    return run(run_id, line_id, start, start + timedelta(hours=8), pegs=["1"], when=when, event_id=event_id)


def _command(draw: st.DrawFn, event_id: str, when: datetime, line_id: str) -> Event:
    said = {"event_id": event_id, "command_id": draw(st.sampled_from([event_id, "again"])), "actor": "sue"}
    if draw(st.integers(0, 3)) == 0:
        asked: list[tuple[str, dict[str, Any]]] = [
            ("stop_duration_report", {"line_id": line_id, "expected_duration_min": 60.0}),
            ("replan_request", {"line_ids": draw(st.sampled_from([[], [line_id]]))}),
            ("quote_request", {"item_id": "red", "quantity_pcs": 300.0, "due_at": at(2, "12:00")}),
        ]
        kind, fields = draw(st.sampled_from(asked))
        return event(kind, when, **fields, **said)
    kind = draw(st.sampled_from(sorted(kind for kind in MODEL_OF_KIND if kind.startswith("card_"))))
    more: dict[str, dict[str, Any]] = {
        "card_assign": {"owner_id": "boss"},
        "card_snooze": {"until": when + timedelta(hours=2)},
        "card_dismiss": {"reason": "no"},
    }
    card_id, revision = draw(st.sampled_from(CARDS)), draw(st.integers(1, 4))
    return event(kind, when, card_id=card_id, expected_revision=revision, **said, **more.get(kind, {}))


def _material(draw: st.DrawFn, event_id: str, when: datetime, run_id: str) -> Event:
    """Stock, receipts, use or another bill of material, of bolts or glue."""
    item_id = draw(st.sampled_from(["bolt", "bolt", "glue"]))
    kind = draw(st.sampled_from(["stock", "expected", "received", "used", "used", "bill", "item"]))
    quantity = float(draw(st.integers(1, 1_500)))
    receipt_id = f"{item_id}-{draw(st.integers(1, 2))}"
    if kind == "stock":
        location, disposition = draw(
            st.sampled_from([("A", "unrestricted"), ("B", "unrestricted"), ("B", "blocked")])
        )
        return event(
            "stock_reported",
            when,
            event_id,
            item_id=item_id,
            location_id=location,
            quantity=quantity,
            disposition=disposition,
        )
    if kind == "expected":
        expected_at = when + timedelta(hours=draw(st.integers(-10, 60)))
        return event(
            "receipt_expected",
            when,
            event_id,
            receipt_id=receipt_id,
            item_id=item_id,
            quantity=quantity,
            expected_at=expected_at,
        )
    if kind == "received":
        return event(
            "receipt_received", when, event_id, receipt_id=receipt_id, item_id=item_id, quantity=quantity
        )
    if kind == "used":
        return event(
            "material_consumed",
            when,
            event_id,
            line_id=RUNS[run_id],
            run_id=run_id,
            item_id=item_id,
            quantity=quantity / 10.0,
        )
    if kind == "bill":
        components = [{"item_id": item_id, "quantity_per": 0.5 + quantity / 1_000.0}]
        return event(
            "bill_of_material_upserted",
            when,
            event_id,
            item_id=draw(st.sampled_from(["red", "blue"])),
            components=components,
        )
    return event("item_upserted", when, event_id, item_id=item_id, lead_time_days=quantity / 300.0, buyer_id=draw(st.sampled_from(["sue", "boss"])))  # fmt: skip


def begun() -> Folded:
    folded = Folded()
    folded.tell(*beginning())
    folded.tick(at(0, "05:00"))
    return folded


def told(history: list[Step]) -> Folded:
    folded = begun()
    for step in history:
        take(folded, step)
    return folded


def take(folded: Folded, step: Step) -> None:
    if isinstance(step, datetime):
        folded.tick(step)
        return
    events = step.events(folded) if isinstance(step, Decision) else step
    if events:
        folded.tell(*events)


def one_event_a_record(records: list[Facts]) -> Iterator[Facts]:
    for facts in records:
        for segment in facts.segments:
            for position, each in zip(segment.positions, segment.events, strict=True):
                alone = segment.model_copy(update={"positions": [position], "events": [each]})
                yield Facts(group_id=facts.group_id, segments=[alone])
        if facts.tick is not None:
            yield Facts(group_id=facts.group_id, tick=facts.tick)
