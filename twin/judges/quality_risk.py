"""The judge of quality_risk: more bad pieces than before, how many there will be, what to hold back, who is behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from schemas import AffectedOrder, Cause, Confidence, CustomerUpserted, PathStep, QualityShift
from twin.cards.owners import owner_for
from twin.cards.wording import money_in_words
from twin.forecast.assessment import Assessment
from twin.forecast.lookahead import assess_order
from twin.judges.causes import quality_root
from twin.judges.doubts import caveats_of
from twin.judges.lateness import (
    AFFECTED_ON_CARD,
    affected_order,
    evidence_of,
    key_of,
    lateness_steps,
    margin_of,
    path_of_order,
    path_to,
    penalty_of,
    steps_of,
)
from twin.judges.risk import Risk, Root, Words
from twin.judges.view import View
from twin.quality.bad_share import QualityReading
from twin.quality.quality_series import LEAST_YIELD, Series, made_since
from twin.state.entities import Line, Run
from twin.state.graph import node_id
from twin.state.model import Model
from twin.words import money, plural, time_of, utc

SUREST = 0.999
"""Nothing is surer than this: the test itself may be wrong."""

STEEP = 3.0
"""From this multiple of the base rate on the severity is a step higher."""

REPORTS_ON_CARD = 15
"""Reports of bad pieces among the evidence, the newest."""

ORDERS_NAMED = 3
"""Orders that the text of a card names."""


def watch(model: Model, before: float | None, now: float) -> Iterator[Root]:
    """Rises that have no card, as where nothing was queued when they were found."""
    for _, line in sorted(model.lines.items()):
        for series in line.quality.risen:
            yield quality_root(line, series)


@dataclass(frozen=True, slots=True)
class _Outlook:
    """A rise, and what follows from it if nothing is done.

    Attributes:
        runs: unfinished runs of the item on the line, in the order of the queue.
        more_bad: pieces that they will still make bad; scrapped: those of them that are thrown away.
        contained: from when, how many pieces, and the clean inspection that they begin with, if one does.
    """

    line: Line
    series: Series
    reading: QualityReading
    runs: Sequence[Run]
    more_bad: float
    scrapped: float
    contained_from: float
    contained: float
    clean_event_id: str | None


def judge(view: View) -> Risk | None:
    """The risk of bad pieces at a line or station; None where no rate has risen, or nobody is left to be hit."""
    outlooks = [_outlook(line, series) for line, series in _risen(view)]
    seen = [outlook for outlook in outlooks if outlook is not None]
    if not seen:
        return None
    outlook = max(seen, key=lambda each: (each.more_bad, each.reading.rate, each.series.key))
    line, series, reading = outlook.line, outlook.series, outlook.reading
    behind = _behind(view, outlook)
    if not outlook.runs and not behind:
        return None
    late, pieces = view.late, reading.pieces
    item = view.model.plant.item(view.site_id, series.item_id)
    unit_cost = None if item is None else item.unit_cost
    penalty = penalty_of(late)
    scrapped = 0.0 if unit_cost is None else round(outlook.scrapped * unit_cost, 2)
    projected = round(pieces.bad + outlook.more_bad)
    deadline, deadline_because = _deadline(view, outlook)
    worst = late[0].assessment if late else None
    confidence = round(min(SUREST, reading.confidence), 3)
    steep = reading.rate >= STEEP * reading.base_rate

    def words() -> Words:
        where = _where(view, line, series)
        until = "" if not outlook.runs else f" at the end of {outlook.runs[-1].run_id}"
        return Words(
            title=f"{where} makes {_percent(reading.rate)} of {_item_name(view, series)} bad: "
            f"{pieces.bad:,.0f} pieces so far, {projected:,}{until} if nothing is done",
            sentences=[
                f"{_cause_in_words(view, line, series, reading)}.",
                _loss_in_words(view, outlook, projected, scrapped, unit_cost),
                _containment_in_words(view, outlook),
                *([money_in_words(penalty, margin_of(late), view.currency)] if late else []),
                *([_orders_in_words(behind)] if behind else []),
            ],
            cause=_cause(view, line, series, reading),
            confidence=Confidence(
                value=confidence,
                n=int(pieces.made),
                window_h=round((reading.last_s - reading.since_s) / 3600.0, 2),
            ),
            affected=[_affected(view, *each) for each in behind[:AFFECTED_ON_CARD]],
            path=_path(view, outlook),
            evidence=_evidence(view, outlook),
        )

    return Risk(
        signal="quality",
        words=words,
        probability=_probability(view, confidence, scrapped),
        probability_because="confidence that the rise is real; the penalty comes with the orders' own probability",
        parts={"scrapped_value": scrapped, **({"penalty": penalty} if late else {})},
        severity_steps=[
            *lateness_steps(view, late),
            *([f"{STEEP:g} times as many bad pieces as before"] if steep else []),
        ],
        mild="more bad pieces than before",
        owner=owner_for(
            view,
            [
                (view.rules.quality_lead_id, "quality lead of the rules"),
                (None if line.event is None else line.event.supervisor_id, f"supervisor of {line.name}"),
            ],
        ),
        deadline=deadline,
        deadline_because=deadline_because,
        listed=[key_of(each) for each, _ in behind[:AFFECTED_ON_CARD]],
        affected_total=len(behind),
        weight=max((customer.weight for _, customer in behind if customer is not None), default=1.0),
        need_by=None if worst is None else worst.need_by,
        slip_s=0.0 if worst is None else round(worst.slip_s, 3),
        slip_days=0 if worst is None else worst.slip_days,
        margin_before=margin_of(late),
        caveats=caveats_of(view.model, [each.assessment for each in late]),
        quality=QualityShift(
            station_id=series.station_id,
            item_id=series.item_id,
            run_id=outlook.runs[0].run_id if outlook.runs else None,
            base_rate=round(reading.base_rate, 5),
            rate=round(reading.rate, 5),
            made_quantity=pieces.made,
            bad_quantity=pieces.bad,
            projected_bad_quantity=float(projected),
            containment_from=utc(outlook.contained_from),
            containment_to=utc(reading.last_s),
            containment_quantity=outlook.contained,
        ),
    )


def _risen(view: View) -> list[tuple[Line, Series]]:
    """Series of the root whose rate has risen, with their lines."""
    entity_type, site_id, entity_id = view.root[1:]
    if entity_type == "line":
        line = view.model.lines.get((site_id, entity_id))
        return (
            [] if line is None else [(line, each) for each in line.quality.risen if each.station_id is None]
        )
    return [
        (line, each)
        for (site, _), line in sorted(view.model.lines.items())
        if site == site_id
        for each in line.quality.risen
        if each.station_id == entity_id
    ]


def _outlook(line: Line, series: Series) -> _Outlook | None:
    reading = series.reading()
    if reading is None:
        return None
    runs = [run for run in line.queued() if run.plan.item_id == series.item_id]
    good = max(LEAST_YIELD, 1.0 - reading.rate)
    still_made = sum(run.remaining_pcs for run in runs) / good
    more_bad = float(round(still_made * (1.0 - good)))
    scrap_share = reading.pieces.scrap / reading.pieces.bad if reading.pieces.bad > 0 else 1.0
    clean = line.quality.clean_before(series, reading.since_s)
    contained_from = reading.since_s if clean is None else clean[0]
    counted = series if series.source == "count" else line.quality.counted(series.item_id, series.station_id)
    return _Outlook(
        line=line,
        series=series,
        reading=reading,
        runs=runs,
        more_bad=more_bad,
        scrapped=more_bad * scrap_share,
        contained_from=contained_from,
        contained=0.0 if counted is None else made_since(counted, contained_from),
        clean_event_id=None if clean is None else clean[1],
    )


def _behind(view: View, outlook: _Outlook) -> list[tuple[Assessment, CustomerUpserted | None]]:
    """Orders of the runs that are affected: those late by it, worst first, then the others by need."""
    behind = [(each.assessment, each.customer) for each in view.late]
    listed = {key_of(each) for each, _ in behind}
    model, others = view.model, dict[tuple[str, str], Assessment]()
    made_by = [
        *{bucket.run_id: None for bucket in outlook.series.judged() if bucket.end_s > outlook.contained_from},
        *[run.run_id for run in outlook.runs],
    ]
    for run_id in made_by:
        run = model.runs.get((outlook.line.site_id, run_id))
        for order in [] if run is None else model.orders_of(run):
            key = (order.site_id, order.order_id)
            each = assess_order(order, model) if order.is_open and key not in listed else None
            if each is not None:
                others[key] = each
    by_need = sorted(others.values(), key=lambda each: (each.need_by, each.order.order_id))
    return [*behind, *((each, view.customer(each.order)) for each in by_need)]


def _affected(view: View, each: Assessment, customer: CustomerUpserted | None) -> AffectedOrder:
    """As the card lists it; one that is late by something else carries no exposure: that is on its own card."""
    told = affected_order(each, _customer_name(each, customer))
    is_by_it = any(late.assessment is each for late in view.late)
    return told if is_by_it else told.model_copy(update={"exposure": 0.0})


def _customer_name(each: Assessment, customer: CustomerUpserted | None) -> str:
    return each.order.event.customer_id if customer is None else customer.name


def _probability(view: View, confidence: float, scrapped: float) -> float:
    """Expected loss over loss."""
    exposure = penalty_of(view.late) + scrapped
    if exposure <= 0:
        return confidence
    late = sum(each.assessment.p_late * each.assessment.penalty for each in view.late)
    return round((confidence * scrapped + late) / exposure, 3)


def _deadline(view: View, outlook: _Outlook) -> tuple[float | None, str]:
    """The projected end of the run that the bad pieces go into: until then somebody can still stop them."""
    for run in outlook.runs:
        projected = outlook.line.projected.get(run.run_id)
        if projected is not None and view.now < projected.finish_at < inf:
            return float(int(projected.finish_at)), f"{run.run_id} ends"
    return None, "its runs are over: what was made can only be held back"


def _where(view: View, line: Line, series: Series) -> str:
    if series.station_id is None:
        return line.name
    node = node_id("station", line.site_id, series.station_id)
    label = view.model.graph.label(node)
    return f"{series.station_id if label == node else label} of {line.name}"


def _item_name(view: View, series: Series) -> str:
    item = view.model.plant.item(view.site_id, series.item_id)
    return series.item_id if item is None or not item.name else item.name


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _cause(view: View, line: Line, series: Series, reading: QualityReading) -> Cause:
    return Cause(
        signal="quality",
        entity_type=view.root[1],
        entity_id=view.root[3],
        metric="bad_share",
        delta=round(reading.rate - reading.base_rate, 5),
        since=utc(reading.since_s),
        method=reading.method,
        in_words=_cause_in_words(view, line, series, reading),
    )


def _cause_in_words(view: View, line: Line, series: Series, reading: QualityReading) -> str:
    looked = "inspected" if series.source == "inspection" else "made"
    return (
        f"{_where(view, line, series)} has {_percent(reading.rate)} bad since {time_of(reading.since_s, view.zone)}, "
        f"{_percent(reading.base_rate)} before: {reading.pieces.bad:,.0f} of {reading.pieces.made:,.0f} {looked}"
    )


def _loss_in_words(
    view: View, outlook: _Outlook, projected: int, scrapped: float, unit_cost: float | None
) -> str:
    if not outlook.runs:
        return "No run of it is left in the queue."
    more = f"If nothing is done it is {projected:,} at the end of {outlook.runs[-1].run_id}"
    if unit_cost is None:
        return f"{more}; what a piece costs is unknown."
    return f"{more}: {money(scrapped, view.currency)} of scrap that can still be avoided."


def _containment_in_words(view: View, outlook: _Outlook) -> str:
    known = "the last clean inspection" if outlook.clean_event_id is not None else "the change"
    return f"Hold back {plural(outlook.contained, 'piece')} made since {time_of(outlook.contained_from, view.zone)} ({known})."


def _orders_in_words(behind: Sequence[tuple[Assessment, CustomerUpserted | None]]) -> str:
    named = [
        f"#{each.order.order_id} for {_customer_name(each, customer)}"
        for each, customer in behind[:ORDERS_NAMED]
    ]
    more = len(behind) - len(named)
    return f"Behind it: {', '.join(named)}{f' and {more} more' if more else ''}."


def _path(view: View, outlook: _Outlook) -> list[PathStep]:
    line, series, graph = outlook.line, outlook.series, view.model.graph
    here = node_id("line", line.site_id, line.line_id)
    path: list[PathStep] = []
    if series.station_id is not None:
        station = node_id("station", line.site_id, series.station_id)
        path += steps_of(
            [(graph.edge(station, "part_of", here), f"{series.station_id} is part of {line.name}")]
        )
    if view.late:
        return path + path_to(view, view.late[0])
    for run in outlook.runs:
        node = node_id("run", run.site_id, run.run_id)
        for order in view.model.orders_of(run):
            each = assess_order(order, view.model) if order.is_open else None
            if each is not None:
                customer = view.customer(order)
                name = order.event.customer_id if customer is None else customer.name
                path += steps_of([(graph.edge(node, "on", here), f"{run.run_id} runs on {line.name}")])
                return path + path_of_order(view, each, name)
    return path


def _evidence(view: View, outlook: _Outlook) -> list[str]:
    events = [outlook.clean_event_id or ""]
    events += [
        bucket.event_id
        for bucket in outlook.series.judged()
        if bucket.start_s >= outlook.reading.since_s and bucket.bad > 0
    ][-REPORTS_ON_CARD:]
    events += [run.plan.event_id for run in outlook.runs]
    if view.late:
        events += evidence_of(view.late[0])
    return list(dict.fromkeys(event_id for event_id in events if event_id))
