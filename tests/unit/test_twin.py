"""The fold, rule by rule, on a plant small enough to work out by hand."""

from datetime import timedelta

import pytest

from schemas import Event, OrderProjection, topics
from tests.folding import Folded, at, count, event, fold_all, order, run, small_plant, wire
from twin import Twin
from twin.state.runs import RUN_TRANSITIONS, RunState


@pytest.fixture
def plant() -> Folded:
    folded = Folded()
    folded.tell(*small_plant())
    folded.tick(at(0, "05:00"))
    return folded


def started(plant: Folded, **run_fields: object) -> Folded:
    """R1, 800 pieces for order 1, planned Monday 06:00-14:00, started on time."""
    plant.tell(order("1", at(1, "12:00")))
    plant.tell(run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]))
    plant.tick(at(0, "06:00"))
    plant.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    return plant


def projection(plant: Folded, order_id: str) -> OrderProjection:
    found = [body for body in plant.on(topics.ORDER_PROJECTIONS) if body.order_id == order_id]
    assert isinstance(found[-1], OrderProjection)
    return found[-1]


def test_every_run_state_is_reachable_and_every_run_event_moves_something() -> None:
    reached = {RunState.PLANNED} | {after for moves in RUN_TRANSITIONS.values() for after in moves.values()}
    kinds = {kind for moves in RUN_TRANSITIONS.values() for kind in moves}

    assert set(RunState) == reached
    assert {
        "setup_started",
        "run_started",
        "run_held",
        "run_suspended",
        "run_resumed",
        "run_completed",
        "run_aborted",
    } == kinds


def test_an_order_without_runs_is_no_forecast(plant: Folded) -> None:
    plant.tell(order("1", at(1, "12:00")))

    assert ("no_runs", None, None) == (
        projection(plant, "1").status,
        projection(plant, "1").ready_at,
        projection(plant, "1").p_late,
    )


def test_a_planned_run_is_projected_on_plan(plant: Folded) -> None:
    """Nothing known against it: 800 pieces at 100 an hour from 06:00 are ready at 14:00, on Tuesday's truck."""
    plant.tell(order("1", at(1, "12:00")), run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]))
    plant.tick(at(0, "05:30"))

    assert (at(0, "14:00"), at(1, "12:00"), 0.0) == (
        projection(plant, "1").ready_at,
        projection(plant, "1").ships_at,
        projection(plant, "1").slip_s,
    )


def test_a_held_run_moves_with_the_clock_and_comes_back(plant: Folded) -> None:
    """200 pieces by 08:00, held until 20:00: 600 remain from 20:00, 2 h today and 4 h on Tuesday: 10:00."""
    started(plant)
    plant.tell(count("L1", "R1", at(0, "08:00"), 200.0))
    plant.tell(event("run_held", at(0, "08:00"), line_id="L1", run_id="R1", reason="jam"))
    plant.tick(at(0, "20:00"))
    finish = plant.twin.model.lines["S1", "L1"].projected["R1"].finish_at

    assert at(1, "10:00").timestamp() == finish
    plant.tell(event("run_resumed", at(0, "20:00"), line_id="L1", run_id="R1"))
    assert at(1, "10:00").timestamp() == plant.twin.model.lines["S1", "L1"].projected["R1"].finish_at


def test_a_stop_that_costs_the_truck_raises_a_card_and_its_end_clears_it(plant: Folded) -> None:
    """Held at 08:00 with 600 to go. From Monday 22:00 on, 600 pieces need Tuesday 06:00-12:00: just in time for the
    truck at 12:00. At Tuesday 07:00 they end at 13:00: an hour late, next truck a day later, 1,000 penalty."""
    started(plant)
    plant.tell(count("L1", "R1", at(0, "08:00"), 200.0))
    plant.tell(event("run_held", at(0, "08:00"), line_id="L1", run_id="R1"))
    plant.tick(at(1, "07:00"))
    [card] = plant.cards.values()

    assert ("down", "L1", "S. Upervisor") == (card.cause.signal, card.cause.entity_id, card.owner.name)
    assert (1, 1000.0, 1600.0, 600.0) == (
        card.impact.slip_days,
        card.impact.exposure,
        card.impact.margin_before,
        card.impact.margin_if_late,
    )
    assert at(1, "13:00") == card.affected[0].ready_at
    plant.tell(event("run_resumed", at(1, "07:00"), line_id="L1", run_id="R1"))
    late = plant.cards["delivery_risk/S1/line/L1/1"]
    assert ("open", "stop", 1000.0) == (late.state, late.cause.signal, late.impact.exposure)
    plant.tell(count("L1", "R1", at(1, "08:00"), 500.0))
    for clock in ("08:00", "09:00"):
        plant.tick(at(1, clock))
    assert {
        "line_down/S1/line/L1/1": ("cleared", "it runs again"),
        "delivery_risk/S1/line/L1/1": ("cleared", "the affected orders are projected in time again"),
    } == {card_id: (card.state, card.update_reason) for card_id, card in plant.cards.items()}


def test_what_one_line_loses_the_next_pays(plant: Folded) -> None:
    """R1 on L1 feeds R2 on L2. A plan that ends R2 on Monday 22:00 slides when R1 starts 4 hours late."""
    plant.tell(order("1", at(1, "12:00")))
    plant.tell(
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), feeds_run_ids=["R2"]),
        run("R2", "L2", at(0, "14:00"), at(0, "22:00"), pegs=["1"]),
    )
    plant.tick(at(0, "10:00"))

    assert at(0, "18:00").timestamp() == plant.twin.model.lines["S1", "L1"].projected["R1"].finish_at
    assert at(1, "10:00") == projection(plant, "1").ready_at


def test_setup_between_families_is_counted_once(plant: Folded) -> None:
    """R1 red ends 10:00 as planned; R2 blue needs 30 min of setup: planned at 10:00, it starts 10:30."""
    plant.tell(
        run("R1", "L1", at(0, "06:00"), at(0, "10:00"), quantity=400.0),
        run("R2", "L1", at(0, "10:00"), at(0, "14:00"), quantity=400.0, item_id="blue"),
    )
    plant.tick(at(0, "06:00"))
    plant.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    projected = plant.twin.model.lines["S1", "L1"].projected

    assert (at(0, "10:30").timestamp(), "queue") == (projected["R2"].start_at, projected["R2"].bound_by)


def test_a_repeated_event_changes_nothing(plant: Folded) -> None:
    started(plant)
    first = count("L1", "R1", at(0, "07:00"), 100.0)
    plant.tell(first)
    before = plant.twin.digest
    plant.tell(first)

    assert 100.0 == plant.twin.model.runs["S1", "R1"].progress.good_pcs
    assert 1 == plant.twin.counters["duplicate", "event_id"]
    assert before != plant.twin.digest, "the position moved on, though nothing else did"


def test_a_numbered_repeat_is_known_whatever_its_age(plant: Folded) -> None:
    started(plant)
    for minute in range(1, 60):
        plant.tell(
            count(
                "L1",
                "R1",
                at(0, f"06:{minute:02d}"),
                1.0,
                source_id="gw",
                source_sequence=minute,
                event_id=f"e{minute}",
            )
        )
    plant.tell(count("L1", "R1", at(0, "06:01"), 1.0, source_id="gw", source_sequence=1, event_id="other"))

    assert 59.0 == plant.twin.model.runs["S1", "R1"].progress.good_pcs
    assert 1 == plant.twin.counters["duplicate", "sequence"]


def test_totals_count_up_and_survive_a_reset(plant: Folded) -> None:
    """Readings 100, 250, then the counter begins again: 30, 80. Made: 100 + 150 + 30 + 50 = 330."""
    started(plant)
    for hour, total in ((7, 100.0), (8, 250.0), (9, 30.0), (10, 80.0)):
        plant.tell(count("L1", "R1", at(0, f"{hour:02d}:00"), total, counter="total"))

    assert 330.0 == plant.twin.model.runs["S1", "R1"].progress.good_pcs


def test_a_correction_lands_in_the_time_it_belongs_to(plant: Folded) -> None:
    started(plant)
    for hour in (7, 8, 9):
        plant.tell(count("L1", "R1", at(0, f"{hour:02d}:00"), 100.0))
    plant.tell(event("count_corrected", at(0, "07:30"), line_id="L1", run_id="R1", good_delta=-40.0))
    line = plant.twin.model.lines["S1", "L1"]

    assert [100.0, 60.0, 100.0] == [bucket.made_pcs for bucket in line.buckets]
    assert 260.0 == plant.twin.model.runs["S1", "R1"].progress.good_pcs


def test_a_late_count_lands_in_its_bucket(plant: Folded) -> None:
    started(plant)
    for hour in (7, 8, 9):
        plant.tell(count("L1", "R1", at(0, f"{hour:02d}:00"), 90.0))
    plant.tell(count("L1", "R1", at(0, "07:20"), 10.0, event_id="late"))

    assert [90.0, 100.0, 90.0] == [bucket.made_pcs for bucket in plant.twin.model.lines["S1", "L1"].buckets]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("unknown_line", event("run_started", at(0, "06:30"), line_id="L9", run_id="R1")),
        ("unknown_run", event("run_started", at(0, "06:30"), line_id="L1", run_id="R9")),
        ("unknown_run", count("L2", None, at(0, "06:30"), 5.0)),
        ("unknown_order", event("order_cancelled", at(0, "06:30"), order_id="9")),
        ("illegal_transition", event("run_cancelled", at(0, "06:30"), run_id="R1")),
        ("in_future", count("L1", "R1", at(1, "06:30"), 5.0)),
        ("superseded", event("run_held", at(0, "05:30"), line_id="L1", run_id="R1")),
        ("wrong_line", event("run_held", at(0, "06:30"), line_id="L2", run_id="R1")),
        ("below_zero", event("count_corrected", at(0, "06:30"), line_id="L1", run_id="R1", good_delta=-1.0)),
        ("superseded", order("1", at(2, "12:00"), when=at(-1, "00:00"))),
    ],
)
def test_what_cannot_be_true_here_is_rejected_and_changes_nothing(
    plant: Folded, reason: str, told: Event
) -> None:
    started(plant)
    before = {key: value for key, value in plant.documents.items() if "/ids/" not in key}
    plant.tell(told)

    assert [reason] == plant.rejections
    assert before == {key: value for key, value in plant.documents.items() if "/ids/" not in key}


def test_a_count_after_completion_is_rejected_but_a_late_one_is_not(plant: Folded) -> None:
    started(plant)
    plant.tell(count("L1", "R1", at(0, "09:00"), 300.0))
    plant.tell(event("run_completed", at(0, "09:30"), line_id="L1", run_id="R1"))
    plant.tell(count("L1", "R1", at(0, "10:00"), 7.0))
    plant.tell(count("L1", "R1", at(0, "09:15"), 9.0))

    assert ["illegal_transition"] == plant.rejections
    assert 309.0 == plant.twin.model.runs["S1", "R1"].progress.good_pcs


def test_counts_alone_start_a_run(plant: Folded) -> None:
    """Two spreadsheets know no run_started: pieces say that it began, when the plan says."""
    plant.tell(order("1", at(1, "12:00")), run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]))
    plant.tick(at(0, "07:00"))
    plant.tell(count("L1", "R1", at(0, "07:00"), 100.0))
    progress = plant.twin.model.runs["S1", "R1"].progress

    assert (RunState.RUNNING, at(0, "06:00").timestamp(), 3600.0) == (
        progress.state,
        progress.first_started_at,
        progress.apt_s,
    )


def test_two_runs_on_one_line_are_one_interrupted_by_the_other(plant: Folded) -> None:
    started(plant)
    plant.tell(run("R2", "L1", at(0, "14:00"), at(0, "22:00")))
    plant.tell(event("run_started", at(0, "08:00"), line_id="L1", run_id="R2"))
    runs = plant.twin.model.runs

    assert (RunState.SUSPENDED, RunState.RUNNING) == (
        runs["S1", "R1"].progress.state,
        runs["S1", "R2"].progress.state,
    )
    assert ["R2", "R1"] == [each.run_id for each in plant.twin.model.lines["S1", "L1"].queued()]


def test_the_shop_floor_decides_where_a_run_is_made(plant: Folded) -> None:
    plant.tell(run("R1", "L1", at(0, "06:00"), at(0, "14:00")))
    plant.tell(event("run_started", at(0, "06:00"), line_id="L2", run_id="R1"))
    restored = Twin.restore(plant.twin.header(), plant.documents)

    assert "L2" == plant.twin.model.line_of_run["S1", "R1"].line_id
    assert "L2" == restored.model.line_of_run["S1", "R1"].line_id


def test_the_clock_never_runs_back(plant: Folded) -> None:
    plant.tick(at(0, "09:00"))
    assert [] == plant.tick(at(0, "08:00"))
    assert at(0, "09:00").timestamp() == plant.twin.now


def test_a_command_on_a_proposal_that_nobody_knows_is_answered(plant: Folded) -> None:
    told = {"command_id": "c1", "actor": "pat", "proposal_id": "x"}
    plant.tell(event("proposal_reject", at(0, "06:00"), **told))
    [result] = plant.on(topics.COMMAND_RESULTS)

    assert ("c1", "rejected", "unknown_proposal") == (result.command_id, result.outcome, result.reason)


def test_what_is_behind_the_watermark_is_skipped(plant: Folded) -> None:
    started(plant)
    facts = plant.log.of(count("L1", "R1", at(0, "07:00"), 100.0, event_id="once"))
    plant.fold(facts)
    digest = plant.twin.digest
    assert [] == plant.fold(facts)
    assert digest == plant.twin.digest


def test_old_orders_and_runs_are_forgotten(plant: Folded) -> None:
    started(plant)
    plant.tick(at(1, "12:00"))
    plant.tell(event("run_completed", at(0, "12:00"), line_id="L1", run_id="R1"))
    plant.tell(event("order_shipped", at(1, "12:00"), order_id="1", shipped_pcs=800.0))
    plant.tick(at(35, "00:00"))
    assert ("S1", "1") in plant.twin.model.orders
    plant.tick(at(37, "00:00"))

    assert not plant.twin.model.orders
    assert not plant.twin.model.runs
    assert not [key for key in plant.documents if "/R1" in key or "/order_state/" in key]
    restored = Twin.restore(plant.twin.header(), plant.documents)
    assert plant.twin.digest == restored.digest


def test_restored_means_never_stopped(plant: Folded) -> None:
    started(plant)
    plant.tell(count("L1", "R1", at(0, "07:00"), 80.0))
    plant.tell(event("run_held", at(0, "07:30"), line_id="L1", run_id="R1"))
    restored = Twin.restore(plant.twin.header(), plant.documents)
    assert (plant.twin.digest, plant.twin.document_count) == (restored.digest, restored.document_count)
    more = plant.log.of(
        event("run_resumed", at(0, "09:00"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "09:00") + timedelta(hours=1), 50.0),
    )
    assert wire(plant.twin.apply(more)) == wire(restored.apply(more))
    assert plant.twin.take_changes() == restored.take_changes()


def test_the_same_facts_give_the_same_bytes_however_they_are_grouped(plant: Folded) -> None:
    started(plant)
    for minute in range(5, 60, 5):
        plant.tell(count("L1", "R1", at(0, f"06:{minute:02d}"), 8.0))
    twin, outputs, documents = fold_all(plant.records)

    assert wire(plant.outputs) == wire(outputs)
    assert plant.documents == documents
    assert plant.twin.digest == twin.digest


def test_one_truck_with_two_late_orders_clears_their_card_once(plant: Folded) -> None:
    """Both orders hang on R1, which has not begun: one card. One departure ships both: one clearing, not two."""
    plant.tell(order("1", at(1, "12:00"), quantity=400.0), order("2", at(1, "12:00"), quantity=400.0))
    plant.tell(run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1", "2"]))
    plant.tick(at(0, "06:00"))
    plant.tick(at(1, "09:00"))
    assert [2] == [card.affected_total for card in plant.cards.values()]
    outputs = plant.tell(
        event("shipment_departed", at(1, "09:00"), shipment_id="T1", route_id="daily", order_ids=["1", "2"])
    )

    assert ["cleared"] == [output.body.state for output in outputs if output.topic == topics.CARDS]  # type: ignore[union-attr]


def test_a_cancelled_order_that_erp_says_again_stands_again(plant: Folded) -> None:
    plant.tell(order("1", at(1, "12:00")))
    plant.tell(event("order_cancelled", at(0, "05:00"), order_id="1"))
    assert "cancelled" == projection(plant, "1").status
    plant.tell(order("1", at(1, "12:00"), when=at(0, "05:30")))
    assert "no_runs" == projection(plant, "1").status
    plant.tell(event("order_cancelled", at(0, "05:10"), order_id="1", event_id="late"))
    assert ["superseded"] == plant.rejections
