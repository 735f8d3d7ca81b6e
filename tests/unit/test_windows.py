"""CP-SAT on windows of a plan: exact on tiny ones, by enumeration; complete hints; never worse; the same every time."""

from itertools import permutations, product
from random import Random

import pytest

from solvers.construct import evaluate
from solvers.instance import Instance, InstanceInvalid, Sequences
from solvers.line_times import Walked
from solvers.window_lines import Slice
from solvers.window_model import WindowModel
from solvers.windows import choose_window, improve_window, polish

HINT_IS_COMPLETE = "solution hint is complete and is feasible"


def random_instance(
    random: Random, *, tasks: int = 7, lines: int = 3, tax: int = 0, makespan: int = 0
) -> Instance:
    """Everything at once: eligibility, calendars, setups with cost, own setups, releases, slots, tails, line costs."""
    families = 3
    work = [[random.choice([-1, *range(1, 10)]) for _ in range(tasks)] for _ in range(lines)]
    for task in range(tasks):
        work[random.randrange(lines)][task] = random.randint(1, 9)
    span_ptr, starts, ends = [0], [], []
    for line in range(lines):
        now = random.randint(0, 4)
        for _ in range(12 if line == 0 or random.random() < 0.6 else 0):
            end = now + random.randint(2, 8)
            starts.append(now)
            ends.append(end)
            now = end + random.randint(0, 5)
        span_ptr.append(len(starts))
    step_ptr, step_at, step_cost = [0], [], []
    for _ in range(tasks):
        for _ in range(random.randint(0, 2)):
            step_at.append(random.randint(5, 40))
            step_cost.append(random.randint(1, 50))
        step_ptr.append(len(step_at))

    def setups() -> list[list[list[int]]]:
        return [
            [[0 if a == b else random.randint(0, 4) for b in range(families)] for a in range(families + 1)]
            for _ in range(lines)
        ]

    return Instance.build(
        work,
        family=[random.randrange(families) for _ in range(tasks)],
        setup=setups(),
        setup_cost=setups(),
        initial_family=[random.randint(0, families) for _ in range(lines)],
        task_setup=[random.choice([-1, -1, -1, 2]) for _ in range(tasks)],
        available=[random.randint(0, 5) for _ in range(lines)],
        release=[random.choice([0, 0, random.randint(0, 20)]) for _ in range(tasks)],
        span_ptr=span_ptr,
        span_start=starts,
        span_end=ends,
        due=[random.randint(3, 30) for _ in range(tasks)],
        weight=[random.choice([0, 1, 2, 5]) for _ in range(tasks)],
        step_ptr=step_ptr,
        step_at=step_at,
        step_cost=step_cost,
        tail=[[random.choice([0, 0, 3]) for _ in range(tasks)] for _ in range(lines)],
        line_cost=[[random.choice([0, 0, 7]) for _ in range(tasks)] for _ in range(lines)],
        home_start=[random.randint(0, 20) for _ in range(tasks)],
        shift_tax=[random.randint(0, tax) for _ in range(tasks)],
        makespan_weight=makespan,
        setup_weight=random.choice([0, 1]),
    )


def random_plan(instance: Instance, random: Random) -> Walked:
    sequences: Sequences = [[] for _ in range(instance.lines)]
    tasks = list(range(instance.tasks))
    random.shuffle(tasks)
    for task in tasks:
        sequences[random.choice(instance.eligible_lines(task))].append(task)
    return Walked(instance, sequences)


def random_window(plan: Walked, random: Random, tasks: int) -> list[Slice]:
    slices = []
    for line in random.sample(range(plan.instance.lines), random.choice([1, 2])):
        size = len(plan.lines[line].sequence)
        first = random.randint(0, size)
        last = min(size, first + random.randint(0, tasks))
        slices.append(Slice(line, first, last))
        tasks -= last - first
    return slices


def with_window(plan: Walked, slices: list[Slice], parts: Sequences) -> Walked:
    changed = {}
    for part, tasks in zip(slices, parts, strict=True):
        before = plan.lines[part.line].sequence
        changed[part.line] = [*before[: part.first], *tasks, *before[part.last :]]
    return plan.with_lines(changed)


def enumerated(plan: Walked, slices: list[Slice]) -> int:
    """The least cost over every way to share a window's tasks out and to order them."""
    free = [task for part in slices for task in plan.lines[part.line].sequence[part.first : part.last]]
    costs = []
    for on in product(range(len(slices)), repeat=len(free)):
        if any(plan.instance.work[slices[at].line, task] < 0 for at, task in zip(on, free, strict=True)):
            continue
        groups = [
            [task for at, task in zip(on, free, strict=True) if at == index] for index in range(len(slices))
        ]
        costs += [
            with_window(plan, slices, [list(each) for each in orders]).cost
            for orders in product(*(permutations(group) for group in groups))
        ]
    return min(costs)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("makespan", [0, 3])
def test_a_window_is_solved_as_enumeration_solves_it(seed: int, makespan: int) -> None:
    random = Random(seed)
    plan = random_plan(random_instance(random, makespan=makespan), random)
    slices = random_window(plan, random, tasks=4)

    model = WindowModel(plan, slices)
    answer = model.solve(seed=1, deterministic_limit=10.0, log=True)

    assert "OPTIMAL" == answer.status
    assert HINT_IS_COMPLETE in answer.log or not model.tasks
    assert answer.sequences is not None
    found = with_window(plan, slices, answer.sequences)
    assert enumerated(plan, slices) == found.cost
    assert found.cost - plan.cost == answer.cost - model.cost_before, "the model's own count of the change"


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_is_walked_as_the_kernel_walks_it(seed: int) -> None:
    random = Random(seed)
    plan = random_plan(random_instance(random, tasks=12, tax=seed % 2, makespan=seed % 3), random)

    theirs = evaluate(plan.instance, plan.sequences)

    assert (theirs.cost, theirs.makespan) == (plan.cost, plan.makespan)
    for times in plan.lines:
        for position, task in enumerate(times.sequence):
            assert theirs.start[task] == times.start_tick(position)
            assert theirs.end[task] == times.end_tick(position)


@pytest.mark.parametrize("seed", range(20))
def test_the_tax_on_shifted_starts_is_exact_inside_the_window(seed: int) -> None:
    """Nothing follows the windows: of what follows only the later starts are taxed."""
    random = Random(seed)
    plan = random_plan(random_instance(random, tasks=5, lines=2, tax=2), random)
    slices = [Slice(line, 0, len(plan.lines[line].sequence)) for line in range(2)]

    answer = WindowModel(plan, slices).solve(seed=1, deterministic_limit=10.0, log=True)

    assert HINT_IS_COMPLETE in answer.log
    assert answer.sequences is not None
    assert enumerated(plan, slices) == with_window(plan, slices, answer.sequences).cost


@pytest.mark.parametrize("seed", range(5))
def test_every_variable_of_the_model_has_a_hint(seed: int) -> None:
    random = Random(seed)
    plan = random_plan(random_instance(random, tasks=12, tax=seed % 2, makespan=seed % 3), random)
    model = WindowModel(plan, [Slice(0, 0, len(plan.lines[0].sequence)), Slice(1, 0, 0)])

    proto = model.model.proto
    open_ones = [index for index, each in enumerate(proto.variables) if min(each.domain) < max(each.domain)]
    assert set(open_ones) <= set(proto.solution_hint.vars), "only constants have none"
    assert model.hints == len(proto.solution_hint.vars)


def test_two_families_are_made_one_after_the_other() -> None:
    """By hand: A B A B of 10 ticks with setups of 5 between families end at 10 25 40 55, A A B B at 10 20 35 45.

    All are due at 20 with weight 1: 0 + 5 + 20 + 35 = 60 before; 0 + 0 + 15 + 25 = 40 after.
    """
    instance = Instance.build(
        [[10, 10, 10, 10]],
        family=[0, 1, 0, 1],
        setup=[[[0, 5], [5, 0], [0, 0]]],
        due=[20] * 4,
        weight=[1] * 4,
    )

    better = improve_window(instance, [[0, 1, 2, 3]], center=3, seed=1)

    assert better is not None
    assert (60, 40) == (Walked(instance, [[0, 1, 2, 3]]).cost, Walked(instance, better).cost)


def test_what_follows_the_window_counts() -> None:
    """Free are A and B, 10 ticks each; C follows and is of B's family, B's setup for C is 0 and A's is 8.

    A before B costs nothing more than B before A inside the window, but C, due at 30, is in time only after B.
    """
    instance = Instance.build(
        [[10, 10, 10]],
        family=[0, 1, 1],
        setup=[[[0, 0], [0, 0], [0, 0]]],
        task_setup=[-1, -1, -1],
        due=[100, 100, 30],
        weight=[1, 1, 7],
    )
    costly = Instance.build(
        [[10, 10, 10]],
        family=[0, 1, 1],
        setup=[[[0, 8], [0, 0], [0, 0]]],
        initial_family=[0],
        due=[100, 100, 30],
        weight=[1, 1, 7],
    )
    window = [Slice(0, 0, 2)]

    # Without setups both orders cost 0. With them A first means 8 ticks before B and none before C: 38 - 30 = 8 late;
    # B first means 8 before B and 8 before C: 46 - 30 = 16 late.
    assert 0 == WindowModel(Walked(instance, [[1, 0, 2]]), window).solve(seed=1, deterministic_limit=1.0).cost
    answer = WindowModel(Walked(costly, [[1, 0, 2]]), window).solve(seed=1, deterministic_limit=1.0)
    assert [[0, 1]] == answer.sequences
    assert 7 * 16 == Walked(costly, [[1, 0, 2]]).cost
    assert 7 * 8 == Walked(costly, [[0, 1, 2]]).cost


def test_a_plan_that_cannot_be_better_stays() -> None:
    instance = Instance.build([[5, 5]], due=[5, 10], weight=[1, 1])

    assert improve_window(instance, [[0, 1]], center=1, seed=1) is None


def test_fixed_tasks_are_no_part_of_a_window() -> None:
    instance = Instance.build(
        [[9, 1, 1], [9, 1, 1]], due=[0, 0, 0], weight=[1, 9, 9], fixed_ptr=[0, 1, 1], fixed_task=[0]
    )
    plan = Walked(instance, [[0, 1, 2], []])

    assert [] == choose_window(plan, 0, seed=1)
    assert [Slice(0, 1, 3), Slice(1, 0, 0)] == choose_window(plan, 2, seed=1)
    better = improve_window(instance, plan.sequences, center=2, seed=1)
    assert better is not None
    assert [0] == better[0]
    assert {1, 2} == set(better[1])


def test_tasks_that_are_nowhere_stay_nowhere() -> None:
    instance = Instance.build([[5, 5, 5]], due=[5, 5, 5], weight=[1, 9, 1])

    better = improve_window(instance, [[0, 1]], center=1, seed=1)

    assert [[1, 0]] == better
    with pytest.raises(InstanceInvalid):
        improve_window(instance, [[0, 0]], center=1, seed=1)


def shop(seed: int) -> tuple[Instance, Walked]:
    """40 tasks on 4 lines, three families, as they come."""
    random = Random(seed)
    tasks, lines = 40, 4
    length = [random.randint(20, 90) for _ in range(tasks)]
    instance = Instance.build(
        [
            [length[j] if random.random() < 0.6 or i == j % lines else -1 for j in range(tasks)]
            for i in range(lines)
        ],
        family=[random.randrange(3) for _ in range(tasks)],
        setup=[[[0 if a == b else 25 for b in range(3)] for a in range(4)] for _ in range(lines)],
        release=[random.choice([0, 0, random.randint(0, 200)]) for _ in range(tasks)],
        due=[random.randint(60, 500) for _ in range(tasks)],
        weight=[random.choice([1, 2, 8]) for _ in range(tasks)],
    )
    return instance, Walked(instance, [list(range(i, tasks, lines)) for i in range(lines)])


def test_polishing_improves_a_plan_and_is_the_same_every_time() -> None:
    instance, plan = shop(1)

    first = polish(instance, plan.sequences, seed=3, rounds=6, deterministic_limit=0.1)
    again = polish(instance, plan.sequences, seed=3, rounds=6, deterministic_limit=0.1)

    assert first == again
    assert Walked(instance, first).cost < 0.8 * plan.cost
    assert sorted(task for sequence in first for task in sequence) == list(range(40))


def test_polishing_stops_when_it_is_told_to() -> None:
    instance, plan = shop(1)

    assert plan.sequences == polish(instance, plan.sequences, seed=3, rounds=6, should_stop=lambda: True)


@pytest.mark.parametrize("seed", range(3))
def test_a_window_without_time_leaves_the_plan_as_it_is_or_better(seed: int) -> None:
    instance, plan = shop(seed)

    better = improve_window(instance, plan.sequences, center=39, seed=seed, deterministic_limit=0.001)

    assert better is None or Walked(instance, better).cost < plan.cost
