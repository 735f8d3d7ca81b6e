"""One line's week as it really went: real work, stops, waits for material and setups of the runs that it finished.

Stops are the line's: its working time of the week is the calendar less them, in every plan. A stop that ended when a
component of the run came is the run's: it waits for that component in every plan, at the same piece.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from schemas import SchedulingLine, SetupMatrix, SetupTime
from twin.state.chronicle import Chronicle, Lived
from twin.state.entities import Line, SiteKey
from twin.state.model import Model

HOUR_S = 3_600.0

LEAST_WORK_S = 1.0
"""Real work of a run is at least so much, so that rates stay finite."""

UNLOADING_S = 3_600.0
"""A stop that ends within so long after a component came was one for that component. Longer: repairs look like it."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Wait:
    """A run stood for a component until a moment, with a share of its work still to do."""

    item_id: str
    until: float
    share_left: float


@dataclass(frozen=True, slots=True)
class LineAccount:
    """One line's week.

    Attributes:
        since: the week's beginning, POSIX seconds.
        runs: finished in it, in the order in which they went.
        work_s: real work of each run; planned_s: the same by the planned rate; left_s: real work from `since` on.
        waits: for material, by run; blocked: all other stops.
        family: that the line was set up for when the week began.
        setup_factor: what setups of the week took over what the matrix says; 1 where there were none.
    """

    owner: Line
    since: float
    runs: list[Lived]
    work_s: dict[SiteKey, float]
    planned_s: dict[SiteKey, float]
    left_s: dict[SiteKey, float]
    waits: dict[SiteKey, list[Wait]]
    blocked: list[Interval]
    family: str | None
    setup_factor: float

    @property
    def pace(self) -> float:
        """Real over planned work of the week's runs: 1.1 = it took ten per cent longer."""
        planned_s = sum(self.planned_s.values())
        return sum(self.work_s.values()) / planned_s if planned_s > 0.0 else 1.0

    def line(self, horizon_end: float) -> SchedulingLine:
        """As the problem has it."""
        spans: list[Interval] = []
        for span in self.owner.calendar.intervals(self.since, horizon_end):
            spans += without(span, self.blocked)
        return SchedulingLine(
            site_id=self.owner.site_id,
            line_id=self.owner.line_id,
            name=self.owner.name,
            free_from=self.since,
            family=self.family,
            setup_id=f"{self.owner.site_id}/{self.owner.line_id}",
            spans=spans,
        )

    def setups(self, model: Model, families: Collection[str | None]) -> SetupMatrix:
        """The line's own matrix between these families, as long as setups really were."""
        line, factor = self.owner, self.setup_factor
        matrix = model.plant.setup_matrix(line.site_id, line.line_id)
        entries: dict[tuple[str, str], SetupTime] = {}
        for entry in () if matrix is None else matrix.entries:
            pair = (entry.from_family, entry.to_family)
            if pair[0] in families and pair[1] in families and pair not in entries:
                entries[pair] = SetupTime(
                    from_family=pair[0],
                    to_family=pair[1],
                    setup_s=entry.setup_min * 60.0 * factor,
                    cost=entry.cost,
                )
        return SetupMatrix(
            setup_id=f"{line.site_id}/{line.line_id}",
            entries=[entries[pair] for pair in sorted(entries)],
            default_s=0.0 if matrix is None else matrix.default_min * 60.0 * factor,
            same_family_s=0.0 if matrix is None else matrix.same_family_min * 60.0 * factor,
        )


def account_of(
    model: Model,
    chronicle: Chronicle,
    line: Line,
    finished: Iterable[Lived],
    lived: Sequence[Lived],
    since: float,
) -> LineAccount:
    """A line's account.

    Args:
        model: for calendars, rates and families.
        chronicle: of the same facts.
        line: the line.
        finished: the runs that it finished in the week.
        lived: every run of its site that is over.
        since: the week's beginning, POSIX seconds.
    """
    calendar = line.calendar
    runs = sorted(finished, key=lambda run: (run.began_at >= since, run.started_at, run.key))
    work_s: dict[SiteKey, float] = {}
    planned_s: dict[SiteKey, float] = {}
    left_s: dict[SiteKey, float] = {}
    waits: dict[SiteKey, list[Wait]] = {}
    blocked: list[Interval] = []

    def worked(run: Lived, begin: float) -> float:
        return sum(
            calendar.work_between(max(first, begin), last) for first, last in run.running if last > begin
        )

    for run in runs:
        work_s[run.key] = max(LEAST_WORK_S, worked(run, run.started_at))
        left_s[run.key] = max(LEAST_WORK_S, worked(run, since))
        known = model.runs.get(run.key)
        by_plan = 0.0 if known is None else pieces_of(model, run) / known.rate_pcs_per_h * HOUR_S
        planned_s[run.key] = by_plan or work_s[run.key]
        others = [each for other in lived if other.line_id == run.line_id and other is not run for each in other.running]  # fmt: skip
        for stop in run.stopped:
            item_id = _came(model, chronicle, run, stop)
            if item_id is None:
                blocked += without(stop, others)
            else:
                share = worked(run, stop[1]) / work_s[run.key]
                waits.setdefault(run.key, []).append(Wait(item_id, stop[1], share))
    before = [run for run in lived if run.line_id == line.line_id and run.began_at < since]
    last = max(before, key=lambda run: run.began_at, default=None)
    if last is not None:
        family = family_of(model, last)
    else:
        family = None if line.event is None else line.event.setup_family
    factor = _setup_factor(model, line, runs, family, since)
    return LineAccount(line, since, runs, work_s, planned_s, left_s, waits, blocked, family, factor)


def pieces_of(model: Model, run: Lived) -> float:
    """Good pieces that it made; planned ones where none were counted."""
    known = model.runs.get(run.key)
    if known is not None and known.progress.good_pcs > 0.0:
        return known.progress.good_pcs
    return 1.0 if run.story.plan is None else run.story.plan.quantity_pcs


def family_of(model: Model, run: Lived) -> str | None:
    """Setup family of what it made."""
    plan = run.story.plan
    item = None if plan is None else model.plant.item(run.key[0], plan.item_id)
    return None if item is None else item.setup_family


def without(span: Interval, holes: Iterable[Interval]) -> list[Interval]:
    """What is left of a span beside some holes, in order."""
    left = [span]
    for begin, end in sorted(holes):
        left = [
            piece
            for start, stop in left
            for piece in ((start, min(stop, begin)), (max(start, end), stop))
            if piece[0] < piece[1]
        ]
    return left


def _came(model: Model, chronicle: Chronicle, run: Lived, stop: Interval) -> str | None:
    """The component of the run that came while it stood, and with which it went on; None: it stood for another reason."""
    plan = run.story.plan
    bill = None if plan is None else model.plant.bill(run.key[0], plan.item_id)
    wanted = set() if bill is None else {part.item_id for part in bill.components}
    came = [
        (at, item_id)
        for at, site_id, item_id in chronicle.receipts
        if site_id == run.key[0] and item_id in wanted and stop[0] < at <= stop[1] <= at + UNLOADING_S
    ]
    return max(came)[1] if came else None


def _setup_factor(model: Model, line: Line, runs: Sequence[Lived], family: str | None, since: float) -> float:
    real_s = said_s = 0.0
    for run in runs:
        after = family_of(model, run)
        if run.began_at >= since and run.setups:
            said = model.plant.setup_s(line.site_id, line.line_id, family, after)
            if said > 0.0:
                said_s += said
                real_s += sum(line.calendar.work_between(*each) for each in run.setups)
        family = after
    return real_s / said_s if said_s > 0.0 and real_s > 0.0 else 1.0
