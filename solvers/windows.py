"""CP-SAT on a window: a few hours of the line that is hit and of one or two others, everything else left as it is.

A whole plan is no problem for CP-SAT (docs/decisions/0006). A window is: at most FREE_TASKS tasks that may change line
and order, the plan before it fixed, and what follows priced exactly by the moment at which the window hands the line
over. The kernel evaluates what comes out; what is not better is dropped, so a window never makes a plan worse.

Everything follows from the seed: one worker, and limits in CP-SAT's deterministic time.
"""

from collections.abc import Callable, Sequence
from random import Random

import numpy as np

from solvers.curves import Axis
from solvers.instance import Instance, Sequences
from solvers.walk import State, empty_state, load, total_cost
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
        lines: at most so many lines; free_tasks: at most so many tasks.

    Returns:
        A plan that costs less by the kernel's own count, or None.

    Raises:
        InstanceInvalid: the sequences are no plan of the instance.
    """
    instance.check_sequences([list(each) for each in sequences])
    return _improve(
        instance, state_of(instance, sequences), center, seed, deterministic_limit, lines, free_tasks
    )


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
        rounds: windows at most.
        should_stop: asked before each window: superseded, out of wall time.

    Returns:
        A plan that is never worse than the given one.

    Raises:
        InstanceInvalid: the sequences are no plan of the instance.
    """
    best = [list(each) for each in sequences]
    instance.check_sequences(best)
    random = Random(seed)
    state = state_of(instance, best)
    in_vain: dict[int, int] = {}
    for _ in range(rounds):
        if should_stop():
            break
        center = _draw_center(instance, state, random, in_vain)
        if center is None:
            break
        better = _improve(
            instance, state, center, random.randrange(2**31), deterministic_limit, lines, free_tasks
        )
        if better is None:
            in_vain[center] = in_vain.get(center, 0) + 1
            continue
        best = better
        state = state_of(instance, best)
        in_vain.clear()
    return best


def choose_window(
    instance: Instance,
    state: State,
    center: int,
    *,
    seed: int,
    lines: int = LINES,
    free_tasks: int = FREE_TASKS,
) -> list[Slice]:
    """The parts of lines to set free around a task: on its line most of them before it, on others the same hours.

    The other lines are drawn, weighted by how many tasks the two lines could exchange in those hours.

    Args:
        state: the plan, evaluated.
        center: the task; fixed tasks are no part of any window.
    """
    hit, at = int(state.line_of[center]), int(state.position[center])
    first_free = int(instance.layout.fixed[hit])
    if hit < 0 or at < first_free:
        return []
    share = -(-free_tasks // lines) if lines > 1 else free_tasks
    size = int(state.size[hit])
    first = max(first_free, at + 1 - max(1, round(share * BEFORE_SHARE)))
    last = min(size, first + share)
    first = max(first_free, min(first, last - share))
    slices = [Slice(hit, first, last)]
    times = _Times(instance, state)
    since, until = times.start(hit, first), times.end(hit, last - 1)
    left = free_tasks - (last - first)
    mine = state.sequence[hit, first:last]
    offers: list[tuple[float, Slice]] = []
    for line in range(instance.lines):
        if line == hit:
            continue
        there = times.between(line, since, until, middle=times.end(hit, at), most=min(left, share))
        theirs = state.sequence[line, there.first : there.last]
        exchanged = int((instance.work[line, mine] >= 0).sum()) + int((instance.work[hit, theirs] >= 0).sum())
        if exchanged and (instance.work[line, mine] >= 0).any():
            offers.append((float(exchanged), there))
    random = Random(seed)
    while offers and len(slices) < lines:
        (index,) = random.choices(range(len(offers)), weights=[weight for weight, _ in offers])
        _, part = offers.pop(index)
        taken = min(part.last - part.first, left)
        slices.append(Slice(part.line, part.first, part.first + taken))
        left -= taken
    return slices


def state_of(instance: Instance, sequences: Sequence[Sequence[int]]) -> State:
    """A plan, evaluated by the kernel."""
    state = empty_state(instance.lines, instance.tasks)
    tasks = np.array([task for sequence in sequences for task in sequence], np.int32)
    ptr = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])]).astype(np.int64)
    load(instance.layout, state, tasks, ptr)
    return state


def _improve(
    instance: Instance, state: State, center: int, seed: int, limit: float, lines: int, free_tasks: int
) -> Sequences | None:
    slices = choose_window(instance, state, center, seed=seed, lines=lines, free_tasks=free_tasks)
    if sum(part.last - part.first for part in slices) < 2 and len(slices) < 2:
        return None
    answer = WindowModel(instance, state, slices).solve(seed=seed, deterministic_limit=limit)
    if answer.sequences is None:
        return None
    better = [state.sequence[i, :size].tolist() for i, size in enumerate(state.size.tolist())]
    for part, sequence in zip(slices, answer.sequences, strict=True):
        better[part.line][part.first : part.last] = sequence
    cost = total_cost(instance.layout, state_of(instance, better))
    return better if cost < total_cost(instance.layout, state) else None


def _draw_center(instance: Instance, state: State, random: Random, in_vain: dict[int, int]) -> int | None:
    """A task that costs, by what it costs; what was tried in vain comes up less often. None where none is left."""
    last = _last_line(instance, state) if instance.makespan_weight else -1
    tasks: list[int] = []
    weights: list[float] = []
    for line, size in enumerate(state.size.tolist()):
        before = 0
        for position in range(size):
            until_here = int(state.cost[line, position])
            cost = until_here - before + (instance.makespan_weight if line == last else 0)
            before = until_here
            task = int(state.sequence[line, position])
            tries = in_vain.get(task, 0)
            if cost > 0 and position >= instance.layout.fixed[line] and tries < MOST_TRIES:
                tasks.append(task)
                weights.append(cost * TRIED_FACTOR**tries)
    return random.choices(tasks, weights=weights)[0] if tasks else None


def _last_line(instance: Instance, state: State) -> int:
    """The line that ends last."""
    ends = [
        Axis(instance, line).tick_of_end(int(state.end[line, size - 1])) if size else -1
        for line, size in enumerate(state.size.tolist())
    ]
    return ends.index(max(ends))


class _Times:
    """Start and end ticks of what stands in a plan."""

    def __init__(self, instance: Instance, state: State) -> None:
        self._instance = instance
        self._state = state

    def start(self, line: int, position: int) -> int:
        task = self._state.sequence[line, position]
        moment = int(self._state.end[line, position] - self._instance.work[line, task])
        return Axis(self._instance, line).tick_of_start(moment)

    def end(self, line: int, position: int) -> int:
        return Axis(self._instance, line).tick_of_end(int(self._state.end[line, position]))

    def between(self, line: int, since: int, until: int, *, middle: int, most: int) -> Slice:
        """At most so many tasks that a line works on in these hours, the ones around the middle."""
        size = int(self._state.size[line])
        first = int(self._instance.layout.fixed[line])
        while first < size and self.end(line, first) <= since:
            first += 1
        last = first
        while last < size and self.start(line, last) < until:
            last += 1
        while last - first > most:
            if middle - self.start(line, first) > self.end(line, last - 1) - middle:
                first += 1
            else:
                last -= 1
        return Slice(line, first, last)
