"""CP-SAT on a window: a few hours of the line that is hit and of one or two others, everything else left as it is.

A whole plan is no problem for CP-SAT (docs/decisions/0006). A window is: at most FREE_TASKS tasks that may change line
and order, the plan before it fixed, and what follows priced exactly by the moment at which the window hands the line
over. The kernel evaluates what comes out; what is not better is dropped, so a window never makes a plan worse.

Everything follows from the seed: one worker, and limits in CP-SAT's deterministic time.
"""

from collections.abc import Callable, Sequence
from random import Random

from solvers.construct import evaluate
from solvers.instance import Instance, Sequences
from solvers.line_times import LineTimes, Walked
from solvers.window_lines import Slice
from solvers.window_model import WindowModel

FREE_TASKS = 14
"""Tasks of a window that may change line and order. Below ten there is little to find that local search has not found;
above sixteen most windows end at their limit without a proof, often without a gain."""

LINES = 2
"""Lines of a window. One line alone cannot give work away; each further one halves what the window sees of each."""

BEFORE_SHARE = 0.7
"""Share of the window's time on the hit line that lies before the task at its centre: what is late can only become
early by changing what comes before it, and what it is exchanged with may come after."""

WINDOW_LIMIT = 1.0
"""Deterministic seconds of one window. Below 0.3 hardly more than the hint comes back; above 2 the same time is better
spent on the next window."""

TRIED_FACTOR = 0.25
"""How much less often a task is a centre after each window around it that brought nothing."""

MOST_TRIES = 3
"""Windows around a task without gain, with other lines each time, until it is left alone."""


def improve_window(
    instance: Instance,
    sequences: Sequence[Sequence[int]],
    *,
    center: int,
    seed: int,
    deterministic_limit: float = WINDOW_LIMIT,
    lines: int = LINES,
    free_tasks: int = FREE_TASKS,
) -> Sequences | None:
    """Solve the window around one task.

    Args:
        instance: the problem.
        sequences: the plan as it stands; tasks that are nowhere stay nowhere.
        center: a task of it, usually a late one; its line is the hit line.
        seed: decides which other lines the window takes, and CP-SAT's search.
        deterministic_limit: of CP-SAT, about seconds of an idle core.
        lines: at most so many lines.
        free_tasks: at most so many tasks.

    Returns:
        A plan that costs less by the kernel's own count, or None.

    Raises:
        InstanceInvalid: the sequences are no plan of the instance.
    """
    plan = _checked(instance, sequences)
    better = _improve(plan, center, seed, deterministic_limit, lines, free_tasks)
    return None if better is None else better.sequences


def polish(
    instance: Instance,
    sequences: Sequence[Sequence[int]],
    *,
    seed: int,
    rounds: int,
    deterministic_limit: float = WINDOW_LIMIT,
    lines: int = LINES,
    free_tasks: int = FREE_TASKS,
    should_stop: Callable[[], bool] = lambda: False,
) -> Sequences:
    """A large-neighbourhood search for idle time: window after window around what costs.

    A task is the centre with a probability by what its end costs; a window that brought nothing is not tried again
    around the same task with the same lines until the plan has changed.

    Args:
        instance: the problem.
        sequences: the plan as it stands; tasks that are nowhere stay nowhere.
        seed: of centres, other lines, and CP-SAT.
        rounds: windows at most.
        deterministic_limit: of CP-SAT, for each window.
        lines: at most so many in a window.
        free_tasks: at most so many in a window.
        should_stop: asked before each window: superseded, out of wall time.

    Returns:
        A plan that is never worse than the given one.

    Raises:
        InstanceInvalid: the sequences are no plan of the instance.
    """
    plan = _checked(instance, sequences)
    random = Random(seed)
    in_vain: dict[int, int] = {}
    for _ in range(rounds):
        if should_stop():
            break
        center = _draw_center(plan, random, in_vain)
        if center is None:
            break
        better = _improve(plan, center, random.randrange(2**31), deterministic_limit, lines, free_tasks)
        if better is None:
            in_vain[center] = in_vain.get(center, 0) + 1
        else:
            plan = better
            in_vain.clear()
    return plan.sequences


def _checked(instance: Instance, sequences: Sequence[Sequence[int]]) -> Walked:
    plan = [list(each) for each in sequences]
    instance.check_sequences(plan)
    return Walked(instance, plan)


def choose_window(
    plan: Walked, center: int, *, seed: int, lines: int = LINES, free_tasks: int = FREE_TASKS
) -> list[Slice]:
    """The parts of lines to set free around a task: on its line most of them before it, on others the same hours.

    The other lines are drawn, weighted by how many tasks the two lines could exchange in those hours.

    Args:
        plan: as it stands.
        center: a task; there is no window around one that is nowhere or fixed.
        seed: of the draw.
        lines: at most so many.
        free_tasks: at most so many tasks in all.
    """
    work = plan.instance.work
    hit, at = plan.where.get(center, (-1, -1))
    fixed = [len(plan.instance.fixed_of(line)) for line in range(plan.instance.lines)]
    if hit < 0 or at < fixed[hit]:
        return []
    times = plan.lines[hit]
    share = -(-free_tasks // lines)
    first = max(fixed[hit], at + 1 - max(1, round(share * BEFORE_SHARE)))
    last = min(len(times.sequence), first + share)
    first = max(fixed[hit], last - share)
    slices = [Slice(hit, first, last)]
    left = free_tasks - (last - first)
    mine = times.sequence[first:last]
    offers: list[tuple[int, Slice]] = []
    for line, there in enumerate(plan.lines):
        given = int((work[line, mine] >= 0).sum())
        if line == hit or not given:
            continue
        part = _between(
            there,
            fixed[line],
            times.start_tick(first),
            times.end_tick(last - 1),
            times.end_tick(at),
            min(left, share),
        )
        taken = int((work[hit, there.sequence[part.first : part.last]] >= 0).sum())
        offers.append((given + taken, part))
    random = Random(seed)
    while offers and len(slices) < lines:
        (index,) = random.choices(range(len(offers)), weights=[weight for weight, _ in offers])
        _, part = offers.pop(index)
        part = Slice(part.line, part.first, min(part.last, part.first + left))
        slices.append(part)
        left -= part.last - part.first
    return slices


def _improve(
    plan: Walked, center: int, seed: int, limit: float, lines: int, free_tasks: int
) -> Walked | None:
    slices = choose_window(plan, center, seed=seed, lines=lines, free_tasks=free_tasks)
    if sum(part.last - part.first for part in slices) < 2 and len(slices) < 2:
        return None
    answer = WindowModel(plan, slices).solve(seed=seed, deterministic_limit=limit)
    if answer.sequences is None:
        return None
    changed: dict[int, list[int]] = {}
    for part, sequence in zip(slices, answer.sequences, strict=True):
        before = plan.lines[part.line].sequence
        changed[part.line] = [*before[: part.first], *sequence, *before[part.last :]]
    better = plan.with_lines(changed)
    gain = evaluate(plan.instance, plan.sequences).cost - evaluate(plan.instance, better.sequences).cost
    return better if gain > 0 else None


def _draw_center(plan: Walked, random: Random, in_vain: dict[int, int]) -> int | None:
    """A task that costs, by what it costs; what was tried in vain comes up less often. None where none is left."""
    weight = plan.instance.makespan_weight
    last = plan.makespan if weight else -1
    tasks: list[int] = []
    weights: list[float] = []
    for times in plan.lines:
        more = weight if times.last_tick == last else 0
        for position in range(len(plan.instance.fixed_of(times.facts.index)), len(times.sequence)):
            task, cost = times.sequence[position], times.cost[position] + more
            tries = in_vain.get(task, 0)
            if cost > 0 and tries < MOST_TRIES:
                tasks.append(task)
                weights.append(cost * TRIED_FACTOR**tries)
    return random.choices(tasks, weights=weights)[0] if tasks else None


def _between(times: LineTimes, fixed: int, since: int, until: int, middle: int, most: int) -> Slice:
    """At most so many tasks that a line works on in these hours, the ones around the middle."""
    size = len(times.sequence)
    first = fixed
    while first < size and times.end_tick(first) <= since:
        first += 1
    last = first
    while last < size and times.start_tick(last) < until:
        last += 1
    while last - first > most:
        if middle - times.start_tick(first) > times.end_tick(last - 1) - middle:
            first += 1
        else:
            last -= 1
    return Slice(times.facts.index, first, last)
