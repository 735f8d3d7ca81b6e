"""What sequences mean, in plain Python and tick by tick: slow, and with nothing in common with the kernel."""

from solvers.instance import NO_TIME_COST, NOT_ELIGIBLE, Instance


class LineClock:
    """A line's calendar, asked one tick after the other."""

    def __init__(self, instance: Instance, line: int) -> None:
        first, last = int(instance.span_ptr[line]), int(instance.span_ptr[line + 1])
        self.spans = [(int(instance.span_start[k]), int(instance.span_end[k])) for k in range(first, last)]

    def works_at(self, tick: int) -> bool:
        """Whether the tick [tick, tick + 1) is worked; after the last span all are."""
        return (
            not self.spans
            or tick >= self.spans[-1][1]
            or any(start <= tick < end for start, end in self.spans)
        )

    def next_working(self, tick: int) -> int:
        while not self.works_at(tick):
            tick += 1
        return tick

    def after(self, tick: int, work: int) -> int:
        """The tick at which so much work is done that may begin at `tick`."""
        while work > 0:
            tick = self.next_working(tick) + 1
            work -= 1
        return tick

    def is_over(self, end: int) -> bool:
        return bool(self.spans) and end > self.spans[-1][1]


def reference_times(instance: Instance, sequences: list[list[int]]) -> dict[int, tuple[int, int, int]]:
    """Line, start and end of each placed task."""
    times = {}
    for line, sequence in enumerate(sequences):
        clock = LineClock(instance, line)
        free_from = int(instance.available[line])
        family = int(instance.initial_family[line])
        for task in sequence:
            assert instance.work[line, task] != NOT_ELIGIBLE
            setup = int(instance.setup[line, family, instance.family[task]])
            if instance.task_setup[task] >= 0:
                setup = int(instance.task_setup[task])
            ready = clock.next_working(clock.after(free_from, setup))
            start = max(ready, clock.next_working(int(instance.release[task])))
            end = clock.after(start, int(instance.work[line, task]))
            times[task] = (line, start, end)
            free_from, family = end, int(instance.family[task])
    return times


def reference_cost(instance: Instance, sequences: list[list[int]]) -> int:
    """The objective."""
    times = reference_times(instance, sequences)
    cost = 0
    for task, (line, start, end) in times.items():
        at_due = end + int(instance.tail[line, task])
        cost += int(instance.line_cost[line, task])
        cost += int(instance.weight[task]) * max(0, at_due - int(instance.due[task]))
        for k in range(int(instance.step_ptr[task]), int(instance.step_ptr[task + 1])):
            if at_due > instance.step_at[k]:
                cost += int(instance.step_cost[k])
        cost += int(instance.shift_tax[task]) * abs(start - int(instance.home_start[task]))
        if LineClock(instance, line).is_over(end):
            cost += NO_TIME_COST
    for line, sequence in enumerate(sequences):
        family = int(instance.initial_family[line])
        for task in sequence:
            to = int(instance.family[task])
            ticks = int(instance.setup[line, family, to])
            if instance.task_setup[task] >= 0:
                ticks = int(instance.task_setup[task])
            cost += int(instance.setup_cost[line, family, to]) + instance.setup_weight * ticks
            family = to
    return cost + instance.makespan_weight * max((end for _, _, end in times.values()), default=0)
