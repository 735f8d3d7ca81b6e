"""The judge of material_shortage: a part that runs short, while a buyer can still do something, and what it makes late."""

from schemas import Cause, Confidence, MaterialUse, PathStep, Shortage
from twin.cards.owners import owner_for
from twin.cards.wording import SURE, money_in_words
from twin.judges.lateness import (
    affected_orders,
    lateness_steps,
    listed_orders,
    margin_of,
    path_to,
    penalty_of,
    shipping_path,
    steps_of,
    weight_of,
)
from twin.judges.risk import Risk, Words
from twin.judges.view import View
from twin.material.materials import DAY_S, HOUR_S
from twin.material.shortfall import NEGLIGIBLE_SHARE, RAISE_SHARE, Shortfall, evidence_of, shortfall_of
from twin.state.graph import node_id
from twin.state.runs import RunState
from twin.words import day_of, money, plural, time_of, utc

USES_ON_CARD = 20
"""Runs listed on a card, in the order in which they take the item."""


def judge(view: View) -> Risk | None:
    """The risk of an item that runs short; None where there is enough, or where it is too early to say."""
    key = (view.site_id, view.root[3])
    least = 0.0 if view.late else NEGLIGIBLE_SHARE if view.is_open else RAISE_SHARE
    found = shortfall_of(view.model, key, view.now, least, is_late=bool(view.late))
    if found is None or not _is_time(view, found):
        return None
    late = view.late
    penalty, margin = penalty_of(late), margin_of(late)
    idle = _idle_cost(view, found)
    deadline, deadline_because = _deadline(view, found)
    unit = _unit(view)
    probability, because = _probability(view, found, idle)
    item = view.model.plant.item(*key)
    line = found.first.line
    worst = late[0].assessment if late else None
    reported_at = view.model.supply.reported_at(key)

    def words() -> Words:
        name = _name(view)
        return Words(
            title=_title(view, found, unit),
            sentences=[
                f"{_cause_in_words(view, found, name, unit)}.",
                _supply_in_words(view, found),
                *_waits(found),
                _money_in_words(view, penalty, idle, margin),
            ],
            cause=_cause(view, found, name, unit),
            confidence=Confidence(
                value=found.probability,
                n=found.over_use.reports,
                window_h=0.0 if reported_at is None else round((view.now - reported_at) / HOUR_S, 2),
            ),
            affected=affected_orders(late),
            path=_path(view, found),
            evidence=evidence_of(view.model, key),
        )

    return Risk(
        signal="material",
        words=words,
        probability=probability,
        probability_because=because,
        parts={"penalty": penalty, "idle_line": idle} if idle > 0 else {"penalty": penalty},
        severity_steps=_severity_steps(view, found),
        mild="a part will run short",
        owner=owner_for(
            view,
            [
                (None if item is None else item.buyer_id, f"buyer of {key[1]}"),
                (None if line.event is None else line.event.supervisor_id, f"supervisor of {line.name}"),
            ],
        ),
        deadline=deadline,
        deadline_because=deadline_because,
        listed=listed_orders(late),
        affected_total=len(late),
        weight=weight_of(late),
        need_by=found.need_by if worst is None else worst.need_by,
        slip_s=0.0 if worst is None else round(worst.slip_s, 3),
        slip_days=0 if worst is None else worst.slip_days,
        margin_before=margin,
        shortage=_shortage(view, found, unit),
    )


def _is_time(view: View, found: Shortfall) -> bool:
    """Whether a buyer is to hear of it: orders are late, a run will stand, or the last day to order draws near."""
    if view.is_open or view.late or any(each.waits for each in found.uses):
        return True
    notice_s = view.rules.shortage_notice_days * DAY_S
    return found.need_by - found.lead.seconds - notice_s <= view.now


def _probability(view: View, found: Shortfall, idle: float) -> tuple[float, str]:
    """Expected loss over loss: each order late with its own probability, a line idle if the part runs short."""
    penalty = penalty_of(view.late)
    short = "probability that it runs short before the next supply"
    if penalty + idle <= 0:
        return found.probability, short
    expected = sum(each.assessment.p_late * each.assessment.penalty for each in view.late)
    probability = round((expected + found.probability * idle) / (penalty + idle), 3)
    return probability, f"expected loss over loss: P(late) of each order, and for idle lines the {short}"


def _idle_cost(view: View, found: Shortfall) -> float:
    """Money lost by lines that stand for want of the item."""
    total = 0.0
    for each in found.uses:
        if each.waits:
            own = None if each.line.event is None else each.line.event.idle_cost_per_h
            rate = view.rules.idle_cost_per_h if own is None else own
            total += each.projected.wait_work_s / HOUR_S * rate
    return round(total, 2)


def _severity_steps(view: View, found: Shortfall) -> list[str]:
    steps = lateness_steps(view, view.late)
    if found.order_by is not None and found.order_by <= view.now:
        steps.append("ordered now at the normal price, it comes too late")
    return steps


def _deadline(view: View, found: Shortfall) -> tuple[float | None, str]:
    """The last moment at which something still helps, and which that is."""
    if found.order_by is not None and found.order_by > view.now:
        days = plural(found.lead.days, "day")
        return found.order_by, f"last moment to order at the normal price: {days} before it is needed"
    if found.need_by > view.now and not _stands(found):
        return found.need_by, "it is needed then; until then a faster delivery helps"
    return None, "it is needed already: whatever comes, comes too late to keep the line going"


def _stands(found: Shortfall) -> bool:
    """Whether the first run is at work and has none left: a break before its next piece is no time to act."""
    run = found.first.run
    return run.progress.state is not RunState.PLANNED and found.gate.after_pcs >= run.remaining_pcs


def _shortage(view: View, found: Shortfall, unit: str) -> Shortage:
    following, due = found.next_supply, _due(view, found)
    return Shortage(
        item_id=view.root[3],
        item_name=_name(view),
        unit=unit,
        available=round(found.available, 3),
        on_order=round(found.on_order, 3),
        short_quantity=round(found.short_quantity, 3),
        runs_out_at=utc(found.runs_out_at),
        need_by=utc(found.need_by),
        order_by=None if found.order_by is None else utc(found.order_by),
        lead_time_days=found.lead.days if found.lead.is_known else None,
        lead_time_because=_lead_in_words(found),
        next_receipt_id=None if following is None else following.receipt_id,
        next_receipt_at=None if following is None else utc(following.at),
        next_receipt_due_at=None if due is None else utc(due),
        over_use=round(found.over_use.share, 4),
        uses=[
            MaterialUse(
                run_id=each.run.run_id,
                line_id=each.line.line_id,
                starts_at=utc(each.begin),
                needs=round(each.needs, 3),
                covered=round(each.covered, 3),
                waits_h=round(each.projected.wait_work_s / HOUR_S, 4) if each.waits else 0.0,
            )
            for each in found.uses[:USES_ON_CARD]
        ],
    )


# Words


def _name(view: View) -> str:
    item = view.model.plant.item(view.site_id, view.root[3])
    return view.root[3] if item is None or not item.name else item.name


def _unit(view: View) -> str:
    item = view.model.plant.item(view.site_id, view.root[3])
    return "pcs" if item is None else item.unit


def _title(view: View, found: Shortfall, unit: str) -> str:
    verb = "will" if found.probability >= SURE else "may"
    short = _amount(found.short_quantity, unit)
    run = view.late[0].blame.chain[0].run if view.late and view.late[0].blame.chain else found.first.run
    orders = view.model.orders_of(run)
    order_id = view.late[0].assessment.order.order_id if view.late else orders[0].order_id if orders else None
    waits = any(each.waits and each.run is run for each in found.uses)
    made_for = "" if order_id is None else f" for #{order_id}"
    then = f"{run.run_id}{made_for} waits" if waits else f"{run.run_id}{made_for} needs it"
    return f"Part {view.root[3]} {verb} run short: {short} missing from {time_of(found.need_by, view.zone)}, {then}"


def _cause_in_words(view: View, found: Shortfall, name: str, unit: str) -> str:
    use = found.over_use
    item_id = view.root[3]
    called = item_id if name == item_id else f"{item_id} ({name})"
    above = ""
    if use.reports:
        word = "above" if use.share >= 0 else "below"
        above = f", used {abs(use.share) * 100:.1f} % {word} the bill of material"
    until = time_of(found.need_by, view.zone)
    return (
        f"{called}: {_amount(found.available, unit)} there and {_amount(found.on_order, unit)} to come "
        f"until {until}{above}"
    )


def _lead_in_words(found: Shortfall) -> str:
    return f"{plural(found.lead.days, 'day')}: {found.lead.because}"


def _supply_in_words(view: View, found: Shortfall) -> str:
    following, due = found.next_supply, _due(view, found)
    if following is not None and due is not None:
        overdue = f" (it was due {day_of(due, view.zone)})" if due < view.now else ""
        return f"{following.receipt_id} comes {time_of(following.at, view.zone)}{overdue}."
    return f"Nothing more is on its way; what is ordered now takes {_lead_in_words(found)}."


def _waits(found: Shortfall) -> list[str]:
    return [
        f"{each.run.run_id} on {each.line.name} stands "
        f"{plural(round(each.projected.wait_work_s / HOUR_S, 1), 'working hour')} for it."
        for each in found.uses[:USES_ON_CARD]
        if each.waits
    ][:3]


def _money_in_words(view: View, penalty: float, idle: float, margin: float | None) -> str:
    """What it costs: penalties of late orders, lines that stand, and what becomes of the margin."""
    if idle <= 0:
        return (
            money_in_words(penalty, margin, view.currency) if view.late else "No order is late by it so far."
        )
    stand = f"lines that stand {money(idle, view.currency)}"
    if not view.late:
        return f"No order is late by it so far; {stand.replace('stand', 'stand cost')}."
    becomes = "" if margin is None else f" (margin {margin:,.0f} becomes {margin - penalty - idle:,.0f})"
    return f"Late costs {money(penalty, view.currency)} in penalty, {stand}{becomes}."


def _due(view: View, found: Shortfall) -> float | None:
    """When the next receipt was announced for."""
    if found.next_supply is None or found.next_supply.receipt_id is None:
        return None
    receipt = view.model.supply.receipts[view.site_id, found.next_supply.receipt_id]
    return receipt.expected_at.timestamp()


def _amount(quantity: float, unit: str) -> str:
    shown = f"{quantity:,.0f}" if quantity >= 100 or quantity == round(quantity) else f"{quantity:,.3g}"
    return f"{shown} {unit}"


def _cause(view: View, found: Shortfall, name: str, unit: str) -> Cause:
    supply = view.model.supply.items[view.site_id, view.root[3]]
    since = supply.touched_at if supply.short_since is None else supply.short_since
    reports = found.over_use.reports
    return Cause(
        signal="material",
        entity_type="item",
        entity_id=view.root[3],
        metric="over_use" if reports else None,
        delta=round(found.over_use.share, 4) if reports else None,
        since=utc(since) if since > 0 else None,
        method="allocation",
        in_words=_cause_in_words(view, found, name, unit),
    )


def _path(view: View, found: Shortfall) -> list[PathStep]:
    """From what does not come, or is not there, over the run that takes it to the order and its customer."""
    graph, site_id, item_id = view.model.graph, view.site_id, view.root[3]
    item = node_id("item", site_id, item_id)
    late = view.late[0] if view.late else None
    run = late.blame.chain[0].run if late is not None and late.blame.chain else found.first.run
    taken = node_id("run", site_id, run.run_id)
    edges = []
    following = found.next_supply
    if following is not None and following.receipt_id is not None:
        receipt = node_id("receipt", site_id, following.receipt_id)
        comes = f"{following.receipt_id} brings it {time_of(following.at, view.zone)}"
        edges.append((graph.edge(receipt, "supplies", item), comes))
    edges.append((graph.edge(taken, "consumes", item), f"{run.run_id} takes {item_id}"))
    if late is not None:
        rest = path_to(view, late)
        return steps_of(edges) + [step for step in rest if step.relation != "on"]
    for order in view.model.orders_of(run)[:1]:
        node = node_id("order", order.site_id, order.order_id)
        customer = view.customer(order)
        called = order.event.customer_id if customer is None else customer.name
        edges.append((graph.edge(node, "needs", taken), f"#{order.order_id} needs {run.run_id}"))
        return steps_of(edges) + shipping_path(graph, node, "its truck", f"{called} ordered it")
    return steps_of(edges)
