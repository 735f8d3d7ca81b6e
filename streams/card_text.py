"""Cards as a person reads them in a terminal: the sentence first, then why, whose, until when, and what it costs.

Law: a card is shown, never judged: every number and word stands on the card. Names come from other systems, so control
characters in them are shown as spaces.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from schemas import AffectedOrder, Card, CardKind, Impact, PathStep, Severity, split_key
from streams.card_details import details
from twin.words import money, plural, time_of

_LABEL_WIDTH: Final = 6
_OTHERS_SHOWN: Final = 3
_LATENESS: Final = frozenset({CardKind.DELIVERY_RISK, CardKind.PLAN_INFEASIBLE})
"""Kinds that are about late orders alone: what is not known of their money is said too."""


class _Look(NamedTuple):
    shape: str
    word: str
    style: str


_LOOKS: Final[dict[Severity, _Look]] = {
    Severity.CRITICAL: _Look("▲", "CRITICAL", "bold red"),
    Severity.HIGH: _Look("◆", "HIGH", "bold dark_orange"),
    Severity.MEDIUM: _Look("■", "MEDIUM", "yellow"),
    Severity.LOW: _Look(" ", "LOW", ""),
}
"""Shape and word carry the meaning; colour only repeats it."""


def print_cards(cards: Sequence[Card], zone: ZoneInfo, now: datetime, console: Console) -> None:
    """Print cards in the order given, numbered: in colour on a terminal, as plain text elsewhere.

    A card's own rank is of the moment at which it was published; here it is its place in the list.
    """
    if not cards:
        console.print(f"Nothing needs a decision. Checked {time_of(now.timestamp(), zone)}.", highlight=False)
    for place, card in enumerate(cards, start=1):
        if console.is_terminal:
            console.print(_title(card, place))
            console.print(Padding(_grid(card, zone, now), (0, 0, 1, 5)))
        else:  # for files and pipes: a line is a line, whatever its length
            console.print(card_text(card, zone, now, place), end="\n\n", soft_wrap=True, highlight=False)


def card_text(card: Card, zone: ZoneInfo, now: datetime, place: int | None = None) -> str:
    """One card as plain lines.

    Args:
        card: the card.
        zone: the site's zone; cards carry UTC.
        now: plant time, for distances.
        place: number in a list; None: the rank that the card was published with.
    """
    lines = [_title(card, place or card.rank).plain]
    lines += [f"     {label:{_LABEL_WIDTH}} {_clean(words)}" for label, words in _rows(card, zone, now)]
    return "\n".join(lines)


def _title(card: Card, place: int | None) -> Text:
    look = _LOOKS[card.severity]
    number = " -" if place is None else f"{place:2}"
    return Text.assemble((f"{number} {look.shape} {look.word}  ", look.style), (_clean(card.title), "bold"))


def _grid(card: Card, zone: ZoneInfo, now: datetime) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(min_width=_LABEL_WIDTH, style="dim")
    grid.add_column(overflow="fold")
    for label, words in _rows(card, zone, now):
        grid.add_row(label, Text(_clean(words)))
    return grid


def _rows(card: Card, zone: ZoneInfo, now: datetime) -> list[tuple[str, str]]:
    rows = [
        ("why", why(card, zone)),
        ("owner", f"{card.owner.name} ({card.owner.rule})"),
        ("until", _until(card, zone, now)),
        ("money", _money(card)),
    ]
    if card.impact.rescue is not None or card.kind in _LATENESS:
        rows.append(("rescue", _rescue(card.impact)))
    rows += details(card, zone)
    others = [order for order in card.affected[1:] if order.slip_s > 0.0]
    if others:
        rows.append(("also", _others(card, others)))
    rows += [("but", caveat) for caveat in card.caveats]
    rows.append(("state", f"{_state(card, zone)}, as of {time_of(card.as_of.timestamp(), zone)}"))
    return rows


def _state(card: Card, zone: ZoneInfo) -> str:
    """State, who brought it there and why."""
    words = card.state.value.replace("_", " ")
    if card.snoozed_until is not None:
        words += f" until {time_of(card.snoozed_until.timestamp(), zone)}"
    if card.state_by is not None:
        words += f" by {card.state_by}"
    if card.state_note:
        words += f" ({card.state_note})"
    if card.escalated_to is not None:
        words += f", passed on to {card.escalated_to.name}"
    return words


def why(card: Card, zone: ZoneInfo) -> str:
    """The path from the root cause to the customer: "Line 3 -8.0 % since Tue 17 Nov 06:00 → R-4471 → #4471 → ..."."""
    return " → ".join([_root(card, zone), *(_node(node_id, card, zone) for node_id in _nodes(card.path)[1:])])


def _root(card: Card, zone: ZoneInfo) -> str:
    cause = card.cause
    name, has_run, _ = cause.in_words.partition(" has run ")
    if cause.delta is None or not has_run:
        return cause.in_words
    since = "" if cause.since is None else f" since {time_of(cause.since.timestamp(), zone)}"
    return f"{name} {cause.delta * 100.0:+.1f} %{since}"


def _nodes(path: Sequence[PathStep]) -> list[str]:
    """Nodes in the order in which the path meets them; each step adds the end that is new, the first adds both."""
    met: dict[str, None] = {}
    for step in path:
        near, far = (step.from_id, step.to_id) if step.from_id in met else (step.to_id, step.from_id)
        met[near] = met[far] = None
    return list(met)


def _node(node_id: str, card: Card, zone: ZoneInfo) -> str:
    """A node as people call it."""
    parts = split_key(node_id)
    kind, name = parts[0], parts[-1]
    worst = card.affected[0] if card.affected else None
    if kind == "order":
        return f"#{name}"
    if kind == "shipment" and worst is not None:
        return f"truck {time_of(worst.on_time_slot_at.timestamp(), zone)}"
    if kind == "customer" and worst is not None and worst.customer_id == name:
        return worst.customer_name
    return name


def _until(card: Card, zone: ZoneInfo, now: datetime) -> str:
    if card.deadline is None:
        return card.deadline_because
    at = time_of(card.deadline.timestamp(), zone)
    return f"{at}, {_distance((card.deadline - now).total_seconds())} ({card.deadline_because})"


def _distance(seconds: float) -> str:
    """How far a moment is: "in 1 day 6 h", "in 20 min", "3 h ago"; by the clock, nights included."""
    minutes = int(abs(seconds) // 60)
    days, hours = minutes // 1_440, minutes // 60 % 24
    if days:
        words = plural(days, "day") + (f" {hours} h" if hours else "")
    elif hours:
        words = f"{hours} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    else:
        words = f"{minutes} min"
    return f"in {words}" if seconds >= 0.0 else f"{words} ago"


def _money(card: Card) -> str:
    """What it costs if nobody acts."""
    impact, unit = card.impact, card.impact.currency
    if impact.exposure <= 0.0:
        return "what late costs is unknown" if card.kind in _LATENESS else "none that is known"
    lost = ", ".join(f"{name.replace('_', ' ')} {money(part, unit)}" for name, part in impact.parts.items())
    if impact.margin_before is None or impact.margin_if_late is None:
        return f"{lost}; margin unknown" if card.kind in _LATENESS else lost
    return f"{lost}; margin {impact.margin_before:,.0f} → {money(impact.margin_if_late, unit)}"


def _rescue(impact: Impact) -> str:
    """What it costs to act, and what that leaves."""
    rescue, unit = impact.rescue, impact.currency
    if rescue is None:
        return "none is known"
    sure = f"{rescue.probability * 100.0:.0f} % on time"
    words = f"{rescue.overtime_h:.2f} h of {rescue.kind} for {money(rescue.cost, unit)} ({sure})"
    if rescue.margin_after is not None:
        words += f", leaves a margin of {money(rescue.margin_after, unit)}"
    if rescue.breaks_margin_rule:
        words += " (less than the rules keep)"
    return f"{words}; net benefit {money(rescue.net_benefit, unit)}"


def _others(card: Card, others: Sequence[AffectedOrder]) -> str:
    shown = [
        f"#{order.order_id} {order.customer_name} ({plural(order.slip_days, 'day')} late)"
        for order in others[:_OTHERS_SHOWN]
    ]
    more = card.affected_total - 1 - len(shown)
    return ", ".join(shown) + (f" and {plural(more, 'other')}" if more > 0 else "")


def _clean(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words)
