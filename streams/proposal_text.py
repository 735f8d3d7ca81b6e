"""Proposals as a planner reads them: what happened, the options side by side, what each sacrifices, and why.

Law: shown, never judged: every number stands in the proposal. Control characters of other systems are shown as spaces.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import OrderEffect, PlanOption, PlanState, Proposal
from twin.words import time_of

CHANGES_SHOWN = 12
"""Moves of one option before the rest is only counted."""


def proposal_line(plan: PlanState) -> str:
    """One proposal on one line, for lists."""
    return _clean(f"{plan.state.replace('_', ' '):20} {plan.plan_id}  (revision {plan.revision})  {plan.say}")


def proposal_text(plan: PlanState, proposal: Proposal | None, zone: ZoneInfo) -> str:
    """A proposal with its options.

    Args:
        plan: where it is in its life.
        proposal: the options that stand; None where they are not known.
        zone: of the printed times.
    """
    state, at = plan.state.replace("_", " "), time_of(plan.as_of.timestamp(), zone)
    lines = [
        f"{plan.plan_id} at {plan.site_id}: {state}, revision {plan.revision}, as of {at}",
        f"  {plan.say}",
    ]
    if plan.approved_by is not None:
        committed = "" if plan.committed_by is None else f", committed by {plan.committed_by}"
        lines.append(f"  {plan.option_id} approved by {plan.approved_by}{committed}")
    lines += [
        f"  {each.outcome:10} {each.run_id} at {each.site_id}{_because(each.reason)}" for each in plan.changes
    ]
    text = "\n".join(_clean(line) for line in lines)
    return text if proposal is None else f"{text}\n{options_text(proposal, zone)}"


def options_text(proposal: Proposal, zone: ZoneInfo) -> str:
    """What happened, the options side by side, and each of them.

    Args:
        proposal: as the solver gave it.
        zone: of the printed times.
    """
    lines = [f"  because {reason}" for reason in proposal.because]
    if proposal.options:
        lines += ["", *_table(proposal.options)]
    for option in proposal.options:
        lines += ["", *_option(option, zone)]
    if proposal.error:
        lines.append(f"  no answer: {proposal.error}")
    return "\n".join(_clean(line) for line in lines)


def _table(options: Sequence[PlanOption]) -> list[str]:
    """The options side by side; in brackets the difference to going on as planned."""
    head = ["option", "what", "late", "slip h", "penalty", "at risk", "overtime h", "setups", "setup min", "cost", "margin", "moved"]  # fmt: skip
    rows = [head]
    for option in options:
        kpis = option.kpis
        rows.append(
            [
                option.option_id + ("" if option.feasible else " (infeasible)"),
                option.label.replace("_", " "),
                _with(option, "late_orders", kpis.late_orders, "0f"),
                _with(option, "total_slip_h", kpis.total_slip_h, "1f"),
                _with(option, "penalty", kpis.penalty, "0f"),
                _with(option, "penalty_at_risk", kpis.penalty_at_risk, "0f"),
                _with(option, "overtime_h", kpis.overtime_h, "1f"),
                _with(option, "changeovers", kpis.changeovers, "0f"),
                _with(option, "changeover_min", kpis.changeover_min, "0f"),
                _with(option, "cost", kpis.cost, "0f"),
                "unknown" if kpis.margin is None else _with(option, "margin", kpis.margin, "0f"),
                str(kpis.moved_orders),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  "
        + "  ".join(
            f"{cell:{width}}" if column < 2 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _with(option: PlanOption, name: str, value: float, form: str) -> str:
    difference = option.against_hold.get(name, 0.0)
    if round(difference, 6) == 0.0:
        return f"{value:,.{form}}"
    return f"{value:,.{form}} ({difference:+,.{form}})"


def _option(option: PlanOption, zone: ZoneInfo) -> Iterator[str]:
    yield f"  {option.option_id}  {option.title}"
    for window in option.overtime:
        by = time_of(window.notice_by.timestamp(), zone)
        yield f"      overtime   {window.hours:g} h on {window.line_id} for {window.cost:,.0f}, to be ordered by {by}"
    for effect in option.per_order:
        yield f"      order      {_effect(effect, zone)}"
    for sacrifice in option.sacrifices:
        yield f"      sacrifices {sacrifice}"
    shown = option.changes[:CHANGES_SHOWN]
    for change in shown:
        what = change.field.removesuffix("_id").removesuffix("_at").replace("_", " ")
        before, after = (_moment(each, zone) for each in (change.before, change.after))
        yield f"      moves      {change.run_id}: {what} {before} -> {after}{_because(change.because)}"
    if len(option.changes) > len(shown):
        yield f"      moves      and {len(option.changes) - len(shown)} more"
    for violation in option.violations:
        yield f"      cannot     {violation}"


def _effect(effect: OrderEffect, zone: ZoneInfo) -> str:
    before = "nothing" if effect.ships_before is None else time_of(effect.ships_before.timestamp(), zone)
    after = "nothing" if effect.ships_after is None else time_of(effect.ships_after.timestamp(), zone)
    money = ""
    if effect.penalty_before != effect.penalty_after:
        money = f", penalty {effect.penalty_before:,.0f} -> {effect.penalty_after:,.0f}"
    return f"#{effect.order_id} {effect.customer_name}: ships {before} -> {after}{money}"


def _moment(text: str, zone: ZoneInfo) -> str:
    """A moment as people write it; anything else as it is."""
    try:
        return time_of(datetime.fromisoformat(text).timestamp(), zone) if "T" in text else text
    except ValueError:
        return text


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _clean(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words)
