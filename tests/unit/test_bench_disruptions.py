"""What the benchmark of disruptions measures: its shops, its disruptions, its share of unrest."""

import pytest

from bench.disruptions import repairs
from bench.results import this_machine
from bench.shop import DOWN, EVENT_AT, FROZEN, Kind, disrupt, shop
from solvers.construct import atcs, best_insert, evaluate


def test_the_same_seed_makes_the_same_shop() -> None:
    first, again, other = shop(30, 4, 1), shop(30, 4, 1), shop(30, 4, 2)

    assert (first.work == again.work).all()
    assert (first.due == again.due).all()
    assert (first.due != other.due).any()


@pytest.mark.parametrize("kind", ["line_down", "drift", "rush"])
def test_a_disruption_leaves_what_is_frozen_in_its_place(kind: Kind) -> None:
    instance = shop(60, 6, 1)
    plan = atcs(instance)
    before = evaluate(instance, plan)

    event = disrupt(instance, plan, kind, seed=1)

    early = {task for line in plan for task in line if before.start[task] < EVENT_AT + FROZEN}
    assert early == set(event.instance.fixed_task.tolist())
    assert all(event.instance.release[task] >= EVENT_AT for task in range(60) if task not in early)
    assert evaluate(event.instance, event.sequences).cost >= before.cost


def test_a_line_that_is_down_works_on_when_it_is_up() -> None:
    """A task on it that had begun ends four hours later than planned, if it had not ended."""
    instance = shop(60, 6, 1)
    plan = atcs(instance)

    event = disrupt(instance, plan, "line_down", seed=1)
    after = evaluate(event.instance, event.sequences)

    under_way = [
        task for task in plan[event.line] if event.before.start[task] < EVENT_AT < event.before.end[task]
    ]
    assert [int(event.before.end[task]) + DOWN for task in under_way] == [
        int(after.end[task]) for task in under_way
    ]
    assert under_way


def test_a_rush_order_is_one_more_and_nowhere() -> None:
    instance = shop(60, 6, 1)

    event = disrupt(instance, atcs(instance), "rush", seed=1)

    assert (61, 60, -1) == (event.instance.tasks, event.rush, event.line)
    assert all(60 not in line for line in event.sequences)
    assert sum(60 in line for line in best_insert(event.instance, event.sequences)) == 1


def test_shares_lie_between_slipping_and_the_full_solution() -> None:
    rows = list(repairs(this_machine(), 1, events=2, full_s=0.2, orders=40, lines=4))

    shares = {row.metric: row.value for row in rows if row.metric.endswith("of all gains had back")}
    assert shares["full re-solve: of all gains had back"] == 100.0
    assert 0.0 <= (shares["first answer: of all gains had back"] or 0.0)
    moved = [row.value for row in rows if row.metric.endswith("runs on another line")]
    assert all(value is not None and 0.0 <= value <= 100.0 for value in moved)
