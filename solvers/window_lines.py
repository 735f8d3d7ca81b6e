"""What a window's model needs to know of one of its lines: where it begins, what is free, and the price of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from solvers.curves import Axis, Curve, total
from solvers.instance import Instance
from solvers.walk import State

DEPOT = -1
"""Stands for what is before and after the window, where a task is asked for."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a line that a window sets free.

    Attributes:
        line: which; first, last: positions first..last - 1 are free.
    """

    line: int
    first: int
    last: int


class WindowLine:
    """One line of a window, in moments of its own axis.

    Attributes:
        index: the line in the instance; tasks: that the window takes from it, in order; rest: that follow.
        origin: moment at which the window begins; has_begun: whether the line has tasks before it.
        start, end: of its tasks as the plan stands.
        earliest, latest: first start and last end worth looking at, for each task of the window that it can make.
        handover: the moment at which the setup for the rest is done, as the plan stands; handover_low, handover_high:
            where it may lie; rest_cost: what the rest costs by it.
    """

    def __init__(self, instance: Instance, state: State, part: Slice) -> None:
        self._layout = instance.layout
        self.index = part.line
        self.axis = Axis(instance, part.line)
        sequence = [int(task) for task in state.sequence[part.line, : state.size[part.line]]]
        self.tasks = sequence[part.first : part.last]
        self.rest = sequence[part.last :]
        self.has_begun = part.first > 0
        if part.first:
            self.origin = int(state.end[part.line, part.first - 1])
            self._row = int(self._layout.row[sequence[part.first - 1]])
        else:
            self.origin = int(self._layout.origin[part.line])
            self._row = int(self._layout.first_row[part.line])
        self.start: dict[int, int] = {}
        self.end: dict[int, int] = {}
        self.earliest: dict[int, int] = {}
        self.latest: dict[int, int] = {}
        self._walk()

    def can_make(self, task: int) -> bool:
        """Whether the line is eligible for a task."""
        return bool(self._layout.work[self.index, task] >= 0)

    def work(self, task: int) -> int:
        """Working ticks of a task here."""
        return int(self._layout.work[self.index, task])

    def release(self, task: int) -> int:
        """The moment before which a task does not start here."""
        return int(self._layout.release[self.index, task])

    def setup(self, before: int, after: int) -> int:
        """Working ticks of setup between two tasks; DEPOT is what lies before and after the window."""
        head = self._next(after)
        if head is None:
            return 0
        return int(self._layout.setup[self.index, self._row_of(before), self._layout.column[head]])

    def change_cost(self, before: int, after: int) -> int:
        """What that setup costs."""
        head = self._next(after)
        if head is None or not self._layout.costly_changes:
            return 0
        return int(self._layout.change_cost[self.index, self._row_of(before), self._layout.column[head]])

    def hinge(self, task: int) -> int:
        """The moment up to which a task is in time."""
        return self.axis.moment_of(int(self._layout.due[task]) - int(self._layout.tail[self.index, task]))

    def bound(self, tasks: Sequence[int]) -> None:
        """Say where the window's tasks and the handover may lie, whatever their order: all that can come does come."""
        mine = [task for task in tasks if self.can_make(task)]
        setups = self._layout.setup[self.index]
        end = max([self.origin, *(self.release(task) for task in mine)])
        for task in mine:
            column = int(self._layout.column[task])
            self.earliest[task] = max(self.release(task), self.origin + int(setups[:, column].min()))
            end += self.work(task) + int(setups[:, column].max())
        self.latest = dict.fromkeys(mine, end)
        self.handover_low, self.handover_high = self.origin, end
        if self.rest:
            self.handover_high += int(setups[:, self._layout.column[self.rest[0]]].max())
        self._price_rest()

    def cost(self) -> int:
        """What window and rest cost as the plan stands, what the rest costs in any case left out."""
        cost = self.rest_cost(self.handover) - self.rest_cost(self.handover_low)
        for before, after in zip([DEPOT, *self.tasks], [*self.tasks, DEPOT], strict=True):
            cost += self.change_cost(before, after)
        for task in self.tasks:
            cost += int(self._layout.line_cost[self.index, task])
            cost += self.axis.lateness(task, self.end[task])(self.end[task])
            if self._layout.shift_tax[task]:
                shift = self.axis.tick_of_start(self.start[task]) - int(self._layout.home_start[task])
                cost += int(self._layout.shift_tax[task]) * abs(shift)
        return cost

    def cut(self, budget: int) -> None:
        """Leave out moments at which one task, or the rest, would alone cost more than the window does now."""
        for task, latest in self.latest.items():
            first = self.earliest[task] + self.work(task)
            curve = self.axis.lateness(task, latest)
            self.latest[task] = max(curve.latest(budget, first, latest), self.end.get(task, first))
        least = self.rest_cost(self.handover_low)
        high = self.rest_cost.latest(budget + least, self.handover_low, self.handover_high)
        self.handover_high = max(high, self.handover)

    def last_end(self, handover: int) -> int:
        """The moment at which the line's last task ends, given the handover; without a rest that is the window's end."""
        return max(handover + self._lag, self._floor) if self.rest else handover

    def rest_after(self, tick: int) -> Curve:
        """How many ticks the line's last task ends after a tick, by the handover."""
        high = self.last_end(self.handover_high)
        return self.axis.after(tick, 1, high).pushed(self._lag, self._floor)

    def _walk(self) -> None:
        moment, before = self.origin, DEPOT
        for task in self.tasks:
            self.start[task] = max(moment + self.setup(before, task), self.release(task))
            moment = self.end[task] = self.start[task] + self.work(task)
            before = task
        self.handover = moment + self.setup(before, DEPOT)

    def _price_rest(self) -> None:
        """Each task of the rest ends at max(handover + lag, floor); one that no handover moves is left out."""
        lag = self._floor = 0
        curves: list[Curve] = []
        before: int | None = None
        for task in self.rest:
            gap = 0 if before is None else self.setup(before, task)
            lag += gap
            floor = max(self._floor + gap, self.release(task))
            if floor < self.handover_high + lag:
                curves.append(self._tax(task).pushed(lag, floor))
            lag += self.work(task)
            self._floor = floor + self.work(task)
            if self._floor < self.handover_high + lag:
                curves.append(self.axis.lateness(task, self.handover_high + lag).pushed(lag, self._floor))
            before = task
        self._lag = lag
        self.rest_cost = total(curves).within(self.handover_low, self.handover_high)

    def _tax(self, task: int) -> Curve:
        """Tax of a start later than it was. That a later one may also come nearer to it is not seen: see 0034."""
        tax = int(self._layout.shift_tax[task])
        if not tax:
            return Curve()
        return Curve(hinges=((self.axis.moment_of(int(self._layout.home_start[task])), tax),))

    def _next(self, after: int) -> int | None:
        if after != DEPOT:
            return after
        return self.rest[0] if self.rest else None

    def _row_of(self, before: int) -> int:
        return self._row if before == DEPOT else int(self._layout.row[before])
