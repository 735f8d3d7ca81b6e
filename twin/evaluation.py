"""From what changed to what it means: project dirty lines, reassess their orders, judge their cards.

Cost follows what changed: a line's queue, the orders pegged to it, the cards they belong to.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from schemas import OrderProjection, Output, OutputModel, join_key, topics
from twin.cards.card_board import CardBoard
from twin.cards.crowd import in_turn
from twin.forecast.assessment import Assessment
from twin.forecast.lookahead import assess_order, project_line, ready_run
from twin.forecast.settled import settle
from twin.judges.causes import Blame, blame
from twin.judges.doubts import caveats_of, is_doubted, orders_resting_on
from twin.judges.risk import Root, root_of
from twin.shopfloor.line_status import line_status
from twin.state.entities import Line, Order, SiteKey
from twin.state.model import Model
from twin.words import utc

PROJECTION_MOVED_S = 900.0
"""Ready time must move this much before an order's projection is published again. Smaller floods the topic."""

PROJECTION_P_MOVED = 0.05
"""So must P(late)."""

MOST_PASSES = 50
"""Times a line may be projected in one evaluation: routings that feed each other in a circle end here."""


@dataclass
class Evaluation:
    """One evaluation: what it looked at and what it puts out."""

    model: Model
    now: float
    cause: str
    outputs: list[Output] = field(default_factory=list)
    _orders: dict[SiteKey, Order] = field(default_factory=dict)
    _roots: dict[Root, None] = field(default_factory=dict)
    _assessed: dict[SiteKey, Assessment | None] = field(default_factory=dict)
    _blamed: dict[SiteKey, Blame | None] = field(default_factory=dict)
    _published: Counter[SiteKey] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """One board for all cards of this evaluation."""
        self._board = CardBoard(self.model, self.now, self.cause, self.assessment, self.blamed)

    def lines(self, lines: Iterable[Line]) -> None:
        """Project these lines, what they feed, their orders and cards."""
        evaluated = self._project([(line.site_id, line.line_id) for line in lines])
        self.orders([])
        for key in evaluated:
            line = self.model.lines[key]
            line.state.dirty = False
            line.state.evaluated_at = self.now
            self.model.save_line(line)
            status = line_status(line, self.model, self.now, self.output_id(topics.LINES, *key))
            if status is not None:
                self.emit(topics.LINES, join_key(*key), status, status.output_id)

    def orders(self, orders: Iterable[Order], roots: Iterable[Root] = ()) -> None:
        """Reassess these orders and those that projecting touched, then their cards and those of the roots."""
        for order in orders:
            self._orders[order.site_id, order.order_id] = order
        for key in sorted(self._orders):
            self._judge_order(self._orders[key])
        self._orders.clear()
        self.roots(roots)

    def roots(self, roots: Iterable[Root]) -> None:
        """Judge the cards of these roots and of those that reassessing touched."""
        for root in roots:
            self._roots[root] = None
        if self.model.card_book.is_held:
            for root in self._roots:
                self.model.card_book.hold(root, self.now)
            self._roots.clear()
            return
        board = self._board
        doubted: dict[Root, None] = {}
        for root in in_turn(self.model, self._roots):
            was_live = is_doubted(self.model, root)
            board.judge(root)
            if is_doubted(self.model, root) is not was_live:
                doubted[root] = None
        self._roots.clear()
        self.outputs += board.outputs
        board.outputs = []
        # What rests on data that have just become doubtful, or good again, says so.
        resting = [order for root in doubted for order in orders_resting_on(self.model, root)]
        if resting:
            self.orders(resting)

    def emit(self, topic: str, key: str, body: OutputModel | None, output_id: str) -> None:
        """Put a document out."""
        self.outputs.append(Output(topic, key, body, output_id, utc(self.now).isoformat()))

    def output_id(self, topic: str, *key: str) -> str:
        """Id of an output: the fact that caused it, the topic and what it is about."""
        return f"{self.cause}>{topic}>{'/'.join(key)}"

    # Lines

    def _project(self, keys: list[SiteKey]) -> list[SiteKey]:
        """Project lines and, where finishes moved, those that they feed; says all that were projected."""
        model = self.model
        waiting = [(self._is_fed(key), key) for key in sorted(set(keys))]
        heapify(waiting)
        queued = {key for _, key in waiting}
        passes: dict[SiteKey, int] = {}
        while waiting:
            _, key = heappop(waiting)
            queued.discard(key)
            passes[key] = passes.get(key, 0) + 1
            line = model.lines[key]
            before = line.projected
            after = settle(before, project_line(line, model, self.now))
            if [*before] != [*after]:
                gone = [run_id for run_id in before if run_id not in after]
                model.links.queue(line, gone, self.now, self.cause)
            self._touch_late(line)
            if after == before:
                continue
            line.projected = after
            model.save_queue(line)
            for run_id in {**before, **after}:
                if before.get(run_id) is after.get(run_id):
                    continue
                run = model.runs.get((line.site_id, run_id))
                if run is None:
                    continue
                for order in model.orders_of(run):
                    self._orders[order.site_id, order.order_id] = order
                for fed in model.lines_fed_by(run):
                    fed_key = (fed.site_id, fed.line_id)
                    if fed_key not in queued and passes.get(fed_key, 0) < MOST_PASSES:
                        queued.add(fed_key)
                        heappush(waiting, (True, fed_key))
        return sorted(passes)

    def _is_fed(self, key: SiteKey) -> bool:
        """Whether runs of the line wait for others: it is projected after those that feed it, once and not each time."""
        feeders = self.model.feeders
        return any(feeders.get((key[0], run.run_id)) for run in self.model.lines[key].queued())

    def _touch_late(self, line: Line) -> None:
        """Late orders are looked at even where no finish moved: what is to blame may have."""
        model = self.model
        for members in model.members.values():
            for key in members:
                for run_key in model.pegged.get(key, {}):
                    if model.line_of_run[run_key] is line and not model.runs[run_key].is_finished:
                        self._orders[key] = model.orders[key]

    # Orders

    def assessment(self, order: Order) -> Assessment | None:
        """The order as it stands after this evaluation's projections."""
        key = (order.site_id, order.order_id)
        if key not in self._assessed:
            self._assessed[key] = assess_order(order, self.model)
        return self._assessed[key]

    def blamed(self, order: Order) -> Blame | None:
        """What makes the order late, as this evaluation's projections say; None where nothing can be named."""
        key = (order.site_id, order.order_id)
        if key not in self._blamed:
            each = self.assessment(order)
            self._blamed[key] = None if each is None else blame(each, self.model.line_of_run)
        return self._blamed[key]

    def _judge_order(self, order: Order) -> None:
        model, key = self.model, (order.site_id, order.order_id)
        before = order.state.root
        self._assessed.pop(key, None)
        self._blamed.pop(key, None)
        each = self.assessment(order) if order.is_open else None
        blamed: Blame | None = None
        if each is not None and each.p_late >= model.plant.rules(order.site_id).clear_below_p_late:
            blamed = self.blamed(order)
        root = None if blamed is None else blamed.root()
        old_roots = [] if before is None else [root_of(before)]
        model.blame(order, root)
        for touched in [*old_roots, *([] if root is None else [root])]:
            self._roots[touched] = None
        self._publish_projection(order, each, blamed)

    def _publish_projection(self, order: Order, each: Assessment | None, blamed: Blame | None) -> None:
        if not order.is_open:
            status = order.state.status
        elif each is not None:
            status = "projected"
        else:
            status = "unreachable" if ready_run(order, self.model) is not None else "no_runs"
        ready_at = None if each is None else each.ready_at
        caveats = [] if each is None or not order.is_open else caveats_of(self.model, [each])
        reading = (
            ready_at,
            None if each is None else each.ships_at,
            None if each is None else each.p_late,
            "; ".join([status, *caveats]),
        )
        if order.state.published is not None and not _projection_moved(order.state.published, reading):
            return
        order.state.published = reading
        self.model.save_order(order)
        again = self._published[order.site_id, order.order_id]
        self._published[order.site_id, order.order_id] += 1
        output_id = self.output_id(
            topics.ORDER_PROJECTIONS, order.site_id, order.order_id, *([str(again)] if again else [])
        )
        projection = OrderProjection.model_validate(
            {
                "output_id": output_id,
                "order_id": order.order_id,
                "site_id": order.site_id,
                "customer_id": order.event.customer_id,
                "status": status,
                "promised_at": order.event.promised_at,
                "as_of": utc(self.now),
                "caveats": caveats,
                **({} if each is None else _projected_fields(each, blamed)),
            }
        )
        self.emit(topics.ORDER_PROJECTIONS, join_key(order.site_id, order.order_id), projection, output_id)


def _projected_fields(each: Assessment, blamed: Blame | None) -> dict[str, object]:
    return {
        "ready_at": utc(each.ready_at),
        "transfer_h": round(each.transfer_s / 3600.0, 4),
        "ships_at": None if each.ships_at is None else utc(each.ships_at),
        "need_by": utc(each.need_by),
        "slip_s": round(each.slip_s, 3),
        "slip_days": each.slip_days if each.slip_s > 0 else 0,
        "slack_s": round(each.slack_s, 3),
        "p_late": each.p_late,
        "p_pace": each.p_pace,
        "long_stops": each.long_stops,
        "p_stop_lasts": each.p_open_stop,
        "ready_sd_h": round(each.sd_work_s / 3600.0, 4),
        "binding_run_id": each.run.run_id,
        "binding_line_id": each.line.line_id,
        "binding_cause": None if blamed is None else blamed.signal,
    }


Reading = tuple[float | None, float | None, float | None, str]


def _projection_moved(before: Reading, after: Reading) -> bool:
    if before[3] != after[3] or before[1] != after[1]:
        return True
    moved = before[0] is not None and after[0] is not None and abs(before[0] - after[0]) >= PROJECTION_MOVED_S
    return moved or (
        before[2] is not None and after[2] is not None and abs(before[2] - after[2]) >= PROJECTION_P_MOVED
    )
