"""A job shop of parallel lines as arrays, in minutes: orders with families, releases, dues and weights; and what befalls it.

Half the lines can make an order, at speeds of their own; eight families, setups by line; half the orders can begin at
once; searched plans leave a fifth to a third of them late. Everything follows from the seed.
"""

from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any, Literal

import numpy as np

from solvers.construct import Evaluation, evaluate
from solvers.instance import Instance, Sequences

FAMILIES = 8

LOAD = 1.8
"""Work and setups of a line, as if no line were quicker than another and no setup saved, over the time until the last
due date. At 1.1 a good plan has nothing late; at 2.5 most is late, whatever one does."""

EVENT_AT = 240
"""Minutes from the plan's beginning to the disruption."""

FROZEN = 60
"""Minutes after it in which the sequence stays."""

DOWN = 240
DRIFT = 0.15
"""Share by which a line that drifts takes longer."""

Kind = Literal["line_down", "drift", "rush"]


def shop(orders: int, lines: int, seed: int) -> Instance:
    """An instance; its first order is due after a few hours, its last after about a day and a half."""
    random = Random(seed)
    base = [random.choice([50, 75, 100, 150, 200, 300]) for _ in range(orders)]
    speed = [random.uniform(0.8, 1.25) for _ in range(lines)]
    eligible = [[random.random() < 0.5 for _ in range(lines)] for _ in range(orders)]
    for row in eligible:
        row[random.randrange(lines)] = True
    work = [
        [round(base[j] / speed[i]) if eligible[j][i] else -1 for j in range(orders)] for i in range(lines)
    ]
    general = [[0 if a == b else random.randint(20, 70) for b in range(FAMILIES)] for a in range(FAMILIES)]
    start = [random.randint(10, 60) for _ in range(FAMILIES)]
    setup = []
    for _ in range(lines):
        factor = random.uniform(0.7, 1.3)
        setup.append([[round(each * factor) for each in row] for row in (*general, start)])
    horizon = (sum(base) + 0.3 * 45 * orders) / lines / LOAD
    release = [0 if random.random() < 0.5 else random.randint(0, round(0.5 * horizon)) for _ in range(orders)]
    due = [
        release[j] + round(base[j] * 1.3 + random.uniform(0.25, 1.0) * (horizon - release[j]))
        for j in range(orders)
    ]
    return Instance.build(
        work,
        family=[random.randrange(FAMILIES) for _ in range(orders)],
        setup=setup,
        initial_family=[random.randint(0, FAMILIES) for _ in range(lines)],
        release=release,
        due=due,
        weight=random.choices([1, 2, 4, 8], weights=[4, 3, 2, 1], k=orders),
    )


def changed(instance: Instance, **arrays: Any) -> Instance:
    """The instance with other arrays, validated anew."""
    return replace(instance, **arrays)


@dataclass(frozen=True, eq=False)
class Disruption:
    """What befell a plan.

    Attributes:
        instance: the problem as it is now: what has begun or is frozen keeps its place.
        sequences: the plan as it stands; a rush order is nowhere in it.
        before: the plan before it happened.
        line: that it hits; -1: a rush order, which hits none.
        rush: the new task.
    """

    kind: Kind
    instance: Instance
    sequences: Sequences
    before: Evaluation
    line: int = -1
    rush: int | None = None


def disrupt(instance: Instance, sequences: Sequences, kind: Kind, seed: int) -> Disruption:
    """A disruption of a plan, EVENT_AT minutes after it began."""
    random = Random(seed)
    before = evaluate(instance, sequences)
    fixed = [[task for task in line if before.start[task] < EVENT_AT + FROZEN] for line in sequences]
    frozen = {
        "fixed_ptr": np.cumsum([0, *(len(tasks) for tasks in fixed)]),
        "fixed_task": np.array([task for tasks in fixed for task in tasks], np.int64),
    }
    # Who could begin before the disruption but has not cannot begin in the past any more.
    release = instance.release.copy()
    for task in range(instance.tasks):
        if not any(task in tasks for tasks in fixed):
            release[task] = max(int(release[task]), EVENT_AT)
    busy = [line for line in range(instance.lines) if len(sequences[line]) > len(fixed[line])]
    line = random.choice(busy)
    if kind == "line_down":
        ptr = [0] * (line + 1) + [2] * (instance.lines - line)
        end = 100 * int(before.makespan)
        now = changed(
            instance,
            release=release,
            span_ptr=np.array(ptr),
            span_start=np.array([0, EVENT_AT + DOWN]),
            span_end=np.array([EVENT_AT, end]),
            **frozen,
        )
        return Disruption(kind, now, sequences, before, line)
    if kind == "drift":
        work = instance.work.copy()
        for task in range(instance.tasks):
            if work[line, task] >= 0 and before.end[task] > EVENT_AT:
                work[line, task] = round(int(work[line, task]) * (1.0 + DRIFT))
        return Disruption(
            kind, changed(instance, work=work, release=release, **frozen), sequences, before, line
        )
    return _rush(instance, sequences, before, release, frozen, random)


def _rush(
    instance: Instance,
    sequences: Sequences,
    before: Evaluation,
    release: np.ndarray,
    frozen: dict[str, np.ndarray],
    random: Random,
) -> Disruption:
    """One order more, like another one, of the highest weight, due six hours after it could first be done."""
    n = instance.tasks
    like = random.randrange(n)
    column = instance.work[:, like]
    quickest = int(column[column >= 0].min())
    arrays: dict[str, np.ndarray] = {}
    for each in fields(Instance):
        value = getattr(instance, each.name)
        if (
            isinstance(value, np.ndarray)
            and value.shape[-1:] == (n,)
            and each.name not in ("setup", "setup_cost")
        ):
            arrays[each.name] = np.concatenate([value, value[..., like : like + 1]], axis=-1)
    arrays["step_ptr"] = np.concatenate([instance.step_ptr, instance.step_ptr[-1:]])
    arrays["release"] = np.append(release, EVENT_AT)
    arrays["due"][n] = EVENT_AT + 360 + quickest
    arrays["weight"][n] = 8
    now = changed(instance, **{**arrays, **frozen})
    return Disruption("rush", now, [list(line) for line in sequences], before, rush=n)
