"""A quote as a person reads it in a terminal.

Law: shown, never judged: every number and word stands on the quote.
"""

from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas import Quote, QuotePosition
from twin.words import plural, time_of

WIDE = 240
"""Columns of a table at most where there is no terminal. Smaller: cells are broken into pieces that nobody can read."""

QUOTE_SHOWN = 10
"""Positions printed unless all are asked for."""


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


def _print(table: Table, console: Console) -> None:
    if not console.is_terminal:  # for files and pipes: a row is a line, whatever its length
        console = Console(file=console.file, width=WIDE)
    console.print(table)
