"""What a window's model needs to know of one of its lines: where it begins, what is free, and the price of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from solvers.curves import Curve, total
from solvers.line_times import LineTimes

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

    def __init__(self, times: LineTimes, part: Slice) -> None:
        facts = times.facts
        self._facts = facts
        self._instance = facts.instance
        self.index = facts.index
        self.axis = facts.axis
        self.tasks = times.sequence[part.first : part.last]
        self.rest = times.sequence[part.last :]
        self.has_begun = part.first > 0
        self.origin = times.end[part.first - 1] if part.first else facts.origin
        self._row = facts.row(times.sequence[part.first - 1]) if part.first else facts.first_row
        self.start = dict(zip(self.tasks, times.start[part.first : part.last], strict=True))
        self.end = dict(zip(self.tasks, times.end[part.first : part.last], strict=True))
        last = self.end[self.tasks[-1]] if self.tasks else self.origin
        self.handover = last + self.setup(self.tasks[-1] if self.tasks else DEPOT, DEPOT)
        self.earliest: dict[int, int] = {}
        self.latest: dict[int, int] = {}

    def can_make(self, task: int) -> bool:
        """Whether the line is eligible for a task."""
        return self._facts.can_make(task)

    def work(self, task: int) -> int:
        """Working ticks of a task here."""
        return self._facts.work(task)

    def release(self, task: int) -> int:
        """The moment before which a task does not start here."""
        return self._facts.release(task)

    def line_cost(self, task: int) -> int:
        """Cost of making a task here."""
        return int(self._instance.line_cost[self.index, task])

    def setup(self, before: int, after: int) -> int:
        """Working ticks of setup between two tasks; DEPOT is what lies before and after the window."""
        head = self._next(after)
        return 0 if head is None else self._facts.setup(self._row_of(before), head)

    def change_cost(self, before: int, after: int) -> int:
        """What that setup costs."""
        head = self._next(after)
        return 0 if head is None else self._facts.change_cost(self._row_of(before), head)

    def hinge(self, task: int) -> int:
        """The moment up to which a task is in time."""
        return self.axis.moment_of(int(self._instance.due[task]) - int(self._instance.tail[self.index, task]))

    def bound(self, tasks: Sequence[int]) -> None:
        """Say where the window's tasks and the handover may lie, whatever their order: all that can come does come."""
        mine = [task for task in tasks if self.can_make(task)]
        end = max([self.origin, *(self.release(task) for task in mine)])
        for task in mine:
            least, most = self._facts.setups(task)
            self.earliest[task] = max(self.release(task), self.origin + least)
            end += self.work(task) + most
        self.latest = dict.fromkeys(mine, end)
        self.handover_low, self.handover_high = self.origin, end
        if self.rest:
            self.handover_high += self._facts.setups(self.rest[0])[1]
        self._price_rest()

    def cost(self) -> int:
        """What window and rest cost as the plan stands, what the rest costs in any case left out."""
        cost = self.rest_cost(self.handover) - self.rest_cost(self.handover_low)
        for before, after in zip([DEPOT, *self.tasks], [*self.tasks, DEPOT], strict=True):
            cost += self.change_cost(before, after)
        cost += sum(self._facts.own_cost(task, self.start[task], self.end[task]) for task in self.tasks)
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
        tax = int(self._instance.shift_tax[task])
        if not tax:
            return Curve()
        return Curve(hinges=((self.axis.moment_of(int(self._instance.home_start[task])), tax),))

    def _next(self, after: int) -> int | None:
        if after != DEPOT:
            return after
        return self.rest[0] if self.rest else None

    def _row_of(self, before: int) -> int:
        return self._row if before == DEPOT else self._facts.row(before)
