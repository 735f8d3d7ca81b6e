"""The problem that the twin asks about, checked and indexed, and the plans that answer it.

Law: everything else in solvers/ may rest on what is checked here; what is refused names the entity and the field.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from schemas import ProblemInvalid
from schemas.scheduling import (
    EligibleLine,
    OvertimeOffer,
    SchedulingLine,
    SchedulingOrder,
    SchedulingProblem,
    SchedulingRun,
    SetupMatrix,
)
from solvers.problem_checks import check_problem
from solvers.working_time import Span, WorkingTime, first_part, length_of, united, without

__all__ = [
    "LineKey", "OrderKey", "Plan", "Problem", "ProblemInvalid", "RunKey", "Split", "WindowKey", "hold_plan",
]  # fmt: skip

RunKey = tuple[str, str]
"""Site and run id."""

OrderKey = tuple[str, str]
"""Site and order id."""

LineKey = tuple[str, str]
"""Site and line id."""

WindowKey = tuple[str, str, str]
"""Site, line and window id of an overtime offer."""

SPLIT_MARK = "/split-"
"""Between the id of a run and the number of a part that was split from it."""


@dataclass(frozen=True, slots=True)
class Split:
    """A new run that takes over the last pieces of another one."""

    of: RunKey
    quantity_pcs: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a planner would commit.

    Attributes:
        sequences: runs of each line in the order in which it takes them; lines as in Problem.lines.
        starts: planned start of runs that have not begun, POSIX seconds; where none is given, as soon as it can.
        overtime: hours bought of windows, each from its beginning on.
        splits: runs that the plan creates.
    """

    sequences: tuple[tuple[RunKey, ...], ...]
    starts: Mapping[RunKey, float] = field(default_factory=dict)
    overtime: Mapping[WindowKey, float] = field(default_factory=dict)
    splits: Mapping[RunKey, Split] = field(default_factory=dict)

    def with_sequences(self, sequences: Mapping[int, tuple[RunKey, ...]]) -> "Plan":
        """The same with other sequences on some lines, by index."""
        return replace(
            self,
            sequences=tuple(sequences.get(index, sequence) for index, sequence in enumerate(self.sequences)),
        )

    def with_starts(self, starts: Mapping[RunKey, float]) -> "Plan":
        """The same with other planned starts; no others are kept."""
        return replace(self, starts=starts)

    def with_overtime(self, window: WindowKey, hours: float) -> "Plan":
        """The same with so many hours bought of a window; 0 gives it back."""
        bought = {**self.overtime, window: hours}
        return replace(self, overtime={key: value for key, value in bought.items() if value > 0.0})

    def line_of(self) -> dict[RunKey, int]:
        """The line of each run that has one."""
        return {key: index for index, sequence in enumerate(self.sequences) for key in sequence}


@dataclass(frozen=True, eq=False)
class Problem:
    """A problem with its indexes. Lines are spoken of by index.

    Attributes:
        wire: as it was asked.
        line_index: of each line; runs, orders: by key, in the order of the wire.
        eligible: lines that can make a run, by index, with rate and transfer; the one that it is planned on always.
        must_leave: runs that a planner's lock wants on another line than the one that they are planned on.
        committed: runs of each line in queue order, as committed.
        committed_line: of runs that have a line; planned_starts: of those that have not begun.
        runs_of: runs of each order; orders_of: orders of each run that are still open.
        feeders: runs that must end before a run begins; fed: the runs that wait for one.
        heads: runs at the head of each line that keep line, order and place: up to the last that is started, frozen,
            or feeds another run of the problem; but those that must leave. pinned: how many.
        has_transfers: whether bringing goods to another site costs anything anywhere.
        moved_in: runs that a sequence of a line moves, as far as it was asked (solvers/moves.py).
        memory: what others have worked out from the problem alone and want to keep.
    """

    wire: SchedulingProblem
    line_index: dict[LineKey, int] = field(init=False)
    runs: dict[RunKey, SchedulingRun] = field(init=False)
    orders: dict[OrderKey, SchedulingOrder] = field(init=False)
    eligible: dict[RunKey, dict[int, EligibleLine]] = field(init=False)
    must_leave: frozenset[RunKey] = field(init=False)
    committed: tuple[tuple[RunKey, ...], ...] = field(init=False)
    committed_line: dict[RunKey, int] = field(init=False)
    planned_starts: dict[RunKey, float] = field(init=False)
    runs_of: dict[OrderKey, list[RunKey]] = field(init=False)
    orders_of: dict[RunKey, list[OrderKey]] = field(init=False)
    feeders: dict[RunKey, list[RunKey]] = field(init=False)
    fed: dict[RunKey, list[RunKey]] = field(init=False)
    heads: tuple[tuple[RunKey, ...], ...] = field(init=False)
    pinned: tuple[int, ...] = field(init=False)
    has_transfers: bool = field(init=False)
    moved_in: dict[tuple[int, tuple[RunKey, ...]], list[RunKey]] = field(init=False)
    memory: dict[object, list[tuple[float, float]]] = field(init=False)
    _setups: dict[str, "_Setups"] = field(init=False)
    _offers: dict[WindowKey, tuple[int, OvertimeOffer, list[Span]]] = field(init=False)
    _calendars: dict[tuple[int, tuple[tuple[str, float], ...]], WorkingTime] = field(init=False)

    def __post_init__(self) -> None:
        """Check and index.

        Raises:
            ProblemInvalid: something in it cannot be; the message names the entity and the field.
        """
        wire = self.wire
        check_problem(wire)

        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("line_index", {(line.site_id, line.line_id): index for index, line in enumerate(wire.lines)})
        put("runs", {(run.site_id, run.run_id): run for run in wire.runs})
        put("orders", {(order.site_id, order.order_id): order for order in wire.orders})
        put(
            "committed_line",
            {
                key: self.line_index[run.site_id, run.line_id]
                for key, run in self.runs.items()
                if run.line_id is not None
            },
        )
        put("eligible", {key: self._eligible_of(key, run) for key, run in self.runs.items()})
        queues: list[list[RunKey]] = [[] for _ in wire.lines]
        for key in sorted(self.committed_line, key=lambda key: self.runs[key].position or 0):
            queues[self.committed_line[key]].append(key)
        put("committed", tuple(tuple(queue) for queue in queues))
        runs_of: dict[OrderKey, list[RunKey]] = {key: [] for key in self.orders}
        orders_of: dict[RunKey, list[OrderKey]] = {key: [] for key in self.runs}
        feeders: dict[RunKey, list[RunKey]] = {}
        fed: dict[RunKey, list[RunKey]] = {}
        for key, run in self.runs.items():
            for peg in run.pegs:
                if (peg.site_id, peg.order_id) in runs_of:  # orders that are closed need nothing more
                    runs_of[peg.site_id, peg.order_id].append(key)
                    orders_of[key].append((peg.site_id, peg.order_id))
            for feeder in run.fed_by:
                feeders.setdefault(key, []).append(feeder)
                fed.setdefault(feeder, []).append(key)
        put("runs_of", runs_of)
        put("orders_of", orders_of)
        put("feeders", feeders)
        put("fed", fed)
        put("must_leave", frozenset(key for key, run in self.runs.items() if self._must_leave(run)))
        put(
            "planned_starts",
            {
                key: run.planned_start
                for key, run in self.runs.items()
                if run.state == "planned" and run.planned_start is not None
            },
        )
        put("heads", tuple(self._head_of(queue) for queue in queues))
        put("pinned", tuple(map(len, self.heads)))
        put("_setups", {matrix.setup_id: _Setups.of(matrix) for matrix in wire.setups})
        offers: dict[WindowKey, tuple[int, OvertimeOffer, list[Span]]] = {}
        for index, line in enumerate(wire.lines):
            taken: list[Span] = list(line.spans)
            for offer in sorted(line.overtime, key=lambda each: (each.start, each.window_id)):
                free = without((max(offer.start, wire.as_of), offer.end), united(taken))
                offers[line.site_id, line.line_id, offer.window_id] = (index, offer, free)
                taken += free  # windows that overlap are sold once
        put("_offers", offers)
        put(
            "has_transfers",
            any(each.transfer_cost > 0.0 for run in wire.runs for each in run.eligible),
        )
        put("moved_in", {})
        put("memory", {})
        put("_calendars", {})
        check_feeds(self)

    @property
    def lines(self) -> list[SchedulingLine]:
        """Its lines; indexes speak of these."""
        return self.wire.lines

    def run_of(self, key: RunKey, plan: Plan) -> SchedulingRun:
        """The run, or the one that a split of the plan is taken from."""
        split = plan.splits.get(key)
        return self.runs[key if split is None else split.of]

    def may_be_on(self, key: RunKey, line: int) -> bool:
        """Whether a new plan may have a run, or a part of it, on a line: not where a lock wants it away from."""
        return line in self.eligible[key] and not (
            key in self.must_leave and line == self.committed_line[key]
        )

    def setup_between(self, line: int, before: str | None, run: SchedulingRun) -> tuple[float, float]:
        """Seconds and money of setting a line up for a run after a family."""
        setup_id = self.wire.lines[line].setup_id
        matrix = None if setup_id is None else self._setups[setup_id]
        seconds, cost = (0.0, 0.0) if matrix is None else matrix.between(before, run.family)
        return (seconds if run.setup_s is None else run.setup_s), cost

    def setup_of_families(self, line: int, before: str, after: str) -> tuple[float, float]:
        """Seconds and money of setting a line up from one family for another."""
        setup_id = self.wire.lines[line].setup_id
        return (0.0, 0.0) if setup_id is None else self._setups[setup_id].between(before, after)

    def window(self, key: WindowKey) -> tuple[int, OvertimeOffer, list[Span]]:
        """Line, offer, and the time in it that can be sold: neither worked anyway, nor past, nor in another window."""
        return self._offers[key]

    def windows_of(self, line: int) -> Iterator[tuple[WindowKey, OvertimeOffer, float]]:
        """Offers of a line whose notice has not passed, with the hours that each has to sell."""
        for key, (index, offer, free) in self._offers.items():
            if index == line and offer.notice_by >= self.wire.as_of and free:
                yield key, offer, length_of(free) / 3600.0

    def working_time(self, line: int, plan: Plan | None = None) -> WorkingTime:
        """The line's working time, the plan's overtime inside; kept, for walks are many and calendars few."""
        bought: tuple[tuple[str, float], ...] = ()
        if plan is not None and plan.overtime:
            bought = tuple(
                (key[2], hours)
                for key, hours in sorted(plan.overtime.items())
                if self._offers[key][0] == line
            )
        known = self._calendars.get((line, bought))
        if known is None:
            spans = [tuple(span) for span in self.wire.lines[line].spans]
            owner = self.wire.lines[line]
            for window_id, hours in bought:
                free = self._offers[owner.site_id, owner.line_id, window_id][2]
                spans += first_part(free, hours * 3600.0)
            known = WorkingTime(united((start, end) for start, end in spans), self.wire.horizon_end)
            if len(self._calendars) > MOST_CALENDARS:
                self._calendars.clear()
            self._calendars[line, bought] = known
        return known

    def _eligible_of(self, key: RunKey, run: SchedulingRun) -> dict[int, EligibleLine]:
        found = {self.line_index[each.site_id, each.line_id]: each for each in run.eligible}
        home = self.committed_line.get(key)
        if home is not None and home not in found:
            # A lock may want it elsewhere; until it goes, it is planned here, at the pace of where it shall go.
            line = self.wire.lines[home]
            rate = run.eligible[0].rate_pcs_per_h
            found[home] = EligibleLine(site_id=line.site_id, line_id=line.line_id, rate_pcs_per_h=rate)
        return found

    def _must_leave(self, run: SchedulingRun) -> bool:
        home = (run.site_id, run.line_id)
        return (
            run.line_id is not None
            and run.freedom in ("firm", "free")
            and all((each.site_id, each.line_id) != home for each in run.eligible)
        )

    def _head_of(self, queue: list[RunKey]) -> tuple[RunKey, ...]:
        stays = max(
            (
                place + 1
                for place, key in enumerate(queue)
                if self.runs[key].freedom in ("started", "frozen")
                or (key in self.fed and key not in self.must_leave)
            ),
            default=0,
        )
        return tuple(key for key in queue[:stays] if key not in self.must_leave)


MOST_CALENDARS = 4096
"""Calendars with overtime that are kept. Too few: a search over hours builds them again and again; too many: memory."""


@dataclass(frozen=True, slots=True)
class _Setups:
    matrix: SetupMatrix
    entries: dict[tuple[str, str], tuple[float, float]]

    @staticmethod
    def of(matrix: SetupMatrix) -> "_Setups":
        return _Setups(
            matrix,
            {(each.from_family, each.to_family): (each.setup_s, each.cost) for each in matrix.entries},
        )

    def between(self, before: str | None, after: str | None) -> tuple[float, float]:
        if before is None or after is None:
            return 0.0, 0.0
        known = self.entries.get((before, after))
        if known is not None:
            return known
        return (self.matrix.same_family_s if before == after else self.matrix.default_s), 0.0


def hold_plan(problem: Problem) -> Plan:
    """The committed plan: what happens if nobody acts. Runs that are not planned yet are nowhere in it."""
    return Plan(sequences=problem.committed, starts=problem.planned_starts)


def check_feeds(problem: Problem) -> None:
    """Refuse runs that wait for each other in a circle, through feeds and queues as committed.

    Raises:
        ProblemInvalid: with the runs of a circle, in the order in which they wait.
    """
    waits: dict[RunKey, list[RunKey]] = {key: list(problem.feeders.get(key, ())) for key in problem.runs}
    if not problem.feeders:
        return
    for queue in problem.committed:
        for earlier, later in pairwise(queue):
            waits[later].append(earlier)
    left = {key: len(before) for key, before in waits.items()}
    followers: dict[RunKey, list[RunKey]] = {}
    for key, before in waits.items():
        for each in before:
            followers.setdefault(each, []).append(key)
    ready = [key for key, count in left.items() if count == 0]
    while ready:
        key = ready.pop()
        del left[key]
        for follower in followers.get(key, ()):
            left[follower] -= 1
            if left[follower] == 0:
                ready.append(follower)
    if left:
        # Each of them waits for another of them: whoever follows that comes round.
        seen: dict[RunKey, int] = {}
        at = next(iter(left))
        while at not in seen:
            seen[at] = len(seen)
            at = next(before for before in waits[at] if before in left)
        circle = list(seen)[seen[at] :]
        first = circle.index(min(circle))
        circle = [*circle[first:], *circle[:first]]
        steps = ", ".join(f"{key[1]} waits for {after[1]}" for key, after in pairwise([*circle, circle[0]]))
        site_id, run_id = circle[0]
        raise ProblemInvalid(
            f"run {site_id}/{run_id}: fed_by goes round in a circle with the queues: {steps}"
        )
