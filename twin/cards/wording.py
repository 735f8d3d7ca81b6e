"""The sentences of a card. Every number in a sentence comes from a field of the card."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from schemas import Owner, Rescue
from twin.forecast.assessment import Assessment
from twin.judges.causes import Blame
from twin.state.entities import Line
from twin.words import day_of, money, plural, time_of

SURE = 0.8
"""P(late) from which a title says "will"; below it says "may"."""


def title_of(worst: Assessment, customer: str, zone: ZoneInfo) -> str:
    """The one line: which order, for whom, which truck, when instead."""
    order_id = worst.order.order_id
    verb = "will" if worst.p_late >= SURE else "may"
    late = plural(worst.slip_days, "day") + " late"
    if worst.order.event.route_id is None:
        promised = time_of(worst.order.promised, zone)
        if worst.slip_s <= 0:
            return f"#{order_id} for {customer} {verb} miss its date of {promised}"
        return (
            f"#{order_id} for {customer} {verb} miss its date of {promised}: "
            f"it is {'ready' if worst.transfer_s <= 0 else 'there'} {time_of(worst.ready_at + worst.transfer_s, zone)}, {late}"
        )
    truck = day_of(worst.on_time_slot, zone)
    if worst.late_ships_at is None:
        return f"#{order_id} for {customer} {verb} miss its truck of {truck}: no later truck is known"
    ships = time_of(worst.late_ships_at, zone)
    then = "it ships" if worst.p_late >= SURE else "it would ship"
    return f"#{order_id} for {customer} {verb} miss its truck of {truck}: {then} {ships}, {late}"


def cause_in_words(blamed: Blame, line: Line, since: float | None, zone: ZoneInfo) -> str:
    """One sentence about the root."""
    began = "" if since is None else f" since {time_of(since, zone)}"
    lost = plural(round(blamed.lost_s / 3600.0, 1), "working hour")
    if blamed.signal == "drift":
        direction = "under" if line.delta < 0 else "over"
        logged = "no stoppage logged" if line.state.down_work_s <= 0 else "stops apart"
        return f"{line.name} has run {abs(line.delta) * 100:.1f} % {direction} plan{began} ({logged})"
    if blamed.signal == "stop":
        return f"{line.name} lost {lost} to stops{began}"
    if blamed.signal == "late_start":
        run = blamed.chain[0].run.run_id if blamed.chain else "its run"
        return f"{run} on {line.name} should have begun{began.replace(' since', '')} and has not"
    if blamed.signal == "overbooked":
        return f"The plan books {line.name} for {lost} more than it has"
    if blamed.signal == "plan":
        return f"The plan itself ends too late, by {lost} of {line.name}"
    return f"{line.name} is {lost} behind its plan"


def transfer_in_words(late: Sequence[Assessment]) -> list[str]:
    """What the worst of these orders that is made elsewhere loses on its way; nothing where all are made at home."""
    for each in late:
        if each.transfer_s > 0.0:
            order, made_at = each.order, each.run.site_id
            takes = f"{each.transfer_s / 3600.0:.2f} h"
            return [f"#{order.order_id} is made at {made_at}: bringing it to {order.site_id} takes {takes}."]
    return []


def money_in_words(penalty: float, margin: float | None, unit: str) -> str:
    """What late costs, and what becomes of the margin."""
    if penalty <= 0:
        return "No penalty is agreed: what late costs is unknown."
    becomes = "" if margin is None else f" (margin {margin:,.0f} becomes {margin - penalty:,.0f})"
    return f"Late costs {money(penalty, unit)} in penalty{becomes}."


def rescue_in_words(rescue: Rescue | None, unit: str) -> str:
    """What holding the date costs and leaves."""
    if rescue is None:
        return "No overtime on offer holds the date."
    leaves = ""
    if rescue.margin_after is not None and rescue.margin_after_fraction is not None:
        share = rescue.margin_after_fraction * 100
        leaves = f" and leave {money(rescue.margin_after, unit)} ({share:.2f} %)"
    return (
        f"{rescue.overtime_h:.2f} h of overtime cost {money(rescue.cost, unit)}, "
        f"hold the date with {rescue.probability * 100:.0f} % probability{leaves}."
    )


def decision_in_words(owner: Owner, deadline: float | None, deadline_because: str, zone: ZoneInfo) -> str:
    """Whose it is, and until when."""
    until = (
        f"Decide by {time_of(deadline, zone)} ({deadline_because})."
        if deadline is not None
        else f"{deadline_because[0].upper()}{deadline_because[1:]}."
    )
    return f"Owner: {owner.name}. {until}"
