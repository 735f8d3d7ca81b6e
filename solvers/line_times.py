"""A line's sequence walked in plain Python, from the instance alone: moments of start and end, and what each task costs.

The kernel does the same a hundred times faster and keeps more. Windows need it once a window, and what they rest on
should not change with how the kernel lays out its memory; a test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from solvers.curves import Axis
from solvers.instance import Instance, Sequences


class LineFacts:
    """What sequences on one line of an instance come to.

    Args:
        instance: the problem.
        index: of the line.
    """

    def __init__(self, instance: Instance, index: int) -> None:
        self.instance = instance
        self.index = index
        self.axis = Axis(instance, index)
        self.origin = self.axis.moment_of(int(instance.available[index]))
        self.first_row = int(instance.initial_family[index])

    def can_make(self, task: int) -> bool:
        """Whether the line is eligible for a task."""
        return bool(self.instance.work[self.index, task] >= 0)

    def work(self, task: int) -> int:
        """Working ticks of a task here."""
        return int(self.instance.work[self.index, task])

    def release(self, task: int) -> int:
        """The moment before which a task does not start here."""
        return self.axis.moment_of(int(self.instance.release[task]))

    def row(self, task: int) -> int:
        """Where a task stands in the setup matrix as the one before."""
        return int(self.instance.family[task])

    def setup(self, row: int, task: int) -> int:
        """Working ticks of setup for a task after what a row stands for."""
        own = int(self.instance.task_setup[task])
        return own if own >= 0 else int(self.instance.setup[self.index, row, self.instance.family[task]])

    def setups(self, task: int) -> tuple[int, int]:
        """The least and the most setup for a task."""
        own = int(self.instance.task_setup[task])
        if own >= 0:
            return own, own
        column = self.instance.setup[self.index, :, self.instance.family[task]]
        return int(column.min()), int(column.max())

    def change_cost(self, row: int, task: int) -> int:
        """What that setup costs."""
        instance = self.instance
        cost = int(instance.setup_cost[self.index, row, instance.family[task]])
        return cost + instance.setup_weight * self.setup(row, task)

    def own_cost(self, task: int, start: int, end: int) -> int:
        """What a task costs here, its changeover left out."""
        instance = self.instance
        cost = int(instance.line_cost[self.index, task]) + self.axis.lateness(task, end)(end)
        tax = int(instance.shift_tax[task])
        if tax:
            cost += tax * abs(self.axis.tick_of_start(start) - int(instance.home_start[task]))
        return cost


@dataclass(frozen=True, slots=True)
class LineTimes:
    """A walked sequence.

    Attributes:
        start, end: moments of each task; cost: of each, with the changeover before it.
    """

    facts: LineFacts
    sequence: list[int]
    start: list[int]
    end: list[int]
    cost: list[int]

    def start_tick(self, position: int) -> int:
        """The tick at which a task begins."""
        return self.facts.axis.tick_of_start(self.start[position])

    def end_tick(self, position: int) -> int:
        """The tick at which a task is done."""
        return self.facts.axis.tick_of_end(self.end[position])

    @property
    def last_tick(self) -> int:
        """The tick at which the last task is done; 0 without any."""
        return self.end_tick(len(self.end) - 1) if self.end else 0


def walk_line(facts: LineFacts, sequence: Sequence[int]) -> LineTimes:
    """Start, end and cost of each task of a sequence."""
    moment, row = facts.origin, facts.first_row
    starts: list[int] = []
    ends: list[int] = []
    costs: list[int] = []
    for task in sequence:
        start = max(moment + facts.setup(row, task), facts.release(task))
        moment = start + facts.work(task)
        starts.append(start)
        ends.append(moment)
        costs.append(facts.change_cost(row, task) + facts.own_cost(task, start, moment))
        row = facts.row(task)
    return LineTimes(facts, list(sequence), starts, ends, costs)


class Walked:
    """A whole plan, walked.

    Attributes:
        lines: each line's sequence.
        where: line and position of each task that is on one.
    """

    def __init__(self, instance: Instance, sequences: Sequences) -> None:
        self.instance = instance
        self.lines = [
            walk_line(LineFacts(instance, index), sequence) for index, sequence in enumerate(sequences)
        ]
        self.where = {
            task: (line, position)
            for line, sequence in enumerate(sequences)
            for position, task in enumerate(sequence)
        }

    @property
    def sequences(self) -> Sequences:
        """The tasks of each line."""
        return [list(line.sequence) for line in self.lines]

    @property
    def makespan(self) -> int:
        """The tick at which the last task of all is done."""
        return max((line.last_tick for line in self.lines), default=0)

    @property
    def cost(self) -> int:
        """The objective of the instance."""
        return sum(sum(line.cost) for line in self.lines) + self.instance.makespan_weight * self.makespan

    def with_lines(self, changed: dict[int, list[int]]) -> "Walked":
        """The same with other sequences on some lines."""
        sequences = self.sequences
        for line, sequence in changed.items():
            sequences[line] = sequence
        return Walked(self.instance, sequences)
