"""One window as a CP-SAT model: optional intervals, a circuit a line, and nothing of the plan outside of it.

Time is working time: every line has an axis of its own (solvers/curves.py), on which pauses do not exist. They come
back as jumps in what lateness costs. What follows the window on a line is one convex curve and its jumps over the moment
at which the window hands the line over, so that the rest of the plan has its exact price without being in the model.

A hint is complete or worthless: with one variable missing CP-SAT looks for a solution first and ends UNKNOWN. Every
variable is therefore made together with its value in the plan as it stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model, cp_model_helper

from solvers.curves import Curve
from solvers.line_times import Walked
from solvers.window_lines import DEPOT, Slice, WindowLine

Literal = cp_model_helper.Literal | bool
Expression = cp_model.LinearExpr | int


@dataclass(frozen=True, slots=True)
class WindowAnswer:
    """What CP-SAT made of a window.

    Attributes:
        status: OPTIMAL, FEASIBLE or what else it says; sequences: of the slices, in their order; None without any.
        cost, bound: of the window's own model, constants outside of it left out.
        log: of the search, empty unless it was asked for.
    """

    status: str
    sequences: list[list[int]] | None
    cost: int
    bound: int
    log: str = ""


class WindowModel:
    """The model of a window, with the plan as it stands as its hint.

    Args:
        plan: as it stands.
        slices: what is free, on different lines.
    """

    def __init__(self, plan: Walked, slices: Sequence[Slice]) -> None:
        self.model = cp_model.CpModel()
        self.hints = 0
        self._plan = plan
        self._instance = plan.instance
        self._terms: list[Expression] = []
        self._taxed = bool((self._instance.shift_tax > 0).any())
        self._lines = [WindowLine(plan.lines[each.line], each) for each in slices]
        self.tasks = [task for line in self._lines for task in line.tasks]
        for line in self._lines:
            line.bound(self.tasks)
        self.cost_before = sum(line.cost() for line in self._lines)
        self._present: dict[tuple[int, int], Literal] = {}
        self._arcs: list[dict[tuple[int, int], Literal]] = []
        self._add_makespan()
        for line in self._lines:
            line.cut(self.cost_before)
        self._add_assignment()
        for index in range(len(self._lines)):
            self._add_line(index)
        self.model.minimize(cp_model.LinearExpr.sum(self._terms))

    def solve(self, *, seed: int, deterministic_limit: float, log: bool = False) -> WindowAnswer:
        """Search, one worker and a deterministic limit: the same every time.

        Args:
            seed: of CP-SAT.
            deterministic_limit: its own unit, about a second of an idle core.
            log: keep the search log.
        """
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = seed % 2**31
        solver.parameters.max_deterministic_time = deterministic_limit
        # Without the linear relaxation, which bounds tardiness badly, and with both precedence rules of one line: 15
        # windows of the factory instances at a limit of 0.7 end 3.4 % lower, 7 instead of 2 of them proven.
        solver.parameters.linearization_level = 0
        solver.parameters.use_strong_propagation_in_disjunctive = True
        solver.parameters.use_dynamic_precedence_in_disjunctive = True
        lines: list[str] = []
        if log:
            solver.parameters.log_search_progress = True
            solver.parameters.log_to_stdout = False
            solver.log_callback = lines.append
        status = solver.solve(self.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return WindowAnswer(solver.status_name(status), None, 0, 0, "\n".join(lines))
        return WindowAnswer(
            status=solver.status_name(status),
            sequences=[self._walk(solver, arcs) for arcs in self._arcs],
            cost=round(solver.objective_value),
            bound=round(solver.best_objective_bound),
            log="\n".join(lines),
        )

    @staticmethod
    def _walk(solver: cp_model.CpSolver, arcs: dict[tuple[int, int], Literal]) -> list[int]:
        follows = {tail: head for (tail, head), literal in arcs.items() if solver.boolean_value(literal)}
        sequence: list[int] = []
        at = follows[DEPOT]
        while at != DEPOT:
            sequence.append(at)
            at = follows[at]
        return sequence

    def _bool(self, value: bool) -> cp_model.IntVar:
        literal = self.model.new_bool_var("")
        self.model.add_hint(literal, value)
        self.hints += 1
        return literal

    def _int(self, low: int, high: int, value: int) -> cp_model.IntVar:
        variable = self.model.new_int_var(low, high, "")
        assert low <= value <= high, f"hint {value} outside of {low}..{high}"
        self.model.add_hint(variable, value)
        self.hints += 1
        return variable

    def _add_makespan(self) -> None:
        """How far the window's lines end after all others; shared by everything that may end last."""
        self._overrun: cp_model.IntVar | None = None
        if not self._instance.makespan_weight:
            return
        hit = {line.index for line in self._lines}
        others = [times.last_tick for i, times in enumerate(self._plan.lines) if i not in hit]
        begun = [line.axis.tick_of_end(line.origin) for line in self._lines if line.has_begun]
        self._others_end = max([*others, *begun], default=0)
        ends = [
            line.axis.tick_of_end(line.last_end(line.handover))
            for line in self._lines
            if line.tasks or line.rest
        ]
        now = max(0, max(ends, default=0) - self._others_end)
        self.cost_before += self._instance.makespan_weight * now
        latest = max(line.axis.tick_of_end(line.last_end(line.handover_high)) for line in self._lines)
        self._overrun = self._int(0, max(0, latest - self._others_end), now)
        self._terms.append(self._instance.makespan_weight * self._overrun)

    def _add_assignment(self) -> None:
        """Each task on one of the window's lines that can make it."""
        for task in self.tasks:
            eligible = [index for index, line in enumerate(self._lines) if line.can_make(task)]
            if len(eligible) == 1:
                self._present[eligible[0], task] = True
                continue
            literals = [self._bool(task in self._lines[index].tasks) for index in eligible]
            self.model.add_exactly_one(literals)
            for index, literal in zip(eligible, literals, strict=True):
                self._present[index, task] = literal
        self._late: dict[int, cp_model.IntVar] = {}
        for task in self.tasks:
            weight = int(self._instance.weight[task])
            if not weight:
                continue
            most = max(line.latest[task] - line.hinge(task) for line in self._lines if line.can_make(task))
            if most > 0:
                home = next(line for line in self._lines if task in line.tasks)
                self._late[task] = self._int(0, most, max(0, home.end[task] - home.hinge(task)))
                self._terms.append(weight * self._late[task])

    def _add_line(self, index: int) -> None:
        line = self._lines[index]
        starts: dict[int, cp_model.IntVar] = {}
        intervals: list[cp_model.IntervalVar] = []
        for task in self.tasks:
            if not line.can_make(task):
                continue
            present = self._present[index, task]
            here = task in line.tasks
            low, work = line.earliest[task], line.work(task)
            start = self._int(low, line.latest[task] - work, line.start[task] if here else low)
            starts[task] = start
            intervals.append(self.model.new_optional_fixed_size_interval_var(start, work, present, ""))
            self._add_lateness(line, task, start + work, present, here)
            if self._taxed:
                self._add_shift_tax(line, task, start, present, here)
            line_cost = line.line_cost(task)
            if line_cost:
                self._terms.append(line_cost * present)
        self.model.add_no_overlap(intervals)
        self._add_circuit(index, starts)

    def _add_circuit(self, index: int, starts: dict[int, cp_model.IntVar]) -> None:
        line = self._lines[index]
        arcs: dict[tuple[int, int], Literal] = {}
        self._arcs.append(arcs)
        node = {task: number + 1 for number, task in enumerate(starts)}
        node[DEPOT] = 0
        listed: list[tuple[int, int, Literal]] = []
        follows = dict(zip([DEPOT, *line.tasks], [*line.tasks, DEPOT], strict=True))
        waits = {
            task: self._bool(task in line.tasks and line.start[task] == line.release(task))
            for task in (starts if self._taxed else ())
        }
        handover = self._add_rest(line)
        for before in (DEPOT, *starts):
            for after in (DEPOT, *starts):
                if before == after:
                    continue
                literal = self._bool(follows.get(before) == after)
                arcs[before, after] = literal
                listed.append((node[before], node[after], literal))
                cost = line.change_cost(before, after)
                if cost:
                    self._terms.append(cost * literal)
                ready = line.setup(before, after) + (
                    line.origin if before == DEPOT else starts[before] + line.work(before)
                )
                target = handover if after == DEPOT else starts[after]
                if target is not None:
                    self.model.add(target >= ready).only_enforce_if(literal)
                if after in waits:
                    self.model.add(starts[after] <= ready).only_enforce_if(literal, ~waits[after])
        for task, start in starts.items():
            present = self._present[index, task]
            if not isinstance(present, bool):
                listed.append((node[task], node[task], ~present))
            if task in waits:
                self.model.add(start <= line.release(task)).only_enforce_if(waits[task])
        empty = self._bool(not line.tasks)
        arcs[DEPOT, DEPOT] = empty
        listed.append((0, 0, empty))
        cost = line.change_cost(DEPOT, DEPOT)
        if cost:
            self._terms.append(cost * empty)
        if handover is not None:
            ready = line.origin + line.setup(DEPOT, DEPOT)
            self.model.add(handover >= ready).only_enforce_if(empty)
        self.model.add_circuit(listed)

    def _add_lateness(
        self, line: WindowLine, task: int, end: Expression, present: Literal, here: bool
    ) -> None:
        low, high = line.earliest[task] + line.work(task), line.latest[task]
        curve = line.axis.lateness(task, high)
        if task in self._late and high > line.hinge(task):
            self.model.add(self._late[task] >= end - line.hinge(task)).only_enforce_if(present)
        jumps = Curve(jumps=curve.jumps).within(low, high)
        if jumps.base:
            self._terms.append(jumps.base * present)
        self._add_jumps(jumps, end, line.end[task] if here else low)
        if self._overrun is not None:
            self._add_overrun(
                line.axis.after(self._others_end, 1, high),
                end,
                line.end[task] if here else low,
                low,
                high,
                present,
            )

    def _add_jumps(self, curve: Curve, moment: Expression, value: int) -> list[tuple[int, cp_model.IntVar]]:
        """A literal a jump, true once the moment lies after it; cost falls with none of them true without need."""
        made = []
        for at, amount in curve.jumps:
            after = self._bool(value > at)
            self.model.add(moment <= at).only_enforce_if(~after)
            made.append((amount, after))
            self._terms.append(amount * after)
        return made

    def _add_overrun(
        self,
        curve: Curve,
        moment: Expression,
        value: int,
        low: int,
        high: int,
        present: Literal,
    ) -> None:
        assert self._overrun is not None
        inside = curve.within(low, high)
        crossed = []
        for at, amount in inside.jumps:
            after = self._bool(value > at)
            self.model.add(moment <= at).only_enforce_if(~after)
            crossed.append(amount * after)
        jumped = inside.base + cp_model.LinearExpr.sum(crossed)
        self.model.add(self._overrun >= jumped).only_enforce_if(present)
        for at, _ in inside.hinges:
            self.model.add(self._overrun >= jumped + moment - at).only_enforce_if(present)

    def _add_shift_tax(
        self, line: WindowLine, task: int, start: cp_model.IntVar, present: Literal, here: bool
    ) -> None:
        """Tax on how far the start lies from where it was; pauses count, so a literal says which are behind it."""
        tax = int(self._instance.shift_tax[task])
        if not tax:
            return
        low, high = line.earliest[task], line.latest[task] - line.work(task)
        home = int(self._instance.home_start[task])
        value = line.start[task] if here else low
        offset: Expression = line.axis.tick_of_start(low) - low
        for at, since, until in line.axis.pauses(low + 1, high + 1):
            after = self._bool(value >= at)
            self.model.add(start >= at).only_enforce_if(after)
            self.model.add(start < at).only_enforce_if(~after)
            offset = offset + (until - since) * after
        farthest = max(abs(line.axis.tick_of_start(low) - home), abs(line.axis.tick_of_start(high) - home))
        shift = self._int(0, farthest, abs(line.axis.tick_of_start(value) - home) if here else 0)
        self.model.add(shift >= start + offset - home).only_enforce_if(present)
        self.model.add(shift >= home - start - offset).only_enforce_if(present)
        self._terms.append(tax * shift)

    def _add_rest(self, line: WindowLine) -> cp_model.IntVar | None:
        """The moment at which the next task after the window is set up, and what everything after it then costs."""
        if not line.rest:
            return None
        low, high = line.handover_low, line.handover_high
        handover = self._int(low, high, line.handover)
        curve = line.rest_cost.within(low, high)
        self._add_jumps(curve, handover, line.handover)
        if curve.hinges:
            bends = Curve(hinges=curve.hinges)
            price = self._int(0, bends(high), bends(line.handover))
            slope = intercept = 0
            for at, more in curve.hinges:
                slope += more
                intercept += more * at
                self.model.add(price >= slope * handover - intercept)
            self._terms.append(price)
        if self._overrun is not None:
            over = line.rest_after(self._others_end)
            self._add_overrun(over, handover, line.handover, low, high, True)
        return handover
