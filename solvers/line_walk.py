"""Where the queue of a line ends under a plan: the arithmetic of twin/forecast/projection.py, run by run from the head on."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import expm1, inf

from schemas.scheduling import SchedulingRun
from solvers.problem import Plan, Problem, RunKey


class PlanInvalid(ValueError):
    """A plan that has no meaning: runs that wait for each other, or a run on a line that cannot make it."""


@dataclass(frozen=True, slots=True)
class LineResult:
    """A line's queue under a plan.

    Attributes:
        keys: its runs, in order; starts, ends: first and last piece, POSIX seconds.
        setup_s, setup_costs: before each run.
        shifted_s: seconds by which its runs start off their planned starts, together.
        is_fed: whether a run of it waits for another one of the problem.
    """

    keys: tuple[RunKey, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]
    setup_s: tuple[float, ...]
    setup_costs: tuple[float, ...]
    shifted_s: float
    is_fed: bool


class LineWalk:
    """A line's queue, walked from its head as far as its feeders have ended."""

    def __init__(
        self,
        problem: Problem,
        plan: Plan,
        line: int,
        sequence: tuple[RunKey, ...],
        taken: Mapping[RunKey, float],
    ) -> None:
        self.line = line
        self.sequence = sequence
        self.ends: list[float] = []
        self._problem, self._plan, self._taken = problem, plan, taken
        self._facts = problem.lines[line]
        self._calendar = problem.working_time(line, plan)
        self._starts: list[float] = []
        self._setup_s: list[float] = []
        self._setup_costs: list[float] = []
        self._free_at = self._facts.free_from
        self._family = self._facts.family
        self._ahead_s = 0.0
        self._is_fed = False

    def go_on(self, ended: dict[RunKey, float]) -> bool:
        """Walk on; whether the last run has ended."""
        problem, plan = self._problem, self._plan
        for place in range(len(self.ends), len(self.sequence)):
            key = self.sequence[place]
            run = problem.runs[plan.splits[key].of if key in plan.splits else key]
            feeders = problem.feeders.get((run.site_id, run.run_id))
            fed_at = run.fed_at
            if feeders is not None:
                self._is_fed = True
                for feeder in feeders:
                    if feeder not in ended:
                        return False
                    fed_at = ended[feeder] if fed_at is None else max(fed_at, ended[feeder])
            start = self._start_of(key, run, place, fed_at)
            end = self._end_of(key, run, start)
            self._starts.append(start)
            self.ends.append(end)
            ended[key] = end
            self._free_at = end
            self._family = run.family or self._family
        return True

    def result(self) -> LineResult:
        """The queue as walked."""
        return LineResult(
            self.sequence,
            tuple(self._starts),
            tuple(self.ends),
            tuple(self._setup_s),
            tuple(self._setup_costs),
            self._shifted_s(),
            self._is_fed,
        )

    def _shifted_s(self) -> float:
        planned = self._problem.planned_starts
        return sum(
            abs(start - planned[key])
            for key, start in zip(self.sequence, self._starts, strict=True)
            if key in planned
        )

    def _start_of(self, key: RunKey, run: SchedulingRun, place: int, fed_at: float | None) -> float:
        if run.state != "planned" and key not in self._plan.splits:
            self._setup_s.append(0.0)
            self._setup_costs.append(0.0)
            assert run.next_piece_at is not None, f"run {run.run_id} is {run.state} without a next piece"
            return run.next_piece_at if place == 0 else max(run.next_piece_at, self._free_at)
        setup_s, setup_cost = self._problem.setup_between(self.line, self._family, run)
        self._setup_s.append(setup_s)
        self._setup_costs.append(setup_cost)
        as_of = self._problem.wire.as_of
        earliest = max(
            self._plan.starts.get(key, as_of),
            -inf if run.release_at is None else run.release_at,
            -inf if run.not_before is None else run.not_before,
        )
        calendar = self._calendar
        free_from = self._free_at
        if place == 0 and (earliest < as_of or not self._is_committed_head(key, run)):
            # Nobody sets up a line in the past. What is planned there at a coming moment was planned with its setup.
            free_from = max(free_from, as_of)
        start = max(
            calendar.next_working(earliest), calendar.next_working(calendar.add_work(free_from, setup_s))
        )
        if fed_at is not None and fed_at > start:
            start = calendar.next_working(fed_at)
        return start

    def _is_committed_head(self, key: RunKey, run: SchedulingRun) -> bool:
        """Whether the run was the line's next one before, and is not to start before its committed start."""
        return (
            self._problem.committed[self.line][:1] == (key,)
            and run.planned_start is not None
            and self._plan.starts.get(key, -inf) >= run.planned_start
        )

    def _end_of(self, key: RunKey, run: SchedulingRun, start: float) -> float:
        eligible = self._problem.eligible[run.site_id, run.run_id].get(self.line)
        if eligible is None:
            raise PlanInvalid(
                f"run {run.site_id}/{run.run_id} is on line {self._facts.line_id}, which cannot make it"
            )
        split = self._plan.splits.get(key)
        pieces = (
            max(0.0, run.remaining_pcs - self._taken.get(key, 0.0)) if split is None else split.quantity_pcs
        )
        rate = eligible.rate_pcs_per_h
        facts = self._facts
        work_s = pieces / rate * 3600.0 / facts.level
        before_s, self._ahead_s = self._ahead_s, self._ahead_s + work_s
        ends = facts.drift_ends_per_s
        if ends > 0.0:
            lasting = (expm1(-ends * before_s) - expm1(-ends * self._ahead_s)) / ends
            work_s -= (1.0 - facts.level) * (work_s - lasting)
        end = latest = self._calendar.add_work(start, work_s * (1.0 + facts.short_share))
        for gate in run.gates:
            if gate.at <= start:
                continue
            held_s = min(pieces, gate.after_pcs) / rate * 3600.0 / facts.level
            if pieces > 0.0:
                latest = max(latest, self._calendar.add_work(gate.at, held_s))
        return latest if self._calendar.work_between(end, latest) > 0.0 else end


def taken_by_splits(plan: Plan) -> Mapping[RunKey, float]:
    """Pieces that splits take from each run."""
    taken: dict[RunKey, float] = {}
    for split in plan.splits.values():
        taken[split.of] = taken.get(split.of, 0.0) + split.quantity_pcs
    return taken


def pieces_of(problem: Problem, plan: Plan, key: RunKey) -> float:
    """Good pieces that a run still makes under a plan: less what is split from it."""
    split = plan.splits.get(key)
    if split is not None:
        return split.quantity_pcs
    left = problem.runs[key].remaining_pcs
    if plan.splits:
        left -= sum(each.quantity_pcs for each in plan.splits.values() if each.of == key)
    return max(0.0, left)


def share_of(plan: Plan, key: RunKey, run: SchedulingRun) -> float:
    """Share of a run's pieces that a run of the plan makes: 1 but where something is split."""
    if not plan.splits or run.remaining_pcs <= 0.0:
        return 1.0
    split = plan.splits.get(key)
    if split is not None:
        return split.quantity_pcs / run.remaining_pcs
    return 1.0 - taken_by_splits(plan).get(key, 0.0) / run.remaining_pcs
