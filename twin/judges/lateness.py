"""What late orders mean, whatever made them late: who, how much, by when, and what holds the date."""

from collections.abc import Iterable, Sequence

from schemas import AffectedOrder, CustomerUpserted, PathStep, Rescue
from twin.forecast.assessment import Assessment
from twin.judges.rescue import OvertimePlan, overtime_plan
from twin.judges.risk import LateOrder
from twin.judges.view import View
from twin.shopfloor.drift import DriftPhase
from twin.state.entities import Line, Run, SiteKey
from twin.state.graph import Edge, PlantGraph, node_id
from twin.words import utc

AFFECTED_ON_CARD = 50
"""Orders listed on a card, worst first; affected_total counts all of them. More would make a card of megabytes."""


def affected_orders(late: Sequence[LateOrder]) -> list[AffectedOrder]:
    """As the card lists them."""
    return [affected_order(each.assessment, each.customer_name) for each in late[:AFFECTED_ON_CARD]]


def listed_orders(late: Sequence[LateOrder]) -> list[SiteKey]:
    """Those that affected_orders lists."""
    return [key_of(each.assessment) for each in late[:AFFECTED_ON_CARD]]


def key_of(each: Assessment) -> SiteKey:
    """Site and id of the order."""
    return each.order.site_id, each.order.order_id


def affected_order(each: Assessment, customer_name: str) -> AffectedOrder:
    """One order on a card, late or not."""
    event = each.order.event
    return AffectedOrder(
        order_id=each.order.order_id,
        site_id=each.order.site_id,
        customer_id=event.customer_id,
        customer_name=customer_name,
        item_id=event.item_id,
        quantity_pcs=event.quantity_pcs,
        run_id=each.run.run_id,
        line_id=each.line.line_id,
        promised_at=utc(each.order.promised),
        ready_at=utc(each.ready_at),
        ships_at=None if each.ships_at is None else utc(each.ships_at),
        on_time_slot_at=utc(each.on_time_slot),
        need_by=utc(each.need_by),
        slip_s=round(each.slip_s, 3),
        slip_days=each.slip_days,
        slack_s=round(each.slack_s, 3),
        overhang_h=round(each.overhang_s / 3600.0, 4),
        p_late=each.p_late,
        penalty=each.penalty,
        exposure=each.penalty,
        margin_before=each.margin_before,
        margin_if_late=None if each.margin_if_late is None else round(each.margin_if_late, 2),
        late_ships_at=None if each.late_ships_at is None else utc(each.late_ships_at),
        transfer_h=round(each.transfer_s / 3600.0, 4),
    )


def penalty_of(late: Sequence[LateOrder]) -> float:
    """What they cost if all are late."""
    return round(sum(each.assessment.penalty for each in late), 2)


def probability_of(late: Sequence[LateOrder]) -> float:
    """Expected loss over loss, so that its product with the loss is the sum of p x penalty over the orders."""
    penalty = penalty_of(late)
    expected = sum(each.assessment.p_late * each.assessment.penalty for each in late)
    return round(expected / penalty, 3) if penalty > 0 else max(each.assessment.p_late for each in late)


def weight_of(late: Sequence[LateOrder]) -> float:
    """Largest customer weight among them."""
    return max((each.customer.weight for each in late if each.customer), default=1.0)


def margin_of(late: Sequence[LateOrder]) -> float | None:
    """Margin of all of them in time; None where a price or cost is unknown."""
    margins = [each.assessment.margin_before for each in late]
    known = [margin for margin in margins if margin is not None]
    return round(sum(known), 2) if known and len(known) == len(margins) else None


def lateness_steps(view: View, late: Sequence[LateOrder]) -> list[str]:
    """Reasons that raise the severity of a card whose orders are late, a step each."""
    steps = []
    worst_days = max((each.assessment.slip_days for each in late), default=0)
    p_late = max((each.assessment.p_late for each in late), default=0.0)
    if worst_days > 0 and p_late >= view.rules.raise_at_p_late:
        steps.append("an order will be late")
    return [*steps, *cannot_slip_step(view, [each.customer for each in late])]


def cannot_slip_step(view: View, customers: Iterable[CustomerUpserted | None]) -> list[str]:
    """The step that a customer who cannot slip adds, and whether the rules say so or master data; worst order first."""
    for customer in customers:
        if customer is not None and customer.cannot_slip:
            said = view.rules.customer(customer.customer_id)
            by_rule = said is not None and said.cannot_slip is not None
            return ["its customer cannot slip" + (", as the rules say" if by_rule else "")]
    return []


def rescue_by_overtime(
    view: View, line: Line, late: Sequence[LateOrder], exposure: float
) -> tuple[OvertimePlan | None, Rescue | None]:
    """The cheapest overtime of a line that holds every date, and what it leaves; None where none on offer does."""
    rules, plant = view.rules, view.model.plant
    assessments = [each.assessment for each in late]
    price = plant.overtime_price(line.site_id, line.line_id)
    overtime = overtime_plan(line, assessments, rules.rescue_probability, price, view.now)
    if overtime is None:
        return None, None
    margin = margin_of(late)
    revenue = sum(each.revenue for each in assessments if each.revenue is not None)
    after = None if margin is None else round(margin - overtime.cost, 2)
    rescue = Rescue(
        overtime_h=overtime.hours,
        cost=overtime.cost,
        probability=overtime.probability,
        notice_by=utc(overtime.notice_by),
        windows=overtime.windows,
        exposure_avoided=exposure,
        net_benefit=round(exposure - overtime.cost, 2),
        margin_after=after,
        margin_after_fraction=None if after is None or revenue <= 0 else round(after / revenue, 6),
    )
    return overtime, rescue


def deadline_of(view: View, worst: Assessment, overtime: OvertimePlan | None) -> tuple[float | None, str]:
    """The last moment at which something still helps the worst order, and which that is."""
    if overtime is not None:
        return overtime.notice_by, "overtime notice"
    if worst.need_by > view.now:
        return worst.need_by, "goods must be ready"
    gone = "its date" if worst.order.event.route_id is None else "its truck"
    return None, f"{gone} is gone: nothing holds the promise any more"


def lasting_drift(view: View, line: Line) -> str | None:
    """Words of the rule "so much under plan for so many working days", where it holds."""
    drift, rules = line.drift, view.rules
    if drift.phase is not DriftPhase.DRIFTING or drift.since_s is None:
        return None
    # Rounded as it is printed: a line that reads 8.0 % under plan is 8 % under plan.
    if round(1.0 - line.state.level, 3) < rules.drift_delta:
        return None
    days_s = rules.drift_working_days * line.calendar.work_per_working_day_s
    lasted_at = line.calendar.next_working(line.calendar.add_work(drift.since_s, days_s))
    if view.now < lasted_at:
        return None
    return f"{rules.drift_delta * 100:g} % under plan for {rules.drift_working_days:g} working days"


def path_to(view: View, worst: LateOrder) -> list[PathStep]:
    """From the cause to the customer of the worst order."""
    graph = view.model.graph
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
            edges.append(
                (graph.edge(before, relation, run), f"{link.run.run_id} waits for {previous.run_id}")
            )
        previous = link.run
    return steps_of(edges) + path_of_order(view, worst.assessment, worst.customer_name)


def path_of_order(view: View, each: Assessment, customer_name: str) -> list[PathStep]:
    """From the run that decides when an order is ready to its truck and its customer."""
    graph = view.model.graph
    order = node_id("order", each.order.site_id, each.order.order_id)
    last = node_id("run", each.run.site_id, each.run.run_id)
    edges: list[tuple[Edge | None, str]] = [
        (graph.edge(order, "needs", last), f"#{each.order.order_id} needs {each.run.run_id}")
    ]
    zone = view.model.plant.zone(each.order.site_id)
    slot = f"{utc(each.on_time_slot).astimezone(zone):%a %-d %b %H:%M}"
    return steps_of(edges) + shipping_path(
        graph, order, f"its truck leaves {slot}", f"{customer_name} ordered it"
    )


def shipping_path(graph: PlantGraph, order: str, truck: str, customer: str) -> list[PathStep]:
    """From an order's node to its truck and its customer, with words for both."""
    edges: list[tuple[Edge | None, str]] = [(edge, truck) for edge in graph.edges_from(order, "ships_on")]
    edges += [(edge, customer) for edge in graph.edges_to(order, "placed")]
    return steps_of(edges)


def steps_of(edges: Sequence[tuple[Edge | None, str]]) -> list[PathStep]:
    """Edges of the graph with words, the direction being the edge's own; those that do not hold are left out."""
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


def evidence_of(worst: LateOrder) -> list[str]:
    """Events that a late order rests on: what last happened to the runs, and who ordered what."""
    events: dict[str, None] = {}
    for link in worst.blame.chain:
        if link.run.progress.state_event_id:
            events[link.run.progress.state_event_id] = None
        if link.line.state.last_event_id:
            events[link.line.state.last_event_id] = None
        events[link.run.plan.event_id] = None
    events[worst.assessment.order.event.event_id] = None
    return [*events]
