"""What must always hold of the fold, on histories that Hypothesis makes up.

Incremental equals recomputed for what has no memory; any grouping of records into commits, a restore at any point and
another process give the same bytes; any batching of events into facts gives the same documents; a replay of what was
folded changes nothing; what was counted is conserved; no edge hangs loose.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from schemas import MODEL_OF_KIND, Event, Facts
from tests.deciding import Decision
from tests.folding import Folded, absorb, at, count, event, fold_all, order, run, small_plant, wire
from twin import Twin
from twin.elements import total
from twin.measures import elements_of_run, periods_of
from twin.recompute import PlanCircular, picture_of, recompute

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
            events.append(_event(draw, made, f"e{number}", when, run_id))
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


def _event(draw: st.DrawFn, made: str, event_id: str, when: datetime, run_id: str) -> Event:
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


@STEPS
@given(histories())
def test_incremental_equals_recomputed(history: list[Step]) -> None:
    folded = begun()
    for step in history:
        take(folded, step)
        if isinstance(step, datetime):
            now = folded.twin.now
            assert now is not None
            try:
                expected = recompute(folded.documents, now)
            except PlanCircular:
                return  # somebody planned runs to wait for each other: there is no right answer to compare with
            assert expected == picture_of(folded.twin.model, now)
    note(str(folded.twin.counters))


@STEPS
@given(histories(), st.data())
def test_grouping_and_restoring_show_nowhere(history: list[Step], data: st.DataObject) -> None:
    folded = told(history)
    twin, outputs, documents = fold_all(folded.records)
    assert wire(folded.outputs) == wire(outputs)
    assert folded.documents == documents
    assert (folded.twin.digest, folded.twin.document_count) == (twin.digest, twin.document_count)

    cut = data.draw(st.integers(0, len(folded.records)))
    first, _, kept = fold_all(folded.records[:cut])
    restored = Twin.restore(first.header(), kept)
    assert first.digest == restored.digest
    rest = [output for facts in folded.records[cut:] for output in restored.apply(facts)]
    absorb(kept, restored)
    assert wire(folded.outputs)[len(folded.outputs) - len(rest) :] == wire(rest)
    assert (documents, twin.digest) == (kept, restored.digest)


@STEPS
@given(histories())
def test_batching_of_events_into_facts_shows_nowhere(history: list[Step]) -> None:
    folded = told(history)
    twin, outputs, documents = fold_all(one_event_a_record(folded.records))

    assert wire(folded.outputs) == wire(outputs)
    assert (folded.documents, folded.twin.digest) == (documents, twin.digest)


@STEPS
@given(histories())
def test_folding_again_what_was_folded_changes_nothing(history: list[Step]) -> None:
    folded = told(history)
    before = folded.twin.digest
    again = [output for facts in folded.records for output in folded.twin.apply(facts)]

    assert [] == again
    assert {} == folded.twin.take_changes()
    assert before == folded.twin.digest


@STEPS
@given(histories())
def test_what_was_counted_is_conserved_and_no_edge_hangs_loose(history: list[Step]) -> None:
    folded = told(history)
    model = folded.twin.model
    for key, each in model.runs.items():
        assert each.progress.good_pcs >= 0
        assert each.progress.made_pcs >= each.progress.good_pcs
        assert model.line_of_run[key].runs[each.run_id] is each
    nodes = {
        body.node_id for body in folded.on("twin.graph.v1") if body is not None and body.element == "node"
    }
    for body in folded.on("twin.graph.v1"):
        if body is not None and body.element == "edge":
            assert {body.from_id, body.to_id} <= nodes
    for line in model.lines.values():
        assert all(first.end_s <= second.start_s for first, second in pairwise(line.buckets))
    ids = [output.output_id for output in folded.outputs]
    assert len(ids) == len(set(ids)), "an output id was used twice"


@STEPS
@given(histories())
def test_every_second_and_every_piece_of_a_line_is_in_exactly_one_shift_and_element(
    history: list[Step],
) -> None:
    """Conservation: elements add up to the calendar's working time, shift by shift, whatever came late."""
    folded = told(history)
    model = folded.twin.model
    for line in model.lines.values():
        begun_at, mark = line.state.measured_from, line.state.marked_at
        periods = periods_of(line)
        assert all(first.end_s <= second.start_s for first, second in pairwise(periods))
        for period in periods:
            parts = period.elements
            first, last = max(period.start_s, begun_at or mark or 0.0), min(period.end_s, mark or 0.0)
            busy_s = line.calendar.work_between(first, last) if first < last else 0.0
            assert abs(busy_s - parts.pbt_s) < 1e-3
            assert min(parts.apt_s, parts.aust_s, parts.adet_s, parts.adot_s) > -1e-3
        if begun_at is not None and mark is not None:
            busy_s = line.calendar.work_between(begun_at, mark)
            assert abs(busy_s - total(period.elements for period in periods).pbt_s) < 1e-3
    made = sum(each.progress.made_pcs for each in model.runs.values())
    in_shifts = sum(period.elements.made_pcs for line in model.lines.values() for period in periods_of(line))
    assert abs(made - in_shifts) < 1e-6
    of_runs = total(elements_of_run(each) for each in model.runs.values())
    of_lines = total(period.elements for line in model.lines.values() for period in periods_of(line))
    assert abs(of_runs.pbt_s - (of_lines.pbt_s - of_lines.adot_s)) < 1e-3


def test_another_process_with_another_hash_seed_says_the_same_bytes() -> None:
    root = Path(__file__).parents[2]
    script = "from tests.simulation_digest import main; main()"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }

    assert 1 == len(digests)
    assert len(digests.pop()) > 100
