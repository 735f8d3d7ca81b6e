"""Orders and runs as the simulated ERP keeps them: what is planned, what was really made, what was shipped."""

from dataclasses import dataclass, field
from itertools import pairwise

from streams.simulator.plant import Customer, Item, Line, Route, Site


@dataclass(slots=True, eq=False)
class Order:
    """A sales order line.

    Attributes:
        waits_for: ids of its runs that are not completed yet.
        ready_s, shipped_s: what really came; None until then.
    """

    order_id: str
    customer: Customer
    item: Item
    quantity_pcs: int
    promised_s: float
    route: Route
    penalty_per_day: float | None
    priority: int
    waits_for: dict[str, None] = field(default_factory=dict)
    is_cancelled: bool = False
    ready_s: float | None = None
    shipped_s: float | None = None


@dataclass(slots=True, eq=False)
class Run:
    """A run: planned times (POSIX seconds; setup lies before start_s), pegs, and what is left to wait for.

    Attributes:
        pegs: (order, pieces); empty for a run that only feeds another one.
        feeds: the run of the next step that needs what this one makes.
        waits_for: ids of feeding runs that are not completed yet.
        announced_s: when ERP first tells of it.
        is_announced: whether it was told; is_made: whether it is completed.
        has_work_order, is_closed: whether ERP told of its work order, and closed it.
    """

    run_id: str
    line: Line
    item: Item
    quantity_pcs: int
    setup_s: float
    start_s: float
    end_s: float
    release_s: float
    announced_s: float = 0.0
    pegs: list[tuple[Order, int]] = field(default_factory=list)
    feeds: "Run | None" = None
    waits_for: dict[str, None] = field(default_factory=dict)
    is_announced: bool = False
    has_work_order: bool = False
    is_closed: bool = False
    is_made: bool = False

    @property
    def work_order_id(self) -> str:
        """The work order that ERP keeps for it."""
        return f"WO-{self.run_id.removeprefix('R-')}"


@dataclass(slots=True, eq=False)
class Book:
    """Everything planned at one site; queues are in planned order and hold what has not begun."""

    site: Site
    queues: dict[str, list[Run]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)

    def runs(self) -> list[Run]:
        """All runs that have not begun, by planned start, then id."""
        every = [run for queue in self.queues.values() for run in queue]
        return sorted(every, key=lambda run: (run.start_s, run.run_id))

    def lay_out(self, line: Line, free_s: float, family: str) -> list[Run]:
        """Push the waiting runs of a line back as far as necessary; nothing is pulled forward.

        Args:
            line: the line.
            free_s: when the line is free, POSIX seconds.
            family: family that it is set up for by then.

        Returns:
            The runs whose planned times moved.
        """
        moved = []
        calendar = line.calendar
        for run in self.queues[line.line_id]:
            setup_work_s = self.site.setup_minutes(line, family, run.item.family) * 60.0
            setup_s = calendar.next_working(max(free_s, run.setup_s))
            start_s = max(run.start_s, calendar.next_working(calendar.add_work(setup_s, setup_work_s)))
            if start_s > run.start_s:
                run.setup_s, run.start_s = setup_s, start_s
                run.end_s = calendar.add_work(start_s, run.quantity_pcs / line.rate_pcs_per_h * 3600.0)
                moved.append(run)
            free_s, family = run.end_s, run.item.family
        return moved

    def check(self) -> None:
        """The planned runs of a line never overlap."""
        for line_id, queue in self.queues.items():
            for earlier, later in pairwise(queue):
                assert earlier.end_s <= later.setup_s, (
                    f"{earlier.run_id} and {later.run_id} overlap on {line_id}"
                )
