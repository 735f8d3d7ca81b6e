"""The compiled search against what sequences mean in plain Python, and against all solutions of small problems."""

from collections.abc import Iterator
from itertools import permutations, product
from random import Random

import pytest

from solvers.anneal import LOGS, stretch
from solvers.construct import evaluate, loaded, sequences_of
from solvers.instance import Instance, InstanceInvalid
from solvers.local_search import CHUNK_MOVES, improve, new_search
from tests.random_instances import random_instance
from tests.reference_schedule import reference_cost, reference_times

CASES = [(seed, kind) for kind in ("lateness", "makespan", "flat") for seed in range(40)]


def everything_on(instance: Instance, tasks: int, lines: int) -> Iterator[list[list[int]]]:
    """All solutions: every assignment to lines, every order."""
    for assignment in product(range(lines), repeat=tasks):
        held = [[j for j in range(tasks) if assignment[j] == i] for i in range(lines)]
        if all(instance.work[i, j] > 0 for i in range(lines) for j in held[i]):
            yield from (
                [list(order) for order in orders] for orders in product(*(permutations(own) for own in held))
            )


def instance_of(seed: int, kind: str) -> tuple[Instance, list[list[int]]]:
    return random_instance(seed, makespan=kind == "makespan", flat=kind == "flat")


@pytest.mark.parametrize(("seed", "kind"), CASES)
def test_cost_and_times_are_what_the_sequences_mean(seed: int, kind: str) -> None:
    instance, sequences = instance_of(seed, kind)

    found = evaluate(instance, sequences)

    times = {j: (int(found.line[j]), int(found.start[j]), int(found.end[j])) for j in range(instance.tasks)}
    assert (reference_cost(instance, sequences), reference_times(instance, sequences)) == (found.cost, times)


@pytest.mark.parametrize(("seed", "kind"), CASES)
def test_the_cost_that_moves_add_up_to_is_the_cost_of_the_sequences(seed: int, kind: str) -> None:
    instance, sequences = instance_of(seed, kind)
    before = reference_cost(instance, sequences)

    for moves in (128, 5_000):
        solution = improve(instance, sequences, seed=seed, moves=moves)

        instance.check_sequences(solution.sequences)
        assert sorted(j for own in sequences for j in own) == sorted(
            j for own in solution.sequences for j in own
        )
        assert reference_cost(instance, solution.sequences) == solution.cost
        assert solution.cost <= before


@pytest.mark.parametrize("temperature", [0.0, 3.0, 30.0, 1e6])
def test_every_accepted_move_keeps_the_cost_exact(temperature: float) -> None:
    """Not the best alone: the solution as it is after each stretch, at any temperature, is what its cost says."""
    for seed, kind in CASES:
        instance, sequences = instance_of(seed, kind)
        state = loaded(instance, sequences)
        search = new_search(instance, state, seed=seed, movable=None)
        if not search.movable.size:
            continue
        for _ in range(4):
            stretch(instance.layout, state, search, LOGS, 128, temperature, temperature, 1.0)
            assert reference_cost(instance, sequences_of(instance, state)) == search.cost[0]


@pytest.mark.parametrize(("lines", "families"), [(1, 40), (1, 5), (2, 80)])
def test_moves_on_long_lines_keep_the_cost_exact_and_leave_what_is_fixed(lines: int, families: int) -> None:
    """40 tasks a line with setups: long blocks, and gaps beside close tasks where families are as many as tasks."""
    random = Random(f"{lines}/{families}")
    n = 40 * lines
    setup = [[[random.randint(0, 60) for _ in range(families)] for _ in range(families + 1)]] * lines
    works = [random.randint(20, 90) for _ in range(n)]
    instance = Instance.build(
        [works] * lines,
        family=[j % families for j in range(n)],
        setup=setup,
        due=[random.randint(100, 3_000) for _ in range(n)],
        weight=[random.randint(0, 10) for _ in range(n)],
        fixed_ptr=[0, 3, 5][: lines + 1],
        fixed_task=[0, lines, 2 * lines, 1, 1 + lines][: 3 if lines == 1 else 5],
    )
    begun = [[j for j in range(n) if j % lines == line] for line in range(lines)]
    state = loaded(instance, begun)
    search = new_search(instance, state, seed=1, movable=None)

    for temperature in (1e6, 300.0, 3.0, 0.0):
        stretch(instance.layout, state, search, LOGS, 2_048, temperature, temperature, 1.0)
        found = sequences_of(instance, state)
        instance.check_sequences(found)
        assert sorted(j for line in found for j in line) == list(range(n))
        assert reference_cost(instance, found) == search.cost[0]
    assert (search.close.size > 0) == (families > 5)
    assert search.cost[1] < 0.7 * reference_cost(instance, begun)


@pytest.mark.parametrize("kind", ["lateness", "makespan", "flat"])
def test_small_problems_are_solved_to_the_optimum(kind: str) -> None:
    solved = 0
    for seed in range(200):
        instance, sequences = instance_of(seed, kind)
        if instance.tasks > 5 or instance.lines > 2 or instance.fixed_task.size:
            continue
        optimum = min(
            reference_cost(instance, every)
            for every in everything_on(instance, instance.tasks, instance.lines)
        )

        assert optimum == improve(instance, sequences, seed=1, moves=20_000).cost, seed
        solved += 1
    assert solved >= 5


def test_the_same_seed_and_budget_give_the_same_plan_however_often_guards_are_asked() -> None:
    instance, sequences = random_instance(7)
    asked: list[int] = []

    def go_on() -> bool:
        asked.append(1)
        return False

    one = improve(instance, sequences, seed=3, moves=3 * CHUNK_MOVES)
    two = improve(instance, sequences, seed=3, moves=3 * CHUNK_MOVES, cancelled=go_on)

    assert one == two
    assert asked


def test_a_guard_ends_the_search_with_the_best_so_far() -> None:
    instance, sequences = random_instance(7)
    answers = iter([False, True])

    solution = improve(instance, sequences, seed=3, moves=10**9, deadline=lambda: next(answers))

    assert 0 < solution.moves <= 2 * CHUNK_MOVES
    assert reference_cost(instance, solution.sequences) == solution.cost


def test_only_movable_tasks_change_line_or_pass_one_another() -> None:
    for seed in range(30):
        instance, sequences = random_instance(seed)
        movable = {j for j in range(instance.tasks) if j % 3 == 0}

        solution = improve(instance, sequences, seed=1, moves=5_000, movable=movable)

        stay = [[j for j in own if j not in movable] for own in sequences]
        assert stay == [[j for j in own if j not in movable] for own in solution.sequences]


def test_tasks_that_are_nowhere_stay_nowhere() -> None:
    instance = Instance.build([[3, 3, 3]], due=[3, 3, 3], weight=[1, 5, 9])

    solution = improve(instance, [[0, 2]], seed=1, moves=1_000)

    assert ([[2, 0]], 3) == (solution.sequences, solution.cost)


@pytest.mark.parametrize(
    ("sequences", "fault"),
    [
        ([[0, 1]], "1 sequences for 2 lines"),
        ([[0, 0], [1]], "task 0 is on line 0 and again on line 0"),
        ([[0, 1], []], "task 1 cannot be made on line 0"),
        ([[], [1, 0]], "line 0 begins with [], not with [0]"),
        ([[0, 7], [1]], "line 0 holds task 7 of 2"),
    ],
)
def test_sequences_that_are_no_solution_are_refused(sequences: list[list[int]], fault: str) -> None:
    instance = Instance.build([[1, -1], [1, 1]], fixed_ptr=[0, 1, 1], fixed_task=[0])

    with pytest.raises(InstanceInvalid) as refused:
        improve(instance, sequences, seed=1, moves=10)

    assert fault == str(refused.value)
