"""The judge of data_stale: a running line that says nothing, or whose messages have a hole. Silence is never "on plan".

A line is silent when in working time nothing has come for longer than its usual pause allows, or at once where its
source says that it is cut off. Only a line that runs
owes us words: idle, setting up or stopped it may be quiet. A hole in a source's running numbers counts where the source
speaks of one line only; a source that numbers several lines together leaves holes on each.
"""

from collections.abc import Iterator

from schemas import CardKind, Cause, Claim, Confidence, DataTrouble
from twin.cards.owners import owner_for
from twin.forecast.assessment import Assessment
from twin.forecast.lookahead import assess_order
from twin.judges.lateness import (
    AFFECTED_ON_CARD,
    affected_order,
    cannot_slip_step,
    key_of,
    path_of_order,
    steps_of,
)
from twin.judges.risk import Risk, Root, Words
from twin.judges.view import View
from twin.state.calendar import Interval
from twin.state.dedupe import SequenceWindow
from twin.state.entities import Line
from twin.state.graph import node_id
from twin.state.model import Model
from twin.state.runs import RunState
from twin.words import money, plural, time_of, utc

GAP_WEIGHT = 0.1
"""Of the newest pause in the moving average of pauses. Larger: one pause decides; smaller: a new rhythm is learnt late."""

SHORT_GAP_S = 600.0
"""Up to this pause the clock is good enough; a longer one is measured in working time."""

LOST_AFTER_S = 86_400.0
"""A number that has not come for so long does not come any more, and is no news."""

MOST_MISSING = 10_000
"""A jump beyond it is a source that numbers anew, no hole."""


def note_gap(line: Line, before: float, moment: float) -> None:
    """Learn how long the line usually is quiet, from two events in a row."""
    state = line.state
    gap_s = moment - before
    if gap_s > SHORT_GAP_S:
        gap_s = line.calendar.work_between(before, moment)
    usual = state.usual_gap_s
    state.usual_gap_s = gap_s if usual is None else round(usual + GAP_WEIGHT * (gap_s - usual), 3)


def watch(model: Model, _before: float | None, now: float) -> Iterator[Root]:
    """Lines that may have fallen silent, or whose hole may have stood for long enough."""
    for (site_id, line_id), line in sorted(model.lines.items()):
        last = line.state.last_event_at
        run = line.run
        if last is None or run is None or run.progress.state is not RunState.RUNNING:
            continue
        rules = model.plant.rules(site_id)
        is_due = now - last >= rules.stale_after_min * 60.0 or line.state.cut_off_at is not None
        if is_due or _hole(model, line, now) is not None:
            yield CardKind.DATA_STALE.value, "line", site_id, line_id


def judge(view: View) -> Risk | None:
    """What cannot be known of a line because it does not speak, or not of everything."""
    line = view.line
    if line is None:
        return None
    return _silence(view, line) or _gap(view, line)


def _silence(view: View, line: Line) -> Risk | None:
    state, run, rules = line.state, line.run, view.rules
    last, usual_s = state.last_event_at, state.usual_gap_s or 0.0
    if last is None or run is None or run.progress.state is not RunState.RUNNING:
        return None
    silent_s, cut_off_at = line.calendar.work_between(last, view.now), state.cut_off_at
    is_usual = silent_s < max(rules.stale_after_min * 60.0, rules.stale_gap_factor * usual_s)
    if is_usual and cut_off_at is None:
        return None
    shift = line.calendar.current_interval(view.now)
    until = _end_of_shift(view.now, shift)
    lost_s = line.calendar.work_between(last, until)
    at_stake = _late_if_lost(view, line, lost_s)
    said_at = time_of(last, view.zone)
    good = f"{run.progress.good_pcs:,.0f}"
    usual_min = round(usual_s / 60.0, 1)
    cut_off = ""
    if cut_off_at is not None:
        because = f": {state.cut_off_because}" if state.cut_off_because else ""
        cut_off = f"It is cut off since {time_of(cut_off_at, view.zone)}{because}."
    if at_stake:
        worst, room_s = at_stake[0]
        deadline: float | None = line.calendar.add_work(last, room_s)
        deadline_because = f"if it stands, #{worst.order.order_id} misses its date from then on"
        penalty = round(sum(each.penalty for each, _ in at_stake), 2)
        consequence = (
            f"If it has stood since then and stands until {time_of(until, view.zone)}, "
            f"{plural(len(at_stake), 'order')} will be late: {money(penalty, view.currency)} in penalty."
        )
    else:
        deadline, penalty = None, 0.0
        deadline_because = "no order depends on it within this shift"
        consequence = f"No order is late even if it stands until {time_of(until, view.zone)}."
    rhythm = f"It usually speaks every {usual_min:g} min of working time." if usual_min else ""
    return _risk(
        view,
        line,
        signal="silence",
        title=f"{line.name} is silent since {said_at}: nobody knows whether it runs",
        sentences=[f"The last word of {line.name} came at {said_at}.", cut_off, rhythm, consequence],
        since=last,
        method="its source says that it is cut off"
        if cut_off
        else "working time since the last event against its usual pause",
        confidence=Confidence(
            value=1.0 if cut_off else round(1.0 - min(1.0, usual_s / silent_s), 3), n=1, window_h=0.0
        ),
        probability=rules.p_silent_is_down,
        because="share of silences that hide a line that stands, as the rules say",
        penalty=penalty,
        at_stake=[each for each, _ in at_stake],
        deadline=deadline,
        deadline_because=deadline_because,
        trouble=DataTrouble(
            subject=f"whether {line.name} runs",
            claims=[
                Claim(
                    source=line.name,
                    value=f"running {run.run_id}, {good} good pieces",
                    since=utc(last),
                    event_id=state.last_event_id or None,
                )
            ],
            used="forecasts take it to have gone on at its pace since its last word",
            usual_gap_min=usual_min,
            assumed_until=utc(until),
        ),
    )


SHIFT_S = 8 * 3600.0
"""A line that works around the clock has no end of shift: so much is looked ahead."""


def _end_of_shift(now: float, shift: Interval | None) -> float:
    if shift is None:
        return now
    return shift[1] if shift[1] - now <= 2 * SHIFT_S else now + SHIFT_S


def _late_if_lost(view: View, line: Line, lost_s: float) -> list[tuple[Assessment, float]]:
    """Orders in time that would be late if so much working time were lost, with their room; the dearest first."""
    at_stake: dict[tuple[str, str], tuple[Assessment, float]] = {}
    for run in line.queued():
        for order in view.model.orders_of(run):
            each = assess_order(order, view.model) if order.is_open else None
            if each is None or each.p_late >= view.rules.raise_at_p_late:
                continue
            room_s = max(0.0, -each.overhang_s)
            if room_s < lost_s:
                at_stake[order.site_id, order.order_id] = (each, room_s)
    return sorted(
        at_stake.values(),
        key=lambda one: (-one[0].penalty, one[1], one[0].order.site_id, one[0].order.order_id),
    )


def _hole(model: Model, line: Line, now: float) -> tuple[str, SequenceWindow] | None:
    """The source and its window with a hole that has stood long enough to be told."""
    grace_s = model.plant.rules(line.site_id).gap_grace_min * 60.0
    for source_id in sorted(model.sources_of_line.get((line.site_id, line.line_id), {})):
        if len(model.lines_of_source[line.site_id, source_id]) > 1:
            continue
        window, _ = model.sequences[line.site_id, line.line_id, source_id]
        since = window.gap_since
        if since is not None and 0 < window.missing <= MOST_MISSING and grace_s <= now - since < LOST_AFTER_S:
            return source_id, window
    return None


def _gap(view: View, line: Line) -> Risk | None:
    found = _hole(view.model, line, view.now)
    run = line.run
    if found is None or run is None or run.progress.totals is not None:
        return None  # a counter's next reading tells what the missing ones told
    source_id, window = found
    since = window.gap_since
    assert since is not None
    told = plural(window.missing, "message")
    when = time_of(since, view.zone)
    first, last = window.ranges[-2][1] + 1, window.ranges[-1][0] - 1
    return _risk(
        view,
        line,
        signal="gap",
        title=f"{told} of {line.name} did not come, missing since {when}",
        sentences=[
            f"{source_id} numbers its messages: {first} to {last} have not come by now.",
            "What they counted is in no forecast.",
        ],
        since=since,
        method="running numbers of the source",
        confidence=Confidence(value=1.0, n=window.missing, window_h=0.0),
        probability=view.rules.p_silent_is_down,
        because="chance that the missing messages held counts, as the rules say of silences",
        penalty=0.0,
        at_stake=[],
        deadline=None,
        deadline_because="nobody can tell what depends on it",
        trouble=DataTrouble(
            subject=f"messages {first} to {last} of {source_id}",
            claims=[
                Claim(
                    source=source_id,
                    value=f"number {window.ranges[-1][0]} after {window.ranges[-2][1]}",
                    since=utc(since),
                    event_id=None,
                )
            ],
            used="forecasts count what came",
            missing=window.missing,
        ),
    )


def _risk(
    view: View,
    line: Line,
    *,
    signal: str,
    title: str,
    sentences: list[str],
    since: float,
    method: str,
    confidence: Confidence,
    probability: float,
    because: str,
    penalty: float,
    at_stake: list[Assessment],
    deadline: float | None,
    deadline_because: str,
    trouble: DataTrouble,
) -> Risk:
    run = line.run
    assert run is not None
    customers = {each.order.order_id: view.customer(each.order) for each in at_stake}

    def name_of(each: Assessment) -> str:
        customer = customers[each.order.order_id]
        return each.order.event.customer_id if customer is None else customer.name

    def words() -> Words:
        on_line = view.model.graph.edge(
            node_id("run", run.site_id, run.run_id), "on", node_id("line", line.site_id, line.line_id)
        )
        path = steps_of([(on_line, f"{run.run_id} runs on {line.name}")])
        if at_stake:
            path += path_of_order(view, at_stake[0], name_of(at_stake[0]))
        return Words(
            title=title,
            sentences=[sentence for sentence in sentences if sentence],
            cause=Cause(
                signal=signal,
                entity_type="line",
                entity_id=line.line_id,
                since=utc(since),
                method=method,
                in_words=title,
            ),
            confidence=confidence,
            affected=[affected_order(each, name_of(each)) for each in at_stake[:AFFECTED_ON_CARD]],
            path=path,
            evidence=[line.state.last_event_id] if line.state.last_event_id else [],
        )

    steps = ["orders depend on it"] if at_stake else []
    steps += cannot_slip_step(view, customers.values())
    supervisor = None if line.event is None else line.event.supervisor_id
    return Risk(
        signal=signal,
        words=words,
        probability=probability,
        probability_because=because,
        parts={"penalty": penalty} if penalty else {},
        severity_steps=steps,
        mild="what the line does is not known",
        owner=owner_for(view, [(supervisor, f"supervisor of {line.name}")], customers.values()),
        deadline=deadline,
        deadline_because=deadline_because,
        listed=[key_of(each) for each in at_stake[:AFFECTED_ON_CARD]],
        affected_total=len(at_stake),
        weight=max((c.weight for c in customers.values() if c is not None), default=1.0),
        need_by=at_stake[0].need_by if at_stake else None,
        data=trouble,
    )
