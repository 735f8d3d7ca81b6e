"""From what changed to what it means: project dirty lines, reassess their orders, judge their cards.

Cost follows what changed: a line's queue, the orders pegged to it, the cards they belong to.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from schemas import (
    Card,
    CustomerUpserted,
    OrderProjection,
    Output,
    OutputModel,
    Owner,
    PathStep,
    join_key,
    topics,
)
from twin.assessment import Assessment, ready_of
from twin.cards import OPEN_STATES, CardContext, Finding, Root, build_card, cleared, material_change
from twin.causes import Blame, blame, is_worth_a_card
from twin.drift import DriftPhase
from twin.entities import Line, Order, Run, SiteKey
from twin.graph import Edge, node_id
from twin.line_status import line_status
from twin.lookahead import assess_order, project_line
from twin.model import Model, root_of
from twin.rescue import overtime_plan
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

    def orders(self, orders: Iterable[Order]) -> None:
        """Reassess these orders and those that projecting touched, then their cards."""
        for order in orders:
            self._orders[order.site_id, order.order_id] = order
        for key in sorted(self._orders):
            self._judge_order(self._orders[key])
        self._orders.clear()
        self.roots([])

    def roots(self, roots: Iterable[Root]) -> None:
        """Judge the cards of these roots and of those that reassessing touched."""
        for root in roots:
            self._roots[root] = None
        for root in sorted(self._roots):
            self._judge_card(root)
        self._roots.clear()

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
        waiting = sorted(set(keys))
        heapify(waiting)
        queued = set(waiting)
        passes: dict[SiteKey, int] = {}
        while waiting:
            key = heappop(waiting)
            queued.discard(key)
            passes[key] = passes.get(key, 0) + 1
            line = model.lines[key]
            before = line.projected
            after = project_line(line, model, self.now)
            if [*before] != [*after]:
                gone = [run_id for run_id in before if run_id not in after]
                model.link_queue(line, gone, self.now, self.cause)
            self._touch_late(line)
            if after == before:
                continue
            line.projected = after
            model.save_queue(line)
            for run_id in {**before, **after}:
                if before.get(run_id) == after.get(run_id):
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
                        heappush(waiting, fed_key)
        return sorted(passes)

    def _touch_late(self, line: Line) -> None:
        """Late orders are looked at even where no finish moved: what is to blame may have."""
        for run in line.queued():
            for order in self.model.orders_of(run):
                if order.state.root is not None:
                    self._orders[order.site_id, order.order_id] = order

    # Orders

    def assessment(self, order: Order) -> Assessment | None:
        """The order as it stands after this evaluation's projections."""
        key = (order.site_id, order.order_id)
        if key not in self._assessed:
            self._assessed[key] = assess_order(order, self.model)
        return self._assessed[key]

    def _judge_order(self, order: Order) -> None:
        model = self.model
        before = order.state.root
        self._assessed.pop((order.site_id, order.order_id), None)
        each = self.assessment(order) if order.is_open else None
        blamed: Blame | None = None
        if each is not None and each.p_late >= model.plant.rules(order.site_id).clear_below_p_late:
            blamed = blame(each, model.line_of_run)
        root = None if blamed is None or each is None else blamed.root(each)
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
            status = "unreachable" if ready_of(self.model.runs_of(order)) is not None else "no_runs"
        ready_at = None if each is None else each.ready_at
        reading = (
            ready_at,
            None if each is None else each.ships_at,
            None if each is None else each.p_late,
            status,
        )
        if order.state.published is not None and not _projection_moved(order.state.published, reading):
            return
        order.state.published = reading
        self.model.save_order(order)
        output_id = self.output_id(topics.ORDER_PROJECTIONS, order.site_id, order.order_id)
        projection = OrderProjection.model_validate(
            {
                "output_id": output_id,
                "order_id": order.order_id,
                "site_id": order.site_id,
                "customer_id": order.event.customer_id,
                "status": status,
                "promised_at": order.event.promised_at,
                "as_of": utc(self.now),
                **({} if each is None else _projected_fields(each, blamed)),
            }
        )
        self.emit(topics.ORDER_PROJECTIONS, join_key(order.site_id, order.order_id), projection, output_id)

    # Cards

    def _judge_card(self, root: Root) -> None:
        model = self.model
        card = model.cards.get(root)
        is_open = card is not None and card.state in OPEN_STATES
        rules = model.plant.rules(root[1])
        least = rules.clear_below_p_late if is_open else rules.raise_at_p_late
        findings = [
            finding for finding in self._findings(root, is_open) if finding.assessment.p_late >= least
        ]
        exposure = sum(finding.assessment.penalty for finding in findings)
        output_id = self.output_id(topics.CARDS, *root)
        if not findings or (not is_open and exposure < rules.min_exposure):
            if card is not None and is_open:
                self._publish_card(root, cleared(card, self.now, output_id, self._why_cleared(card)))
            return
        episode = 1 if card is None else card.episode + (0 if is_open else 1)
        fresh = build_card(root, episode, findings, self._context(root, findings, output_id))
        if card is None or not is_open:
            self._publish_card(root, fresh.model_copy(update={"revision": 1}))
            return
        reason = material_change(card, fresh, rules)
        if reason is not None:
            kept = {"revision": card.revision + 1, "state": card.state, "opened_at": card.opened_at}
            self._publish_card(root, fresh.model_copy(update={**kept, "update_reason": reason}))

    def _publish_card(self, root: Root, card: Card) -> None:
        model = self.model
        if card.state in OPEN_STATES:
            others = [
                (-other.score, other.deadline or card.as_of, other.card_id)
                for other_root, other in model.cards.items()
                if other_root != root and other.site_id == card.site_id and other.state in OPEN_STATES
            ]
            mine = (-card.score, card.deadline or card.as_of, card.card_id)
            card = card.model_copy(update={"rank": 1 + sum(other < mine for other in others)})
        model.save_card(root, card)
        self.emit(topics.CARDS, card.card_id, card, card.output_id)

    def _findings(self, root: Root, is_open: bool) -> list[Finding]:
        findings: list[Finding] = []
        for key in sorted(self.model.members.get(root, {})):
            order = self.model.orders[key]
            each = self.assessment(order)
            blamed = None if each is None else blame(each, self.model.line_of_run)
            if each is None or blamed is None or not (is_open or is_worth_a_card(blamed, each)):
                continue
            findings.append(Finding(each, blamed, self._customer(order)))
        return findings

    def _why_cleared(self, card: Card) -> str:
        orders = [self.model.orders.get((each.site_id, each.order_id)) for each in card.affected]
        ended = [order for order in orders if order is None or not order.is_open]
        if len(ended) == len(orders):
            return "every affected order was shipped or cancelled"
        return "the affected orders are projected in time again"

    def _context(self, root: Root, findings: list[Finding], output_id: str) -> CardContext:
        model = self.model
        plant = model.plant
        site_id = root[1]
        rules = plant.rules(site_id)
        worst = min(findings, key=lambda finding: finding.badness)
        line = worst.blame.line
        assessments = [finding.assessment for finding in findings]
        return CardContext(
            site_id=site_id,
            zone=plant.zone(site_id),
            currency=plant.currency(site_id),
            rules=rules,
            now=self.now,
            owner=self._owner(line),
            overtime=overtime_plan(
                line,
                assessments,
                rules.rescue_probability,
                plant.overtime_price(site_id, line.line_id),
                self.now,
            ),
            lasting_drift=self._lasting_drift(line),
            path=self._path(worst),
            evidence=self._evidence(worst),
            cause_line=line,
            output_id=output_id,
        )

    def _owner(self, line: Line) -> Owner:
        plant = self.model.plant
        site = plant.site(line.site_id)
        candidates = (
            (None if line.event is None else line.event.supervisor_id, f"supervisor of {line.name}"),
            (None if site is None else site.owner_id, f"owner of site {line.site_id}"),
            (plant.rules(line.site_id).default_owner_id, "default owner of the rules"),
        )
        for person_id, rule in candidates:
            if person_id is not None:
                person = plant.person(line.site_id, person_id)
                return Owner(id=person_id, name=person_id if person is None else person.name, rule=rule)
        return Owner(
            id=None, name="nobody", rule=f"no supervisor of {line.name} and no site owner is configured"
        )

    def _lasting_drift(self, line: Line) -> str | None:
        """Words of the rule "so much under plan for so many working days", where it holds."""
        drift = line.drift
        rules = self.model.plant.rules(line.site_id)
        if drift.phase is not DriftPhase.DRIFTING or drift.since_s is None:
            return None
        # Rounded as it is printed: a line that reads 8.0 % under plan is 8 % under plan.
        if round(1.0 - line.state.level, 3) < rules.drift_delta:
            return None
        days_s = rules.drift_working_days * line.calendar.work_per_working_day_s
        lasted_at = line.calendar.next_working(line.calendar.add_work(drift.since_s, days_s))
        if self.now < lasted_at:
            return None
        return f"{rules.drift_delta * 100:g} % under plan for {rules.drift_working_days:g} working days"

    def _path(self, worst: Finding) -> list[PathStep]:
        """From the cause to the customer, along edges of the graph; the direction is the edge's own."""
        graph = self.model.graph
        each = worst.assessment
        order = node_id("order", each.order.site_id, each.order.order_id)
        edges: list[tuple[Edge | None, str]] = []
        previous: Run | None = None
        for link in worst.blame.chain:
            run = node_id("run", link.run.site_id, link.run.run_id)
            if previous is None:
                line = node_id("line", link.line.site_id, link.line.line_id)
                edges.append((graph.edge(run, "on", line), f"{link.run.run_id} runs on {link.line.name}"))
            else:
                before = node_id("run", previous.site_id, previous.run_id)
                relation = "feeds" if link.projected.bound_by == "feed" else "before"
                words = f"{link.run.run_id} waits for {previous.run_id}"
                edges.append((graph.edge(before, relation, run), words))
            previous = link.run
        last = node_id("run", each.run.site_id, each.run.run_id)
        edges.append((graph.edge(order, "needs", last), f"#{each.order.order_id} needs {each.run.run_id}"))
        zone = self.model.plant.zone(each.order.site_id)
        for edge in graph.edges_from(order, "ships_on"):
            slot = f"{utc(each.on_time_slot).astimezone(zone):%a %-d %b %H:%M}"
            edges.append((edge, f"its truck leaves {slot}"))
        edges += [(edge, f"{worst.customer_name} ordered it") for edge in graph.edges_to(order, "placed")]
        return [
            PathStep(
                from_id=edge.from_id,
                relation=edge.relation,
                to_id=edge.to_id,
                since=utc(edge.since),
                event_id=edge.event_id,
                detail=detail,
            )
            for edge, detail in edges
            if edge is not None
        ]

    def _evidence(self, worst: Finding) -> list[str]:
        """Events that the card rests on: what last happened to the runs, and who ordered what."""
        events: dict[str, None] = {}
        for link in worst.blame.chain:
            if link.run.progress.state_event_id:
                events[link.run.progress.state_event_id] = None
            if link.line.state.last_event_id:
                events[link.line.state.last_event_id] = None
            events[link.run.plan.event_id] = None
        events[worst.assessment.order.event.event_id] = None
        return [*events]

    def _customer(self, order: Order) -> CustomerUpserted | None:
        return self.model.plant.customer(order.site_id, order.event.customer_id)


def _projected_fields(each: Assessment, blamed: Blame | None) -> dict[str, object]:
    return {
        "ready_at": utc(each.ready_at),
        "ships_at": None if each.ships_at is None else utc(each.ships_at),
        "need_by": utc(each.need_by),
        "slip_s": round(each.slip_s, 3),
        "slip_days": each.slip_days if each.slip_s > 0 else 0,
        "slack_s": round(each.slack_s, 3),
        "p_late": each.p_late,
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
