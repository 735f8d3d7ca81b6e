"""What each kind of risk needs, held against what a site has."""

from collections.abc import Iterator

from schemas import StockReported
from streams.doctor_findings import DOWN, DRIFT, QUALITY, SHORTAGE, Finding, Level, share
from twin import Twin
from twin.state.entities import Line, Order, Run

MAP = "`foresite map init FILE` proposes a mapping for a table of them"


def risk_findings(twin: Twin, site_id: str) -> list[Finding]:
    """Everything about risks at a site, kind by kind."""
    model = twin.model
    lines = [line for (site, _), line in sorted(model.lines.items()) if site == site_id]
    runs = [run for (site, _), run in sorted(model.runs.items()) if site == site_id and not run.is_finished]
    orders = [order for (site, _), order in sorted(model.orders.items()) if site == site_id and order.is_open]
    return [
        *_drift(twin, site_id, lines, runs, orders),
        *_shortage(twin, site_id, runs),
        *_quality(twin, site_id, lines, runs),
        *_down(twin, site_id, lines),
    ]


def _kinds(twin: Twin, site_id: str) -> dict[str, int]:
    """Kind of event -> entities that the site's systems told of, those of all sites too."""
    counts = twin.model.plant.counts()
    here, everywhere = counts.get(site_id, {}), counts.get("*", {})
    return {kind: here.get(kind, 0) + everywhere.get(kind, 0) for kind in {**here, **everywhere}}


def _drift(
    twin: Twin, site_id: str, lines: list[Line], runs: list[Run], orders: list[Order]
) -> Iterator[Finding]:
    model, kinds = twin.model, _kinds(twin, site_id)
    if orders:
        yield Finding(
            "orders", DRIFT, Level.OK, f"{len(orders):,} open orders with a due date", count=len(orders)
        )
    else:
        yield Finding(
            "orders",
            DRIFT,
            Level.MISSING,
            "no open order with a due date",
            "nothing is promised, so nothing can be late",
            f"publish order_upserted: order, customer, quantity, due date; {MAP}",
            0,
        )
    with_run = sum(
        any(key in model.runs for key in model.pegged.get((order.site_id, order.order_id), {}))
        for order in orders
    )
    if orders:
        yield share(
            "orders_with_run", DRIFT, with_run, len(orders),
            "{n} of {all} open orders have a run that is for them",
            "when the others will be made nobody knows, so their lateness is not seen",
            "publish run_planned with line, start, end and pegs (the orders that it is for)",
            needed=True,
        )  # fmt: skip
    heard = [line for line in lines if any(run.progress.made_pcs > 0 for run in line.runs.values())]
    with_runs = [line for line in lines if line.queued()]
    yield share(
        "lines_with_counts", DRIFT, sum(line in heard for line in with_runs), len(with_runs),
        "{n} of {all} lines with runs have counted pieces",
        "the pace of the others is taken from their plan: they can not drift",
        f"publish count_reported with line, run and good pieces; {MAP}",
        needed=True,
    )  # fmt: skip
    calendars = [line for line in lines if line.event is not None and line.event.calendar_id is not None]
    yield share(
        "lines_with_calendar", DRIFT, len(calendars), len(lines),
        "{n} of {all} lines have a calendar",
        "the others are taken to work around the clock: nights and weekends count as time to catch up",
        "publish calendar_upserted with the shifts, and name it in line_upserted (calendar_id)",
    )  # fmt: skip
    priced = [order for order in orders if _penalty(twin, order) is not None]
    if orders:
        yield share(
            "orders_with_penalty", DRIFT, len(priced), len(orders),
            "{n} of {all} open orders say what a day of lateness costs",
            "the others cost nothing when late, and cards rank by what is known",
            "fill penalty_per_day of order_upserted or customer_upserted, or publish penalty_rate_upserted",
        )  # fmt: skip
        with_margin = [
            each for each in orders if each.event.unit_price is not None and each.event.unit_cost is not None
        ]
        yield share(
            "orders_with_margin", DRIFT, len(with_margin), len(orders),
            "{n} of {all} open orders have price and cost",
            "what a rescue may cost is not known for the others",
            "fill unit_price and unit_cost of order_upserted",
        )  # fmt: skip
        routed = [each for each in orders if each.event.route_id is not None]
        if routed or kinds.get("shipment_slots_upserted"):
            known = [
                each
                for each in routed
                if model.plant.route(each.site_id, each.event.route_id or "") is not None
            ]
            yield share(
                "orders_with_truck", DRIFT, len(known), len(orders),
                "{n} of {all} open orders have a truck",
                "the others leave when they are ready",
                "name the route in order_upserted (route_id) and publish its shipment_slots_upserted",
            )  # fmt: skip


def _penalty(twin: Twin, order: Order) -> float | None:
    if order.event.penalty_per_day is not None:
        return order.event.penalty_per_day
    customer = twin.model.plant.customer(order.site_id, order.event.customer_id)
    return None if customer is None else customer.penalty_per_day


def _shortage(twin: Twin, site_id: str, runs: list[Run]) -> Iterator[Finding]:
    plant, kinds = twin.model.plant, _kinds(twin, site_id)
    made = dict.fromkeys(run.plan.item_id for run in runs)
    bills = {item: plant.bill(site_id, item) for item in made}
    yield share(
        "items_with_bill", SHORTAGE, sum(bill is not None for bill in bills.values()), len(made),
        "{n} of {all} items that are to be made have a bill of material",
        "what the others are made of nobody knows, so nothing can be short",
        "publish bill_of_material_upserted; `foresite map init FILE --as materials` for parent, component, quantity per",
        needed=True,
    )  # fmt: skip
    components = dict.fromkeys(
        each.item_id for bill in bills.values() if bill is not None for each in bill.components
    )
    if not components:
        return
    stocked = {item for item in components if _has_stock(twin, site_id, item)}
    yield share(
        "components_with_stock", SHORTAGE, len(stocked), len(components),
        "{n} of {all} components have a stock that was reported",
        "of the others nothing is said to be there, and no shortage is told",
        f"publish stock_reported; {MAP}",
        needed=True,
    )  # fmt: skip
    known = [
        item for item in components if (each := plant.item(site_id, item)) is not None and each.lead_time_days
    ]
    yield share(
        "components_with_lead_time", SHORTAGE, len(known), len(components),
        "{n} of {all} components have a lead time",
        "the others are taken to need assumed_lead_time_days of the rules",
        "fill lead_time_days of item_upserted",
    )  # fmt: skip
    expected = kinds.get("receipt_expected", 0)
    level = Level.OK if expected else Level.PARTLY
    yield Finding(
        "receipts", SHORTAGE, level, f"{expected:,} receipts are expected",
        "" if expected else "what is on its way nobody knows, so a shortage looks worse than it is",
        "" if expected else f"publish receipt_expected; {MAP}", expected,
    )  # fmt: skip


def _has_stock(twin: Twin, site_id: str, item_id: str) -> bool:
    return any(
        event.item_id == item_id and event.site_id == site_id
        for event in twin.model.plant.of_type(StockReported)
    )


def _quality(twin: Twin, site_id: str, lines: list[Line], runs: list[Run]) -> Iterator[Finding]:
    begun = [line for line in lines if any(run.progress.made_pcs > 0 for run in line.runs.values())]
    bad = [line for line in begun if _tells_of_bad_pieces(line)]
    yield share(
        "lines_with_bad_pieces", QUALITY, len(bad), len(begun),
        "{n} of {all} lines that count have ever told of bad pieces or inspections",
        "a rise in bad pieces of the others cannot be seen",
        "fill scrap_count of count_reported, or publish quality_recorded",
        needed=True,
    )  # fmt: skip
    plant = twin.model.plant
    made = dict.fromkeys(run.plan.item_id for run in runs)
    known = [
        item for item in made if (each := plant.item(site_id, item)) is not None and each.expected_scrap > 0
    ]
    yield share(
        "items_with_expected_scrap", QUALITY, len(known), len(made),
        "{n} of {all} items say which share of bad pieces is usual",
        "for the others it is learned from what they made, which takes longer",
        "fill expected_scrap of item_upserted",
    )  # fmt: skip


def _tells_of_bad_pieces(line: Line) -> bool:
    if any(series.source != "count" for series in line.quality.series.values()):
        return True  # somebody inspects
    return any(run.progress.scrap_pcs > 0 or run.progress.rework_pcs > 0 for run in line.runs.values())


def _down(twin: Twin, site_id: str, lines: list[Line]) -> Iterator[Finding]:
    telling = [
        line
        for line in lines
        if line.state.packml != "UNKNOWN"
        or line.stops.past
        or line.stops.present is not None
        or line.stops.stations
    ]
    yield share(
        "lines_with_states", DOWN, len(telling), len(lines),
        "{n} of {all} lines have ever told of a state or a stop",
        "a stop of the others is seen as silence at best, without its reason",
        "publish state_changed, or run_held and run_resumed; `foresite map init FILE --as states`",
        needed=True,
    )  # fmt: skip
    rules = twin.model.plant.rules(site_id)
    priced = [
        line
        for line in lines
        if (line.event is not None and line.event.idle_cost_per_h) or rules.idle_cost_per_h
    ]
    yield share(
        "lines_with_idle_cost", DOWN, len(priced), len(lines),
        "{n} of {all} lines say what an hour of standing costs",
        "a stop of the others that makes no order late costs nothing, and is told later",
        "fill idle_cost_per_h of line_upserted, or of the rules",
    )  # fmt: skip
