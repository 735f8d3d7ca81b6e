"""The judge of line_down: a line that stands still, what it costs, whom it hits, and until when it must run again."""

from collections.abc import Iterator, Sequence
from math import inf

from schemas import CardKind, Cause, Confidence, Owner, PathStep, Rules, RunMove, Stop
from twin.cards.card_life import LIVE_STATES
from twin.cards.owners import owner_for
from twin.cards.wording import money_in_words, rescue_in_words, title_of
from twin.forecast.assessment import Assessment
from twin.forecast.lookahead import assess_order, setup_s
from twin.judges.doubts import caveats_of
from twin.judges.lateness import (
    affected_orders,
    deadline_of,
    evidence_of,
    lateness_steps,
    listed_orders,
    margin_of,
    path_to,
    penalty_of,
    rescue_by_overtime,
    steps_of,
    weight_of,
)
from twin.judges.risk import Risk, Root, Words
from twin.judges.view import View
from twin.shopfloor.downtime import (
    NO_PIECES_CONFIDENCE,
    ExpectedEnd,
    down_root,
    expected_end,
    is_long,
    lasted_s,
    present_stop,
    remaining_s,
    stopped_run,
)
from twin.shopfloor.stops import PresentStop
from twin.state.entities import Line
from twin.state.graph import node_id
from twin.state.model import Model
from twin.state.runs import RunState
from twin.words import money, plural, time_of, utc

MOVES_NAMED = 3
"""Runs whose other lines the text of a card names."""

MOVES_ON_CARD = 20
"""Runs that a card lists with their other lines."""


def watch(model: Model, before: float | None, now: float) -> Iterator[Root]:
    """Lines that have been down for long enough to be told, or will be, and have no card yet."""
    for _, line in sorted(model.lines.items()):
        if stopped_run(line) is None:
            continue
        if is_long(line, _card_after_min(line, model.plant.rules(line.site_id)), now):
            yield down_root(line)


def judge(view: View) -> Risk | None:
    """The risk of a line that is down; None where it is not, or only for a moment that hits nobody.

    A card that stands stays while the line is down, and for clear_after_min after that: a line that stops again at once
    is the same trouble.
    """
    line = view.line
    stop = None if line is None else present_stop(line)
    if line is None:
        return None
    if stop is None:
        return _aftermath(view, line) if view.is_open else None
    late = view.late
    if not view.is_open and not _is_worth_telling(view, line):
        return None
    expected = expected_end(line, view.now)
    down_s = lasted_s(line, stop, view.now)
    left_s = remaining_s(line, stop, expected, view.now)
    # To 0.01 h, so that hours x cost is the cost on paper.
    remaining_h = None if left_s is None else round(left_s / 3600.0, 2)
    penalty, margin = penalty_of(late), margin_of(late)
    idle = 0.0 if remaining_h is None else round(remaining_h * _idle_cost_per_h(line, view.rules), 2)
    overtime, rescue = rescue_by_overtime(view, line, late, penalty) if late else (None, None)
    deadline, deadline_because = _restart_by(view, line, [each.assessment for each in late])
    if deadline is None and late:
        deadline, deadline_because = deadline_of(view, late[0].assessment, overtime)
    worst = late[0].assessment if late else None
    moves = _moves(view, line)[:MOVES_ON_CARD]

    def words() -> Words:
        sentences = [
            f"{_cause_in_words(view, line, stop)}.",
            _expected_in_words(view, expected, remaining_h),
        ]
        if late:
            sentences.append(money_in_words(penalty, margin, view.currency))
            if rescue is not None:
                sentences.append(rescue_in_words(rescue, view.currency))
        if idle > 0:
            sentences.append(f"Standing costs {money(idle, view.currency)} more.")
        return Words(
            title=f"{line.name} is down: {title_of(worst, late[0].customer_name, view.zone)}"
            if worst is not None
            else _title_without_orders(view, line, stop),
            sentences=[*sentences, *([_moves_in_words(moves)] if moves else [])],
            cause=_cause(view, line, stop),
            confidence=Confidence(
                value=1.0 if stop.by == "reported" else NO_PIECES_CONFIDENCE,
                n=max(1, expected.n),
                window_h=round(down_s / 3600.0, 2),
            ),
            affected=affected_orders(late),
            path=[*_station_path(view, line, stop), *(path_to(view, late[0]) if late else [])],
            evidence=_evidence(view, stop, expected),
        )

    return Risk(
        signal="down",
        words=words,
        probability=_probability(view, idle),
        probability_because="it is down; the penalty comes with the orders' probability of being late",
        parts={**({"penalty": penalty} if late else {}), "idle_line": idle},
        severity_steps=[*lateness_steps(view, late), "the line is down"],
        mild="",
        owner=_owner(view, line),
        deadline=deadline,
        deadline_because=deadline_because,
        listed=listed_orders(late),
        affected_total=len(late),
        weight=weight_of(late),
        need_by=None if worst is None else worst.need_by,
        slip_s=0.0 if worst is None else round(worst.slip_s, 3),
        slip_days=0 if worst is None else worst.slip_days,
        margin_before=margin,
        rescue=rescue,
        caveats=caveats_of(view.model, [each.assessment for each in late]),
        stop=Stop(
            station_id=stop.station_id,
            run_id=stop.run_id,
            since=utc(stop.since),
            expected_end_at=None if expected.at is None else utc(expected.at),
            expected_because=expected.because,
            reason=stop.reason,
            down_h=round(down_s / 3600.0, 2),
            remaining_h=remaining_h,
            moves=moves,
        ),
    )


def _aftermath(view: View, line: Line) -> Risk | None:
    """What a card says of a line that runs again, until it is clear that it does: no order is its any more."""
    last = line.stops.past[-1] if line.stops.past else None
    goes_at = 0.0 if last is None else last.ended_at + view.rules.clear_after_min * 60.0
    if last is None or view.now >= goes_at:
        return None
    down_h = round(last.work_s / 3600.0, 2)

    def words() -> Words:
        runs_again = f"{line.name} runs again since {time_of(last.ended_at, view.zone)}"
        return Words(
            title=runs_again,
            sentences=[
                f"{runs_again}, after {plural(down_h, 'working hour')}.",
                "Orders that it still makes late, if any, are on the line's delivery card.",
            ],
            cause=Cause(
                signal="down",
                entity_type="line" if last.station_id is None else "station",
                entity_id=line.line_id if last.station_id is None else last.station_id,
                metric="down_h",
                since=utc(last.at),
                in_words=runs_again,
            ),
            confidence=Confidence(value=1.0, n=1, window_h=down_h),
        )

    return Risk(
        signal="down",
        words=words,
        probability=0.0,
        probability_because="it runs again",
        parts={},
        severity_steps=[],
        mild="it runs again",
        owner=_owner(view, line),
        deadline=None,
        deadline_because=f"this card goes {time_of(goes_at, view.zone)} if it still runs then",
        stop=Stop(
            station_id=last.station_id,
            run_id=None,
            since=utc(last.at),
            expected_end_at=utc(last.ended_at),
            expected_because="it runs again",
            reason=last.reason,
            down_h=down_h,
            remaining_h=0.0,
        ),
    )


def _owner(view: View, line: Line) -> Owner:
    supervisor = None if line.event is None else line.event.supervisor_id
    return owner_for(view, [(supervisor, f"supervisor of {line.name}")])


def _is_worth_telling(view: View, line: Line) -> bool:
    """Whether a stop is to have a card of its own: it hits orders, or lasts; and no other card tells of it already."""
    if _waits_for_short_item(view, line):
        return False
    return bool(view.late) or is_long(line, _card_after_min(line, view.rules), view.now)


def _waits_for_short_item(view: View, line: Line) -> bool:
    """Whether it stands on a run for which an item is short by an open card: one cause is one card, whatever it stops.

    The card stands for a while after the item has come: a line that is about to go on is no news.
    """
    run = stopped_run(line)
    return run is not None and any(
        card.kind is CardKind.MATERIAL_SHORTAGE
        and card.site_id == line.site_id
        and card.state in LIVE_STATES
        and card.shortage is not None
        and any(use.run_id == run.run_id and use.covered < use.needs for use in card.shortage.uses)
        for card in view.model.cards.values()
    )


def _idle_cost_per_h(line: Line, rules: Rules) -> float:
    own = None if line.event is None else line.event.idle_cost_per_h
    return rules.idle_cost_per_h if own is None else own


def _card_after_min(line: Line, rules: Rules) -> float:
    """Working minutes after which a stop that hits no order has a card: later where it costs no money that is known."""
    return rules.down_after_min if _idle_cost_per_h(line, rules) > 0 else rules.down_card_after_min


def _probability(view: View, idle: float) -> float:
    """Expected loss over loss: idle time is certain, a penalty comes with the order's own probability."""
    exposure = penalty_of(view.late) + idle
    if exposure <= 0:
        return max((each.assessment.p_late for each in view.late), default=1.0)
    expected = sum(each.assessment.p_late * each.assessment.penalty for each in view.late) + idle
    return round(expected / exposure, 3)


def _restart_by(view: View, line: Line, late: Sequence[Assessment]) -> tuple[float | None, str]:
    """The latest moment at which the line must run again so that the worst order, or the next one, keeps its truck."""
    if late:
        by = _latest_restart(view.model, line, late[0])
        if by is not None and by > view.now:
            return by, f"it must run again for #{late[0].order.order_id}"
        return None, "no restart holds the worst order any more"
    soonest: tuple[float, str] | None = None
    for queued in line.queued():
        for order in view.model.orders_of(queued):
            each = assess_order(order, view.model) if order.is_open and order.state.root is None else None
            by = None if each is None else _latest_restart(view.model, line, each)
            if by is not None and by > view.now:
                found = by, order.order_id
                soonest = found if soonest is None else min(soonest, found)
    if soonest is None:
        return None, "no order depends on its restart"
    return soonest[0], f"it must run again for #{soonest[1]}"


def _latest_restart(model: Model, line: Line, each: Assessment) -> float | None:
    """When the line must restart for an order to be ready just in time, to the second; None where it has no part in it.

    Its need, less the work and setups of its run and of those before it in the queue, walked back through the calendar.
    Where the order's last run is on another line, which this one keeps waiting: the projected restart less the lateness.
    """
    stopped = stopped_run(line)
    if stopped is None or stopped.run_id not in line.projected:
        return None
    if each.line is not line:
        restart = line.projected[stopped.run_id].start_at
        return (
            float(int(line.calendar.subtract_work(restart, each.overhang_s))) if each.overhang_s > 0 else None
        )
    queue = line.queued()
    if each.run not in queue:
        return None
    by = each.need_by
    for index in range(queue.index(each.run), -1, -1):
        run = queue[index]
        work_s = line.projected[run.run_id].run_work_s
        if index > 0 and run.progress.state is RunState.PLANNED:
            before = model.family_of(queue[index - 1]) or line.state.family
            work_s += setup_s(line, model, run, before)
        by = line.calendar.subtract_work(by, work_s)
    return float(int(by)) if by > -inf else None


def _cause(view: View, line: Line, stop: PresentStop) -> Cause:
    return Cause(
        signal="down",
        entity_type="line" if stop.station_id is None else "station",
        entity_id=line.line_id if stop.station_id is None else stop.station_id,
        metric="down_h",
        since=utc(stop.since),
        method="reported" if stop.by == "reported" else "station down, no pieces",
        in_words=_cause_in_words(view, line, stop),
    )


def _cause_in_words(view: View, line: Line, stop: PresentStop) -> str:
    reason = "" if stop.reason is None else f" ({stop.reason})"
    since = f"since {time_of(stop.since, view.zone)}"
    if stop.station_id is None:
        return f"{line.name} is down {since}{reason}"
    station = view.model.graph.label(node_id("station", line.site_id, stop.station_id))
    name = stop.station_id if "/" in station else station
    if stop.by == "station":
        return f"{name} of {line.name} is down{reason}, and no pieces have come {since}"
    return f"{line.name} is down {since}, stopped by {name}{reason}"


def _expected_in_words(view: View, expected: ExpectedEnd, remaining_h: float | None) -> str:
    if expected.at is None or remaining_h is None:
        return f"How long it will last is unknown ({expected.because})."
    hours = plural(remaining_h, "working hour")
    return f"It is expected back {time_of(expected.at, view.zone)}, in {hours} ({expected.because})."


def _title_without_orders(view: View, line: Line, stop: PresentStop) -> str:
    return f"{line.name} is down since {time_of(stop.since, view.zone)}: no order is late by it yet"


def _moves(view: View, line: Line) -> list[RunMove]:
    """Which runs of its queue could go where; lines that are down themselves are left out."""
    moves: list[RunMove] = []
    for run in line.queued():
        others = []
        for line_id in run.plan.alternate_line_ids:
            other = view.model.lines.get((line.site_id, line_id))
            if other is not None and other is not line and stopped_run(other) is None:
                others.append(line_id)
        if others and run.progress.state is not RunState.SETUP:
            moves.append(RunMove(run_id=run.run_id, line_ids=others))
    return moves


def _moves_in_words(moves: Sequence[RunMove]) -> str:
    words = [f"{move.run_id} could go to {' or '.join(move.line_ids)}" for move in moves[:MOVES_NAMED]]
    return f"{'; '.join(words)}."


def _station_path(view: View, line: Line, stop: PresentStop) -> list[PathStep]:
    if stop.station_id is None:
        return []
    station = node_id("station", line.site_id, stop.station_id)
    edge = view.model.graph.edge(station, "part_of", node_id("line", line.site_id, line.line_id))
    return steps_of([(edge, f"{stop.station_id} is part of {line.name}")])


def _evidence(view: View, stop: PresentStop, expected: ExpectedEnd) -> list[str]:
    events = [stop.event_id, *([] if expected.event_id is None else [expected.event_id])]
    if view.late:
        events += evidence_of(view.late[0])
    return list(dict.fromkeys(event_id for event_id in events if event_id))
