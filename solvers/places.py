"""What it costs to put one more task anywhere: every line and position of a plan, ranked.

Only the line that takes the task changes, and on it only what comes after. So a plan of 200 tasks on 20 lines is ranked
in a few milliseconds in plain Python: each line is read once, and a walk ends where a task ends as it did before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from solvers.curves import Curve
from solvers.instance import Instance
from solvers.line_times import LineFacts, walk_line


@dataclass(frozen=True, slots=True)
class Place:
    """A position on a line, and what a task costs there: its own cost and what it adds to that of others."""

    cost: int
    line: int
    position: int


def rank_places(instance: Instance, sequences: Sequence[Sequence[int]], task: int) -> list[Place]:
    """Every place that a task may have, cheapest first; of equally dear ones the later position, which moves less.

    Args:
        instance: the problem; the end of all lines together (makespan_weight) is left out.
        sequences: a plan without the task.
        task: that shall be put somewhere; nothing goes before what is fixed.
    """
    places = [
        place
        for line in instance.eligible_lines(task)
        for place in _places_on(LineFacts(instance, line), sequences[line], task)
    ]
    return sorted(places, key=lambda each: (each.cost, each.line, -each.position))


def _places_on(facts: LineFacts, sequence: Sequence[int], task: int) -> list[Place]:
    times = walk_line(facts, sequence)
    last = times.end[-1] if sequence else facts.origin
    longest = max(facts.setups(each)[1] for each in (task, *sequence))
    # At the worst it waits for its release, and then everything comes after it.
    far = max(last, facts.release(task)) + last - facts.origin + facts.work(task) + 2 * longest
    tail = [_Following(facts, each, far) for each in sequence]
    tail_cost = [0]
    for cost in reversed(times.cost):
        tail_cost.append(tail_cost[-1] + cost)
    tail_cost.reverse()
    own = _Following(facts, task, far)
    places: list[Place] = []
    for position in range(len(facts.instance.fixed_of(facts.index)), len(sequence) + 1):
        moment = times.end[position - 1] if position else facts.origin
        row = facts.row(sequence[position - 1]) if position else facts.first_row
        moment, cost = own.after(moment, row)
        row = facts.row(task)
        for later in range(position, len(sequence)):
            moment, more = tail[later].after(moment, row)
            cost += more
            row = tail[later].row
            if moment == times.end[later]:
                cost += tail_cost[later + 1]
                break
        places.append(Place(cost - tail_cost[position], facts.index, position))
    return places


class _Following:
    """A task that may be made after something else: everything about it, read from the arrays once."""

    def __init__(self, facts: LineFacts, task: int, far: int) -> None:
        instance = facts.instance
        self.row = facts.row(task)
        self._facts, self._task = facts, task
        self._work = facts.work(task)
        self._release = facts.release(task)
        self._line_cost = int(instance.line_cost[facts.index, task])
        self._is_taxed = bool(instance.shift_tax[task])
        self._late: Curve = facts.axis.lateness(task, far)
        self._changes: dict[int, tuple[int, int]] = {}

    def after(self, moment: int, row: int) -> tuple[int, int]:
        """The moment at which it ends, made after another one, and what it then costs."""
        if row not in self._changes:
            self._changes[row] = (
                self._facts.setup(row, self._task),
                self._facts.change_cost(row, self._task),
            )
        setup, change_cost = self._changes[row]
        start = max(moment + setup, self._release)
        end = start + self._work
        if self._is_taxed:
            return end, change_cost + self._facts.own_cost(self._task, start, end)
        return end, change_cost + self._line_cost + self._late(end)
