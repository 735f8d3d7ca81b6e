"""Material by hand: who gets what, when it comes, how much more is used than the bill says."""

from math import sqrt

from twin.forecast.projection import Pace, ProjectedRun, QueuedRun, project_queue
from twin.forecast.settled import settle
from twin.material.materials import (
    Gate,
    Need,
    OverUse,
    Supply,
    allocate,
    decisive,
    expected_arrival,
    over_use,
    received_since,
)
from twin.material.supply_documents import ENTRIES_KEPT, UseAccount
from twin.state.calendar import WorkCalendar
from twin.state.runs import RunState
from twin.state.shifts import CalendarDescription

H = 3600.0
ALWAYS = WorkCalendar(CalendarDescription(always=True))
REORDER = Supply(at=100 * H, quantity=0.0, sd_s=10 * H, receipt_id=None)


def receipt(hour: float, quantity: float, name: str) -> Supply:
    return Supply(at=hour * H, quantity=quantity, sd_s=H, receipt_id=name)


def test_stock_goes_to_the_runs_in_the_order_given_and_receipts_follow_by_time() -> None:
    """300 there. A takes 200, B 100 of its 250 and 150 of P1's 400; C takes the other 250 and 50 that nobody brings."""
    needs = [Need("A", 200.0, 2.0), Need("B", 250.0, 1.0), Need("C", 300.0, 2.0)]

    gates = allocate("bolt", 300.0, needs, [receipt(10, 400.0, "P1")], REORDER)

    assert {
        "B": [Gate("bolt", 10 * H, 150.0, H, "P1")],
        "C": [Gate("bolt", 10 * H, 150.0, H, "P1"), Gate("bolt", 100 * H, 25.0, 10 * H, None)],
    } == gates


def test_only_gates_that_nothing_later_outdoes_can_decide() -> None:
    """B comes later than A and holds more; D comes last and holds least."""
    a, b, c, d = (Gate(name, at, held, 0.0, "P") for name, at, held in (("a", 1.0, 5.0), ("b", 2.0, 7.0), ("c", 0.5, 9.0), ("d", 3.0, 1.0)))  # fmt: skip

    assert (c, b, d) == decisive([a, b, c, d])


def test_stock_that_covers_all_holds_nobody() -> None:
    assert {} == allocate("bolt", 450.0, [Need("A", 200.0, 2.0), Need("B", 250.0, 1.0)], [], REORDER)


def test_more_used_than_was_there_counts_as_nothing_there() -> None:
    gates = allocate("bolt", -70.0, [Need("A", 100.0, 1.0)], [receipt(5, 100.0, "P1")], REORDER)

    assert {"A": [Gate("bolt", 5 * H, 100.0, H, "P1")]} == gates


def test_an_overdue_receipt_comes_as_late_again_as_it_is_but_not_later_than_a_new_order() -> None:
    """Due at 10: at 4 it is 6 h away, +-10 % of that. At 13 it is 3 h late: 16. At 90 it would be 170; an order takes 48."""
    assert (10 * H, 0.6 * H) == expected_arrival(10 * H, 4 * H, 48 * H)
    assert (16 * H, 3 * H) == expected_arrival(10 * H, 13 * H, 48 * H)
    assert (138 * H, 48 * H) == expected_arrival(10 * H, 90 * H, 48 * H)


def test_over_use_is_seen_through_two_hundred_pieces_by_the_bill() -> None:
    """3,600 pieces at 2 take 7,200 by the bill; 7,504 were used: (7,504 + 400) / (7,200 + 400) = 1.04."""
    seen = over_use([(7_504.0, 3_600.0, 2.0, 3)])

    assert 0.04 == round(seen.share, 12)
    assert (0.05 * sqrt(400 / 7_600), 3) == (seen.sd, seen.reports)


def test_a_pallet_handed_out_ahead_is_no_over_use() -> None:
    assert OverUse(0.0, 0.05, 0) == over_use([(1_000.0, 10.0, 2.0, 1)])
    assert OverUse(0.0, 0.05, 0) == over_use([])


def test_what_came_since_a_stock_report_is_what_came_in_all_less_what_had_come_by_then() -> None:
    steps = [(1 * H, 300.0), (4 * H, 500.0), (9 * H, 800.0)]

    assert 500.0 == received_since(steps, 2 * H)
    assert 300.0 == received_since(steps, 4 * H)
    assert 0.0 == received_since(steps, 9 * H)


def test_old_reports_of_use_become_one_sum_and_nothing_is_lost() -> None:
    account = UseAccount()
    for hour in range(ENTRIES_KEPT + 10):
        account.enter(hour * H, 2.0)

    assert ENTRIES_KEPT == len(account.entries)
    assert 2.0 * (ENTRIES_KEPT + 10) == account.used
    assert (10 * H, 22.0) == account.entries[0]


def projected(gates: dict[str, list[Gate]]) -> list[ProjectedRun]:
    """Two runs of 400 and 100 pieces at 100 an hour; they would end at 4 and at 5."""
    queue = [
        QueuedRun("R1", RunState.RUNNING, 400.0, 100.0, 0.0, None, None, 0.0),
        QueuedRun("R2", RunState.PLANNED, 100.0, 100.0, 0.0, None, None, 0.0),
    ]
    return project_queue(queue, ALWAYS, Pace(1.0, 0.0, 0.0), 0.0, 0.0, gates=gates)


def test_a_run_waits_from_the_piece_on_for_which_material_is_missing_and_the_queue_with_it() -> None:
    """Its last 150 come after 6 h: 6 + 1.5 = 7.5, 3.5 h later than without; R2 ends at 8.5."""
    first, second = projected({"R1": [Gate("bolt", 6 * H, 150.0, 0.5 * H, "P1")]})

    assert (7.5 * H, 3.5 * H, "bolt", 6 * H, 150.0) == (
        first.finish_at,
        first.wait_work_s,
        first.waits_for,
        first.waits_until,
        first.held_pcs,
    )
    assert 0.5 * H == first.sd_work_s
    assert (8.5 * H, 0.0, None) == (second.finish_at, second.wait_work_s, second.waits_for)


def test_material_that_is_late_but_not_needed_yet_delays_nothing() -> None:
    """The last 150 are due from 2.5 h on; at 2 h their material is there."""
    first, second = projected({"R1": [Gate("bolt", 2 * H, 150.0, H, "P1")]})

    assert (4 * H, 0.0, None) == (first.finish_at, first.wait_work_s, first.waits_for)
    assert 5 * H == second.finish_at


def test_the_latest_of_several_materials_decides() -> None:
    gates = [Gate("bolt", 5 * H, 300.0, 0.0, "P1"), Gate("glue", 7 * H, 50.0, 0.0, None)]
    first, _ = projected({"R1": gates})

    # bolt: 5 + 3 = 8; glue: 7 + 0.5 = 7.5
    assert (8 * H, "bolt", 4 * H) == (first.finish_at, first.waits_for, first.wait_work_s)


def test_a_run_that_waits_as_long_for_another_material_is_projected_anew() -> None:
    bolt = {run.run_id: run for run in projected({"R1": [Gate("bolt", 6 * H, 150.0, 0.5 * H, "P1")]})}
    glue = {run.run_id: run for run in projected({"R1": [Gate("glue", 6 * H, 150.0, 0.5 * H, "P2")]})}

    assert ["glue", None] == [run.waits_for for run in settle(bolt, glue).values()]
    assert bolt == settle(bolt, bolt)
