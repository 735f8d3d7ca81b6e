"""The simulated factory: the same for a seed, honest about what it made, silent about what it hides."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from schemas import (
    MODEL_OF_KIND,
    TOPIC_OF_KIND,
    ClockTicked,
    CountCorrected,
    CountReported,
    Event,
    MachineEvent,
    OrderShipped,
    OrderUpserted,
    RunCompleted,
    RunPlanned,
    RunStarted,
    WorkOrderClosed,
    WorkOrderUpserted,
)
from streams.simulator.factory import Factory, simulate
from streams.simulator.plant import Line
from streams.simulator.processes import draw_pieces
from streams.simulator.settings import FactorySettings
from streams.simulator.truth import ConflictTruth, DriftTruth, OrderTruth, OutageTruth, RunTruth, StopTruth

SMALL = FactorySettings(seed=7, lines=5, days=6)


@pytest.fixture(scope="module")
def factory() -> tuple[Factory, list[Event]]:
    made = Factory(SMALL)
    return made, list(made.events())


def lines_of(factory: Factory) -> dict[str, Line]:
    return {line.line_id: line for site in factory.sites for line in site.lines}


def completed_runs(factory: Factory, events: Sequence[Event]) -> dict[str, RunTruth]:
    """Truth of the runs whose completion is among the events, with a margin for late counts."""
    told = {event.run_id for event in events if isinstance(event, RunCompleted)}
    known = [record for record in factory.truth if isinstance(record, RunTruth) and record.run_id in told]
    return {record.run_id: record for record in known if record.finished_s < SMALL.end_s - 7_200.0}


def counted(events: Sequence[Event]) -> dict[str, tuple[float, float]]:
    """Good and scrap by run, as a careful reader adds them up: once per id, in event time, over resets."""
    once = {event.event_id: event for event in events if isinstance(event, MachineEvent)}
    on_line: dict[str, str] = {}
    good: Counter[str] = Counter()
    scrap: Counter[str] = Counter()
    last: dict[str, tuple[float, float]] = {}
    for event in sorted(once.values(), key=lambda event: (event.event_time, event.source_sequence)):
        if isinstance(event, RunStarted):
            on_line[event.line_id] = event.run_id
        elif isinstance(event, CountReported):
            run_id = event.run_id or on_line[event.line_id]
            good_before, scrap_before = 0.0, 0.0
            if event.counter == "total":
                good_before, scrap_before = last.get(run_id, (0.0, 0.0))
                if event.good_count < good_before:
                    good_before, scrap_before = 0.0, 0.0
                last[run_id] = (event.good_count, event.scrap_count)
            good[run_id] += int(event.good_count - good_before)
            scrap[run_id] += int(event.scrap_count - scrap_before)
        elif isinstance(event, CountCorrected):
            good[event.run_id] += int(event.good_delta)
            scrap[event.run_id] += int(event.scrap_delta)
    return {run_id: (good[run_id], scrap[run_id]) for run_id in good}


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from streams.simulator import FactorySettings, simulate; "
        "simulate(FactorySettings(seed=7, lines=4, days=1), Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    digests = []
    for hash_seed in ("1", "2"):
        out, truth = tmp_path / f"events-{hash_seed}", tmp_path / f"truth-{hash_seed}"
        subprocess.run(
            [sys.executable, "-c", program, str(out), str(truth)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        digests.append(hashlib.sha256(out.read_bytes() + truth.read_bytes()).hexdigest())

    assert digests[0] == digests[1]


def test_another_seed_gives_another_factory() -> None:
    one, other = (
        [event.model_dump_json() for event in Factory(FactorySettings(seed=seed, lines=3, days=1)).events()]
        for seed in (1, 2)
    )

    assert one != other


def test_every_event_survives_the_wire(factory: tuple[Factory, list[Event]]) -> None:
    for event in factory[1]:
        body = event.model_dump_json(exclude_none=True)

        assert MODEL_OF_KIND[event.kind].model_validate_json(body) == event
        assert event.kind in TOPIC_OF_KIND


def test_counts_and_scrap_add_up_to_the_truth_in_spite_of_all_troubles(
    factory: tuple[Factory, list[Event]],
) -> None:
    truth = completed_runs(*factory)
    told = counted(factory[1])

    assert len(truth) >= 20
    assert {run_id: (run.good_pcs, run.scrap_pcs) for run_id, run in truth.items()} == {
        run_id: told[run_id] for run_id in truth
    }


def test_a_completed_run_has_made_what_was_planned(factory: tuple[Factory, list[Event]]) -> None:
    planned = {event.run_id: event.quantity_pcs for event in factory[1] if isinstance(event, RunPlanned)}

    for run_id, run in completed_runs(*factory).items():
        assert planned[run_id] == run.good_pcs


def test_every_trouble_is_there_and_none_is_common() -> None:
    made = Factory(FactorySettings(seed=7, lines=10, days=8))
    machine_events = [event for event in made.events() if isinstance(event, MachineEvent)]
    repeats = len(machine_events) - len({event.event_id for event in machine_events})
    late = sum(after.event_time < before.event_time for before, after in pairwise(machine_events))
    kinds = Counter(event.kind for event in machine_events)
    readings: dict[str, list[float]] = {}
    for event in machine_events:
        if isinstance(event, CountReported) and event.counter == "total" and event.run_id is not None:
            readings.setdefault(event.run_id, []).append(event.good_count)
    resets = sum(after < before for of_run in readings.values() for before, after in pairwise(of_run))

    assert 0 < repeats < 0.01 * len(machine_events)
    assert 0 < late < 0.05 * len(machine_events)
    assert 0 < kinds["count_corrected"] < 0.01 * kinds["count_reported"]
    assert 0 < resets < 50
    assert any(event.run_id is None for event in machine_events if isinstance(event, CountReported))


def test_without_troubles_events_come_in_order_and_once() -> None:
    settings = FactorySettings(seed=7, lines=4, days=4, troubles=False)
    events = list(Factory(settings).events())
    times = [event.event_time for event in events]

    assert times == sorted(times)
    assert len(events) == len({event.event_id for event in events})


def test_numbers_of_a_gateway_rise_by_one_but_for_repeats(factory: tuple[Factory, list[Event]]) -> None:
    numbers: dict[str, dict[int, str]] = {}
    for event in factory[1]:
        if isinstance(event, MachineEvent):
            assert event.source_id is not None
            assert event.source_sequence is not None
            of_gateway = numbers.setdefault(event.source_id, {})
            if event.source_sequence in of_gateway:
                assert of_gateway[event.source_sequence] == event.event_id
            else:
                assert event.source_sequence == len(of_gateway) + 1
                of_gateway[event.source_sequence] = event.event_id


def test_nothing_of_the_truth_is_in_the_events(tmp_path: Path) -> None:
    out, truth = tmp_path / "events.ndjson", tmp_path / "truth.ndjson"
    written = simulate(SMALL, out=out, truth=truth)
    words = {record["record"] for record in map(json.loads, truth.read_text().splitlines())}
    events = [json.loads(line) for line in out.read_text().splitlines()]
    fields = {field for event in events for field in event}

    assert {"drift", "scrapshift", "stop", "run", "order"} <= words
    assert not fields & {"record", "size", "factor", "speed", "ready_at", "finished_at", "over_use"}
    assert not any(word in line for line in out.read_text().splitlines() for word in ("drift", "truth"))
    assert written.events == len(events)
    assert written.truth_records == len(truth.read_text().splitlines())


def test_drifts_begin_and_end_without_an_event_of_their_own(factory: tuple[Factory, list[Event]]) -> None:
    """A count is reported when it is due, never because something hidden began."""
    hidden = {
        round(at_s, 3)
        for record in factory[0].truth
        if isinstance(record, DriftTruth)
        for at_s in (record.start_s, record.full_s, record.end_s)
    }
    told = {event.event_time.timestamp() for event in factory[1] if isinstance(event, MachineEvent)}

    assert hidden
    assert not hidden & told


def test_pieces_are_made_in_working_time_only(factory: tuple[Factory, list[Event]]) -> None:
    lines = lines_of(factory[0])
    for event in factory[1]:
        if isinstance(event, CountReported) and event.good_count > 0:
            at_s = event.event_time.timestamp()
            worked_s = lines[event.line_id].calendar.work_between(at_s - SMALL.count_step_s, at_s)
            assert worked_s > 0.0, f"{event.event_id} counts pieces of the night"
    for record in factory[0].truth:
        if isinstance(record, RunTruth):
            calendar = lines[record.line_id].calendar
            assert calendar.is_working(record.started_s)
            assert calendar.work_between(record.started_s, record.finished_s) > 0.0


def test_orders_leave_on_the_first_truck_after_their_last_run(factory: tuple[Factory, list[Event]]) -> None:
    made, events = factory
    shipped = {
        event.order_id: event.event_time.timestamp() for event in events if isinstance(event, OrderShipped)
    }
    truth = {record.order_id: record for record in made.truth if isinstance(record, OrderTruth)}

    assert len(shipped) >= 10
    for order_id, at_s in shipped.items():
        assert at_s == truth[order_id].shipped_s
        assert truth[order_id].ready_s <= at_s


def test_the_true_end_of_every_order_is_known(factory: tuple[Factory, list[Event]]) -> None:
    """The plant lives on, unseen, until the last order that was told of has left."""
    made, events = factory
    told = {event.order_id for event in events if isinstance(event, OrderUpserted)}
    cancelled = {getattr(event, "order_id", "") for event in events if event.kind == "order_cancelled"}
    known = {record.order_id for record in made.truth if isinstance(record, OrderTruth)}

    assert told - cancelled == known


def test_an_undisturbed_plant_keeps_its_plan() -> None:
    calm = Factory(FactorySettings(seed=3, lines=6, days=8, disturbances=False, troubles=False))
    lines = lines_of(calm)
    for _ in calm.events():
        pass
    runs = [record for record in calm.truth if isinstance(record, RunTruth)]
    good = sum(run.good_pcs for run in runs)
    due = sum(
        lines[run.line_id].calendar.work_between(run.started_s, run.finished_s)
        / 3_600.0
        * lines[run.line_id].rate_pcs_per_h
        for run in runs
    )
    late = [record for record in calm.truth if isinstance(record, OrderTruth) and record.late_s > 0.0]

    assert good / due == pytest.approx(1.0, abs=0.015)
    assert not any(isinstance(record, DriftTruth | StopTruth) for record in calm.truth)
    assert len(late) <= 2


def test_a_disturbed_plant_is_late_now_and_then() -> None:
    shares = []
    for seed in (1, 2, 3):
        made = Factory(FactorySettings(seed=seed, lines=6, days=8, troubles=False))
        for _ in made.events():
            pass
        orders = [record for record in made.truth if isinstance(record, OrderTruth)]
        shares.append(sum(order.late_s > 0.0 for order in orders) / len(orders))

    assert 0.03 <= sum(shares) / len(shares) <= 0.3


def test_the_clock_never_runs_back_and_each_site_has_its_own() -> None:
    made = Factory(FactorySettings(seed=5, sites=2, lines=4, days=2))
    ticks: dict[str, list[float]] = {}
    for event in made.events():
        if isinstance(event, ClockTicked):
            ticks.setdefault(event.site_id, []).append(event.event_time.timestamp())

    assert ["plant-1", "plant-2"] == sorted(ticks)
    for of_site in ticks.values():
        assert of_site == sorted(set(of_site))
        assert made.settings.end_s == of_site[-1]


def test_a_factory_beside_another_story_leaves_its_lines_alone() -> None:
    beside = Factory(FactorySettings(seed=5, lines=4, days=1, skipped_lines=(3,), with_site=False))

    assert ["L1", "L2", "L4", "L5"] == [line.line_id for line in beside.sites[0].lines]
    assert not any(event.kind == "site_upserted" for event in beside.events())


def test_impossible_settings_are_refused() -> None:
    for wrong in ({"lines": 0}, {"sites": 3, "lines": 2}, {"days": 0}, {"load": 0.0}, {"noise": -1.0}):
        with pytest.raises(ValueError, match=r"."):
            FactorySettings(**wrong)


def test_pieces_come_one_after_the_other() -> None:
    assert (10, 0) == draw_pieces(Random(1), most=10, wanted=50, scrap_share=0.0)
    assert (7, 0) == draw_pieces(Random(1), most=10, wanted=7, scrap_share=0.0)
    assert (0, 0) == draw_pieces(Random(1), most=0, wanted=7, scrap_share=0.5)
    drawn = [draw_pieces(Random(seed), most=1_000, wanted=10**6, scrap_share=0.1) for seed in range(200)]
    assert all(good + scrap == 1_000 for good, scrap in drawn)
    assert sum(scrap for _, scrap in drawn) / 200_000 == pytest.approx(0.1, rel=0.05)


SPOILED = FactorySettings(seed=7, lines=6, days=14)


@pytest.fixture(scope="module")
def spoiled() -> tuple[Factory, list[Event]]:
    made = Factory(SPOILED)
    return made, list(made.events())


def test_an_outage_of_the_truth_holds_back_everything_that_its_gateway_says(
    spoiled: tuple[Factory, list[Event]],
) -> None:
    """In the order of arrival, with the clock between: what happened in the outage comes after its end."""
    factory, events = spoiled
    outages = [record for record in factory.truth if isinstance(record, OutageTruth)]
    assert any(outage.end_s - outage.start_s > 3_600.0 for outage in outages)
    assert any(outage.end_s - outage.start_s < 3_600.0 for outage in outages)
    for outage in outages:
        clock_s = SPOILED.start_s
        held_back = 0
        for event in events:
            at_s = event.event_time.timestamp()
            if isinstance(event, ClockTicked):
                clock_s = at_s
            elif (
                isinstance(event, MachineEvent)
                and event.line_id == outage.line_id
                and outage.start_s <= at_s < outage.end_s
            ):
                held_back += 1
                assert clock_s + SPOILED.clock_step_s >= outage.end_s - 1.0, event
        assert held_back or outage.end_s > SPOILED.end_s


def test_a_contradiction_of_the_truth_is_one_between_what_two_systems_say(
    spoiled: tuple[Factory, list[Event]],
) -> None:
    factory, events = spoiled
    conflicts = [record for record in factory.truth if isinstance(record, ConflictTruth)]
    assert {"quantity", "closed"} == {conflict.what for conflict in conflicts}
    for conflict in conflicts:
        of_run = [event for event in events if getattr(event, "run_id", None) == conflict.run_id]
        of_order = [
            event for event in events if getattr(event, "work_order_id", None) == conflict.work_order_id
        ]
        if conflict.what == "quantity":
            plans = [event for event in of_run if isinstance(event, RunPlanned)]
            erp = {plan.quantity_pcs for plan in plans if plan.source_id == "erp-plant-1"}
            mes = [plan for plan in plans if plan.source_id == "mes-plant-1"]
            (planned,) = erp
            assert 0.05 <= abs(mes[0].quantity_pcs / planned - 1.0) <= 0.21
            assert abs(mes[0].event_time.timestamp() - conflict.start_s) < 0.01
            assert all(plan.quantity_pcs == planned for plan in mes[1:])
        else:
            closed = next(event for event in of_order if isinstance(event, WorkOrderClosed))
            done = [event for event in of_run if isinstance(event, RunCompleted)]
            assert abs(closed.event_time.timestamp() - conflict.start_s) < 0.01
            assert all(event.event_time > closed.event_time for event in done)


def test_each_run_has_a_work_order_that_says_the_same_and_is_closed_after_it() -> None:
    """Without troubles: nobody contradicts anybody."""
    events = list(Factory(FactorySettings(seed=3, lines=3, days=5, troubles=False)).events())
    orders = {event.work_order_id: event for event in events if isinstance(event, WorkOrderUpserted)}
    runs = {event.run_id: event for event in events if isinstance(event, RunPlanned)}
    closed = {event.work_order_id: event for event in events if isinstance(event, WorkOrderClosed)}

    assert {run.work_order_id for run in runs.values()} == set(orders)
    for run in runs.values():
        assert run.work_order_id is not None
        assert run.quantity_pcs == orders[run.work_order_id].quantity_pcs
    for event in events:
        if isinstance(event, RunCompleted) and event.event_time < events[-1].event_time - timedelta(hours=1):
            work_order_id = runs[event.run_id].work_order_id
            assert work_order_id is not None
            assert timedelta(minutes=20) == closed[work_order_id].event_time - event.event_time


def test_some_orders_are_promised_before_their_plan_ends(spoiled: tuple[Factory, list[Event]]) -> None:
    _, events = spoiled
    promised: dict[str, datetime] = {}
    for event in events:
        if isinstance(event, OrderUpserted):
            promised.setdefault(event.order_id, event.promised_at)
    ends: dict[str, datetime] = {}
    for event in events:
        if isinstance(event, RunPlanned):
            for peg in event.pegs:
                ends.setdefault(peg.order_id, event.planned_end_at)
    oversold = [order_id for order_id in promised if promised[order_id] < ends[order_id]]

    assert 0 < len(oversold) < 0.05 * len(promised)
