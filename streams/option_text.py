"""A proposal's options and a quote as a person reads them in a terminal.

Law: shown, never judged: every number and word stands on the proposal.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas import PlanOption, Proposal, Quote, QuotePosition, RunChange
from twin.words import money, plural, time_of

WIDE = 240
"""Columns of a table at most where there is no terminal. Smaller: cells are broken into pieces that nobody can read."""

CHANGES_SHOWN = 12
"""Changes of an option printed in full. Fewer: the reader has to ask; more: the options drown in them."""

QUOTE_SHOWN = 10
"""Positions of a quote printed unless all are asked for."""

_COMPARED = (
    ("late_orders", "late orders", 0),
    ("total_slip_h", "h of slip", 1),
    ("changeovers", "changeovers", 0),
    ("overtime_h", "h of overtime", 1),
    ("moved_orders", "orders moved", 0),
)
"""Figures that an option is told by against hold: field, words, digits."""


def print_proposal(proposal: Proposal, currency: str, zone: ZoneInfo, console: Console) -> None:
    """What happened, the options in the proposal's own order, and what each changes and sacrifices."""
    console.print(
        Text(f"{proposal.trigger.replace('_', ' ')}: {'; '.join(proposal.because)}", style="bold"),
        soft_wrap=True,
    )
    if proposal.error is not None:
        console.print(f"  no options: {proposal.error}", highlight=False, soft_wrap=True)
        return
    _print(_options_table(proposal.options, currency), console)
    for place, option in enumerate(proposal.options, start=1):
        if option.label == "hold":
            continue
        console.print()
        for line in option_lines(place, option, currency, zone):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"\nproposal {proposal.proposal_id}, revision {proposal.revision} ({proposal.stage}"
        f"{', final' if proposal.is_final else ''}), from plan revision {proposal.plan_revision}; seed {proposal.seed}, "
        f"{proposal.moves:,} moves in {proposal.solve_ms / 1000.0:.1f} s",
        highlight=False,
        soft_wrap=True,
    )


def option_lines(place: int, option: PlanOption, currency: str, zone: ZoneInfo) -> list[str]:
    """One option: against hold, overtime, orders that move, changes with their reasons, sacrifices."""
    lines = [f"{place}  {option.title}", f"     {'gains':10} {against_hold(option, currency)}"]
    lines += [
        f"     {'overtime':10} {each.line_id} {time_of(each.start_at.timestamp(), zone)}, {each.hours:.1f} h for "
        f"{money(each.cost, currency)}; notice by {time_of(each.notice_by.timestamp(), zone)}"
        for each in option.overtime
    ]
    for order in option.per_order:
        before, after = (
            "unknown" if at is None else time_of(at.timestamp(), zone)
            for at in (order.ships_before, order.ships_after)
        )
        lines.append(f"     {'order':10} #{order.order_id} {order.customer_name}: ships {before} -> {after}")
    lines += [f"     {'change':10} {_change(each)}" for each in option.changes[:CHANGES_SHOWN]]
    if len(option.changes) > CHANGES_SHOWN:
        lines.append(
            f"     {'':10} and {plural(len(option.changes) - CHANGES_SHOWN, 'change')} more (--json)"
        )
    lines += [f"     {'sacrifice':10} {each}" for each in option.sacrifices] or [
        f"     {'sacrifice':10} none: no order gets worse"
    ]
    lines += [f"     {'infeasible':10} {each}" for each in option.violations]
    return lines


def against_hold(option: PlanOption, currency: str) -> str:
    """What an option wins and costs against doing nothing, in one line."""
    parts = []
    cost = option.against_hold.get("cost", 0.0)
    if round(cost):
        parts.append(f"{money(abs(cost), currency)} {'less' if cost < 0 else 'more'}")
    for name, words, digits in _COMPARED:
        delta = round(option.against_hold.get(name, 0.0), digits)
        if delta:
            parts.append(f"{delta:+,.{digits}f} {words}")
    return ", ".join(parts) or "nothing against hold"


def print_quote(quote: Quote, currency: str, zone: ZoneInfo, console: Console, *, show_all: bool) -> None:
    """Positions, cheapest first; what each costs whom stands below the table."""
    shown = quote.positions if show_all else quote.positions[:QUOTE_SHOWN]
    console.print(
        Text(
            f"{quote.quantity_pcs:,.0f} of {quote.item_id}, wanted by {time_of(quote.due_at.timestamp(), zone)}: "
            f"{plural(len(quote.positions), 'place')} where they could be made, the cheapest first",
            style="bold",
        ),
        soft_wrap=True,
    )
    if not shown:
        return
    names = ("", "line", "place", "starts", "ends", "ready by", "late", f"costs {currency}", "setup", "harms")
    table = Table(*names, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for each in shown:
        table.add_row(*_position_cells(each, zone))
    _print(table, console)
    for each in shown:
        for words in each.harmed:
            console.print(f"  {each.rank}: {words}", markup=False, highlight=False, soft_wrap=True)
    if len(shown) < len(quote.positions):
        console.print(f"and {len(quote.positions) - len(shown)} more: --all", highlight=False)


def _position_cells(each: QuotePosition, zone: ZoneInfo) -> tuple[str, ...]:
    after = "first" if each.after_run_id is None else f"after {each.after_run_id}"
    ships = "never" if each.ships_at is None else time_of(each.ships_at.timestamp(), zone)
    return (
        str(each.rank),
        f"{each.site_id}/{each.line_id}",
        after,
        time_of(each.start_at.timestamp(), zone),
        time_of(each.end_at.timestamp(), zone),
        ships,
        f"{each.slip_h:.1f} h" if each.slip_h > 0.0 else "in time",
        f"{each.added_cost:,.0f}",
        f"{each.added_setup_min:+.0f} min",
        plural(len(each.harmed), "order") if each.harmed else "nobody",
    )


def _options_table(options: Sequence[PlanOption], currency: str) -> Table:
    names = ("", "option", "late", "slip h", "worst h", "penalty", "overtime", "changeovers", "moved", "cost")
    table = Table(*names, "against hold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, option in enumerate(options, start=1):
        kpis = option.kpis
        table.add_row(
            str(place),
            option.label.replace("_", " "),
            str(kpis.late_orders),
            f"{kpis.total_slip_h:,.1f}",
            f"{kpis.max_slip_h:,.1f}",
            f"{kpis.penalty:,.0f}",
            f"{kpis.overtime_h:.1f} h" if kpis.overtime_h else "-",
            f"{kpis.changeovers} ({kpis.changeover_min:,.0f} min)",
            str(kpis.moved_orders),
            f"{kpis.cost:,.0f}",
            "-" if option.label == "hold" else against_hold(option, currency),
        )
    return table


def _change(change: RunChange) -> str:
    return f"{change.run_id} {change.field.removesuffix('_id')} {change.before} -> {change.after}: {change.because}"


def _print(table: Table, console: Console) -> None:
    if not console.is_terminal:  # for files and pipes: a row is a line, whatever its length
        console = Console(file=console.file, width=WIDE)
    console.print(table)
