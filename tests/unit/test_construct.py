"""First plans: the dispatch rule, and every place for a task against plain Python."""

import pytest

from solvers.construct import Insertion, atcs, best_insert, evaluate, insertions
from solvers.instance import Instance, InstanceInvalid
from tests.random_instances import random_instance
from tests.reference_schedule import reference_cost


@pytest.mark.parametrize("seed", range(40))
def test_every_place_for_a_task_is_ranked_by_what_it_costs(seed: int) -> None:
    instance, sequences = random_instance(seed, makespan=seed % 2 == 0, flat=seed % 5 == 0)
    fixed = {int(j) for j in instance.fixed_task}
    free = [j for j in range(instance.tasks) if j not in fixed]
    if not free:
        pytest.skip("all tasks of this one are fixed")
    task = free[0]
    without = [[j for j in own if j != task] for own in sequences]
    before = reference_cost(instance, without)
    expected = []
    for line in instance.eligible_lines(task):
        for position in range(len(instance.fixed_of(line)), len(without[line]) + 1):
            tried = [list(own) for own in without]
            tried[line].insert(position, task)
            expected.append(Insertion(line, position, reference_cost(instance, tried) - before))

    assert sorted(expected, key=lambda place: (place.rise, place.line, place.position)) == insertions(
        instance, without, task
    )


@pytest.mark.parametrize("seed", range(20))
def test_both_constructions_place_every_task_once_and_keep_fixed_heads(seed: int) -> None:
    instance, _ = random_instance(seed)
    heads = [instance.fixed_of(line) for line in range(instance.lines)]

    for sequences in (atcs(instance), best_insert(instance, heads)):
        instance.check_sequences(sequences)
        assert list(range(instance.tasks)) == sorted(j for own in sequences for j in own)


def test_the_rule_prefers_the_urgent_and_then_the_short_setup() -> None:
    """Family 1 costs 50 ticks of setup after family 0. Task 2 is due at once, so it goes first all the same."""
    instance = Instance.build(
        [[10, 10, 10]],
        family=[0, 1, 0],
        setup=[[[0, 50], [50, 0], [0, 0]]],
        due=[500, 500, 10],
        weight=[1, 1, 1],
    )

    sequences = atcs(instance)

    assert ([[2, 0, 1]], 0) == (sequences, evaluate(instance, sequences).cost)


def test_a_task_that_is_placed_already_has_no_places() -> None:
    instance = Instance.build([[1, 1]])

    with pytest.raises(InstanceInvalid):
        insertions(instance, [[0]], 0)
    with pytest.raises(InstanceInvalid):
        best_insert(instance, [[0]], [1, 1])
