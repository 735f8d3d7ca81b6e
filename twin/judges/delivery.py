"""The judge of delivery_risk: orders that a line makes late by drift, lost hours or a late beginning."""

from schemas import Cause, Confidence
from twin.cards.owners import owner_for
from twin.cards.wording import cause_in_words, money_in_words, rescue_in_words, title_of
from twin.judges.causes import Blame
from twin.judges.doubts import caveats_of
from twin.judges.lateness import (
    affected_orders,
    deadline_of,
    evidence_of,
    lasting_drift,
    lateness_steps,
    listed_orders,
    margin_of,
    path_to,
    penalty_of,
    probability_of,
    rescue_by_overtime,
    weight_of,
)
from twin.judges.risk import Risk, Words
from twin.judges.view import View
from twin.shopfloor.downtime import lost_since
from twin.shopfloor.progress import window_apt_s
from twin.state.entities import Line
from twin.words import utc


def judge(view: View) -> Risk | None:
    """The risk of a line's late orders; None where none is late enough."""
    late = view.late
    if not late:
        return None
    worst = late[0]
    line = worst.blame.line
    penalty, margin = penalty_of(late), margin_of(late)
    overtime, rescue = rescue_by_overtime(view, line, late, penalty)
    deadline, deadline_because = deadline_of(view, worst.assessment, overtime)
    lasting = lasting_drift(view, line)

    def words() -> Words:
        cause = _cause(view, worst.blame, line)
        is_drift = worst.blame.signal == "drift"
        return Words(
            title=title_of(worst.assessment, worst.customer_name, view.zone),
            sentences=[
                f"{cause.in_words}.",
                money_in_words(penalty, margin, view.currency),
                rescue_in_words(rescue, view.currency),
            ],
            cause=cause,
            confidence=Confidence(
                value=round(line.state.drift_confidence, 3) if is_drift else worst.assessment.p_late,
                n=line.state.buckets_n,
                window_h=round(window_apt_s(line) / 3600.0, 2),
            ),
            affected=affected_orders(late),
            path=path_to(view, worst),
            evidence=evidence_of(worst),
        )

    return Risk(
        signal=worst.blame.signal,
        words=words,
        probability=probability_of(late),
        probability_because="probability that it happens, over the affected orders",
        parts={"penalty": penalty},
        severity_steps=[*lateness_steps(view, late), *([] if lasting is None else [lasting])],
        mild="an order may be late",
        owner=owner_for(
            view, [(None if line.event is None else line.event.supervisor_id, f"supervisor of {line.name}")]
        ),
        deadline=deadline,
        deadline_because=deadline_because,
        listed=listed_orders(late),
        affected_total=len(late),
        weight=weight_of(late),
        need_by=worst.assessment.need_by,
        slip_s=round(worst.assessment.slip_s, 3),
        slip_days=worst.assessment.slip_days,
        margin_before=margin,
        rescue=rescue,
        caveats=caveats_of(view.model, [each.assessment for each in late]),
    )


def _cause(view: View, blamed: Blame, line: Line) -> Cause:
    drift = line.drift
    is_drift = blamed.signal == "drift" and drift.since_s is not None
    since: float | None = None
    if is_drift:
        since = drift.since_s
    elif blamed.signal == "stop":
        since = lost_since(blamed.line)
    elif blamed.signal == "late_start" and blamed.chain:
        since = blamed.chain[0].run.planned_start
    return Cause(
        signal=blamed.signal,
        entity_type=view.root[1],
        entity_id=view.root[3],
        metric="effectiveness" if is_drift else None,
        delta=round(line.delta, 4) if is_drift else None,
        since=None if since is None else utc(since),
        method="glr" if is_drift else None,
        in_words=cause_in_words(blamed, line, since, view.zone),
        lost_h=round(blamed.lost_s / 3600.0, 4),
    )
