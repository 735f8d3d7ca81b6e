"""First plans: the dispatch rule that plants use, the cheapest place for a task, and what given sequences come to.

Right-shift, the answer that needs no thought, is no more than `evaluate` with the sequences of before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from solvers.insertion import dispatch_by_index, insert_cheapest, try_places, write_times
from solvers.instance import Instance, InstanceInvalid, IntArray, Sequences
from solvers.walk import NOWHERE, State, empty_state, load, makespan, total_cost

SCALES = (
    (1.0, 1.0, 1.0),
    (0.3, 1.0, 1.0),
    (2.0, 1.0, 1.0),
    (1.0, 0.5, 1.0),
    (1.0, 2.0, 1.0),
    (0.3, 0.5, 1.0),
    (1.0, 1.0, 0.2),
)
"""Multiples of Lee and Pinedo's own constants that `atcs` tries: they were fitted to one machine. Fewer, and a plant
whose due dates are unlike theirs is dispatched badly; more, and dispatching takes longer than repairing."""

RELEASE_LOOK_AHEAD = 0.5
"""How long a line would rather wait for a release, in average works: the third constant, which theirs lacks."""


class Insertion(NamedTuple):
    """A place for a task: before what stands at `position` of `line` now; `rise` is what the whole cost grows by."""

    line: int
    position: int
    rise: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What sequences come to.

    Attributes:
        cost: the objective.
        line, start, end: per task its line, and the ticks at which its work begins and ends; -1 where it is nowhere.
        makespan: the tick of the last completion.
    """

    cost: int
    line: IntArray
    start: IntArray
    end: IntArray
    makespan: int


def loaded(instance: Instance, sequences: Sequences) -> State:
    """A kernel's state with these sequences.

    Raises:
        InstanceInvalid: they are no solution of the instance.
    """
    instance.check_sequences(sequences)
    state = empty_state(instance.lines, instance.tasks)
    ptr = np.zeros(instance.lines + 1, np.int64)
    np.cumsum([len(sequence) for sequence in sequences], out=ptr[1:])
    load(
        instance.layout, state, np.array([task for sequence in sequences for task in sequence], np.int64), ptr
    )
    return state


def sequences_of(instance: Instance, state: State) -> Sequences:
    """The sequences that a state holds."""
    tasks = state.slots["task"]
    n = instance.tasks
    return [tasks[line * n : line * n + int(size)].tolist() for line, size in enumerate(state.sizes)]


def evaluate(instance: Instance, sequences: Sequences) -> Evaluation:
    """Cost and times of sequences, by the kernel itself.

    Raises:
        InstanceInvalid: they are no solution of the instance.
    """
    state = loaded(instance, sequences)
    start, end = np.full(instance.tasks, -1, np.int64), np.full(instance.tasks, -1, np.int64)
    write_times(instance.layout, state, start, end)
    return Evaluation(
        cost=int(total_cost(instance.layout, state)),
        line=state.places["line"].astype(np.int64),
        start=start,
        end=end,
        makespan=int(makespan(instance.layout, state)),
    )


def insertions(instance: Instance, sequences: Sequences, task: int) -> list[Insertion]:
    """Every place for a task that is nowhere yet, the cheapest first; of equals the lower line and position.

    Raises:
        InstanceInvalid: the sequences are no solution, or hold the task.
    """
    state = loaded(instance, sequences)
    if not 0 <= task < instance.tasks or state.places["line"][task] != NOWHERE:
        raise InstanceInvalid(f"task {task} is not one that still has to be placed")
    places = _room_for_places(instance)
    found = try_places(instance.layout, state, task, places, np.zeros(6, np.int64))
    ranked = sorted((rise, line, position) for line, position, rise, _ in places[:found].tolist())
    return [Insertion(line, position, rise) for rise, line, position in ranked]


def best_insert(instance: Instance, sequences: Sequences, tasks: Iterable[int] | None = None) -> Sequences:
    """The sequences with tasks put in one after the other, each where it costs least at that moment.

    Args:
        instance: the problem.
        sequences: what is placed already.
        tasks: in the order in which they choose; without it all that are nowhere, the earliest due first.

    Raises:
        InstanceInvalid: the sequences are no solution, or hold one of the tasks.
    """
    state = loaded(instance, sequences)
    missing = np.flatnonzero(state.places["line"] == NOWHERE)
    if tasks is None:
        chosen = missing[np.lexsort((missing, instance.due[missing]))].astype(np.int64)
    else:
        chosen = np.array(list(tasks), np.int64)
        if not set(chosen.tolist()) <= set(missing.tolist()) or len(set(chosen.tolist())) != chosen.size:
            raise InstanceInvalid("a task to insert is unknown, placed already or named twice")
    new = np.zeros(instance.tasks, np.int64)
    insert_cheapest(instance.layout, state, chosen, _room_for_places(instance), new, np.zeros(6, np.int64))
    return sequences_of(instance, state)


def atcs(instance: Instance, multiples: Sequence[tuple[float, float, float]] = SCALES) -> Sequences:
    """The plan of the dispatch rule: apparent tardiness cost with setups (Lee and Pinedo 1997), and with releases.

    Whenever a line is free, the waiting task of the highest index w / p x exp(-slack / (k1 p)) x exp(-setup / (k2 s))
    x exp(-wait / (k3 p)) is started on it. k1 and k2 follow from due dates and setups as they gave them; the plan is
    the best over a few multiples of the three. Steps count as the weight that spreads them over an average work;
    where nothing can be late, all weights are one, and the rule is shortest work with setups first.
    """
    weights, dues, scales = _index_constants(instance)
    start: Sequences = [instance.fixed_of(line) for line in range(instance.lines)]
    best: Sequences = start
    best_cost: int | None = None
    for multiple in multiples:
        state = loaded(instance, start)
        room = [np.zeros(instance.lines, np.int64) for _ in range(3)]
        dispatch_by_index(
            instance.layout, state, weights, dues, scales * np.array(multiple), *room, np.zeros(1, np.int64)
        )
        cost = int(total_cost(instance.layout, state))
        if best_cost is None or cost < best_cost:
            best, best_cost = sequences_of(instance, state), cost
    return best


def _index_constants(
    instance: Instance,
) -> tuple[npt.NDArray[np.float64], IntArray, npt.NDArray[np.float64]]:
    """Weights and dues that the index goes by, and its three scales in ticks."""
    eligible = instance.work >= 0
    works = instance.work[eligible]
    work = float(works.mean()) if works.size else 1.0
    setup = float(instance.setup.mean()) if instance.setup.size else 0.0
    steps = np.zeros(instance.tasks)
    dues = np.where(
        instance.weight > 0,
        instance.due,
        instance.layout.ways["free"].reshape(instance.work.shape).max(axis=0),
    )
    task_of = np.repeat(np.arange(instance.tasks), np.diff(instance.step_ptr))
    np.add.at(steps, task_of, instance.step_cost / work)
    for task, at in zip(task_of.tolist(), instance.step_at.tolist(), strict=True):
        dues[task] = min(dues[task], at)
    weights = instance.weight + steps
    if not weights.any():
        weights = np.ones(instance.tasks)
    # Their estimate of the makespan: what each line has to do, with setups that a good sequence shortens.
    a_line = instance.tasks / max(instance.lines, 1)
    horizon = a_line * (work + 0.5 * setup) + float(instance.available.mean())
    due_range = float(dues.max() - dues.min()) / horizon if instance.tasks else 0.0
    tightness = min(1.0, max(0.05, 1.0 - float(dues.mean()) / horizon)) if instance.tasks else 1.0
    look_ahead = 4.5 + due_range if due_range <= 0.5 else max(0.5, 6.0 - 2.0 * due_range)
    severity = setup / work if setup > 0 else 0.0
    setup_look_ahead = tightness / (2.0 * severity**0.5) if severity > 0 else 1.0
    scales = np.array([look_ahead * work, max(setup_look_ahead * setup, 1e-9), RELEASE_LOOK_AHEAD * work])
    return np.asarray(weights, np.float64), dues.astype(np.int64), scales


def _room_for_places(instance: Instance) -> IntArray:
    return np.zeros((instance.tasks + instance.lines, 4), np.int64)
