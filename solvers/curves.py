"""What a completion costs as a function of its moment: exact, for the models that cannot walk a line's calendar.

A moment is a working tick on a line's own axis, as in solvers/layout.py: pauses do not exist. On it a sequence is plain arithmetic, and what
being late costs is a curve of a simple kind: it never falls, it bends where lateness begins, and it jumps where a pause
or a shipment slot is crossed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from solvers.instance import NO_TIME_COST, Instance
from solvers.layout import NEVER


@dataclass(frozen=True, slots=True)
class Curve:
    """base + the sum of slope x max(0, x - at) over hinges + the sum of amounts over jumps with x > at.

    Attributes:
        hinges: (at, slope) where the curve bends upwards.
        jumps: (at, amount) that fall due once x lies after at.
    """

    base: int = 0
    hinges: tuple[tuple[int, int], ...] = ()
    jumps: tuple[tuple[int, int], ...] = ()

    def __call__(self, moment: int) -> int:
        """The cost at a moment."""
        bends = sum(slope * (moment - at) for at, slope in self.hinges if moment > at)
        return self.base + bends + sum(amount for at, amount in self.jumps if moment > at)

    def pushed(self, lag: int, floor: int) -> "Curve":
        """The cost as a function of c where completion is max(c + lag, floor)."""
        base = self.base
        hinges: list[tuple[int, int]] = []
        jumps: list[tuple[int, int]] = []
        for at, slope in self.hinges:
            base += slope * max(0, floor - at)
            hinges.append((max(at, floor) - lag, slope))
        for at, amount in self.jumps:
            if at < floor:
                base += amount
            else:
                jumps.append((at - lag, amount))
        return Curve(base, tuple(hinges), tuple(jumps))

    def within(self, low: int, high: int) -> "Curve":
        """The same cost for low <= x <= high, with nothing that always or never happens there."""
        base = self.base
        hinges: dict[int, int] = {}
        jumps: dict[int, int] = {}
        for at, slope in self.hinges:
            if at < low:
                base += slope * (low - at)
            if at < high:
                hinges[max(at, low)] = hinges.get(max(at, low), 0) + slope
        for at, amount in self.jumps:
            if at < low:
                base += amount
            elif at < high:
                jumps[at] = jumps.get(at, 0) + amount
        return Curve(base, tuple(sorted(hinges.items())), tuple(sorted(jumps.items())))

    def latest(self, cost: int, low: int, high: int) -> int:
        """The last moment of low..high at which the curve costs no more than `cost`; low where even that costs more."""
        while low < high:
            middle = (low + high + 1) // 2
            if self(middle) <= cost:
                low = middle
            else:
                high = middle - 1
        return low


def total(curves: Iterable[Curve]) -> Curve:
    """The sum of curves."""
    base = 0
    hinges: list[tuple[int, int]] = []
    jumps: list[tuple[int, int]] = []
    for curve in curves:
        base += curve.base
        hinges.extend(curve.hinges)
        jumps.extend(curve.jumps)
    return Curve(base, tuple(hinges), tuple(jumps))


class Axis:
    """Working time of one line of an instance: between ticks and moments, and what lateness costs on it."""

    def __init__(self, instance: Instance, line: int) -> None:
        first, last = int(instance.span_ptr[line]), int(instance.span_ptr[line + 1])
        self.line = line
        self.starts: list[int] = instance.span_start[first:last].tolist()
        self.ends: list[int] = instance.span_end[first:last].tolist()
        self.moments: list[int] = []
        worked = 0
        for start, end in zip(self.starts, self.ends, strict=True):
            self.moments.append(worked)
            worked += end - start
        self.total = worked if self.starts else NEVER
        self._instance = instance

    def moment_of(self, tick: int) -> int:
        """How many working ticks lie before a tick."""
        if not self.starts:
            return tick
        k = bisect_right(self.starts, tick) - 1
        if k < 0:
            return 0
        after = max(0, tick - self.ends[-1]) if k == len(self.starts) - 1 else 0
        return self.moments[k] + min(tick, self.ends[k]) - self.starts[k] + after

    def tick_of_end(self, moment: int) -> int:
        """The tick at which what ends at a moment is over: the end of a span belongs to it."""
        if not self.starts:
            return moment
        k = max(0, bisect_left(self.moments, moment) - 1)
        return self.starts[k] + moment - self.moments[k]

    def tick_of_start(self, moment: int) -> int:
        """The tick at which what starts at a moment begins: the end of a span belongs to the next one."""
        if not self.starts:
            return moment
        k = max(0, bisect_right(self.moments, moment) - 1)
        return self.starts[k] + moment - self.moments[k]

    def pauses(self, low: int, high: int) -> list[tuple[int, int, int]]:
        """Pauses that begin at moments low..high - 1, as (moment, first tick, tick after the last)."""
        first = max(1, bisect_left(self.moments, low))
        last = bisect_left(self.moments, high)
        return [(self.moments[k], self.ends[k - 1], self.starts[k]) for k in range(first, last)]

    def after(self, tick: int, weight: int, high: int) -> Curve:
        """How many ticks a completion lies after a tick, times weight, for x <= high: a bend, a jump at every pause."""
        hinge = self.moment_of(tick)
        jumps = [
            (moment, weight * (max(0, until - tick) - max(0, since - tick)))
            for moment, since, until in self.pauses(hinge, high)
        ]
        if self.starts and tick < self.starts[0]:
            jumps.append((0, weight * (self.starts[0] - tick)))
        return Curve(0, ((hinge, weight),), tuple(jumps))

    def lateness(self, task: int, high: int) -> Curve:
        """Everything that completion of a task costs, for x <= high."""
        instance = self._instance
        tail = int(instance.tail[self.line, task])
        weight = int(instance.weight[task])
        first, last = int(instance.step_ptr[task]), int(instance.step_ptr[task + 1])
        jumps = [
            (self.moment_of(int(instance.step_at[k]) - tail), int(instance.step_cost[k]))
            for k in range(first, last)
        ]
        if high > self.total:
            jumps.append((self.total, NO_TIME_COST))
        late = [self.after(int(instance.due[task]) - tail, weight, high)] if weight else []
        return total([*late, Curve(jumps=tuple(jumps))])
