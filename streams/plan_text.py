"""Plans, options and quotes as a person reads them in a terminal.

Law: shown, never judged: every number stands in the plan, the proposal or the quote.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twin.forecast.line_plans import LinePlan, OrderInPlan, RunInPlan
from twin.words import plural, time_of

NOTHING = "-"

WIDE = 240
"""Columns of a table at most where there is no terminal. Smaller: cells are broken into pieces that nobody can read."""


def plan_records(lines: Iterable[LinePlan], as_of: float | None) -> Iterable[dict[str, Any]]:
    """The plan for machines: a record a line, times as RFC 3339."""
    at = None if as_of is None else _rfc(as_of)
    for line in lines:
        record = asdict(line)
        for run, body in zip(line.runs, record["runs"], strict=True):
            for name in ("planned_start", "planned_end", "start_at", "end_at"):
                body[name] = _rfc(body[name])
            body["is_late"] = run.is_late
            for order, said in zip(run.orders, body["orders"], strict=True):
                for name in ("promised", "truck", "ships_at"):
                    said[name] = _rfc(said[name])
                said["is_late"] = order.is_late
        yield {"as_of": at, **record}


def print_plan(
    lines: Sequence[LinePlan], as_of: float | None, zone_of: Callable[[str], ZoneInfo], console: Console
) -> None:
    """Each line with its queue; what is late is marked, and counted at the end."""
    if not lines:
        console.print("No line is known.", highlight=False)
        return
    for line in lines:
        console.print(Text.assemble((_heading(line), "bold")))
        if line.runs:
            _print(_queue_table(line, zone_of(line.site_id)), console)
        console.print()
    late = {(line.site_id, order.order_id) for line in lines for order in _late_of(line)}
    runs = sum(len(line.runs) for line in lines)
    when = "" if as_of is None else f" As of {time_of(as_of, zone_of(lines[0].site_id))}."
    console.print(
        f"{plural(runs, 'run')} on {plural(len(lines), 'line')}; {plural(len(late), 'order')} late as things stand.{when}",
        highlight=False,
    )
    if late:
        console.print("next: foresite plan --options ...   (what could be done about it)", highlight=False)


def _heading(line: LinePlan) -> str:
    said = [] if line.state == "UNKNOWN" else [line.state]
    said += [] if line.family is None else [f"set up for {line.family}"]
    said += [] if abs(line.level - 1.0) < 0.005 else [f"at {line.level * 100:.1f} % of its pace"]
    said += [] if line.runs else ["nothing is planned"]
    return f"{line.name} ({line.site_id}/{line.line_id}){': ' if said else ''}{', '.join(said)}"


def _queue_table(line: LinePlan, zone: ZoneInfo) -> Table:
    names = ("", "run", "item", "setup", "starts", "ends", "left", "for", "truck", "ships")
    table = Table(*names, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for run in line.runs:
        orders = run.orders or (None,)
        for index, order in enumerate(orders):
            table.add_row(
                *(_run_cells(run, zone) if index == 0 else ("",) * 7), *_order_cells(order, run, zone)
            )
    return table


def _run_cells(run: RunInPlan, zone: ZoneInfo) -> tuple[str, ...]:
    setup = f"{run.setup_min:.0f} min" if run.setup_min else NOTHING
    starts = run.state if run.bound_by == "running" else _shown(run.start_at, zone)
    family = f" ({run.family})" if run.family and run.family != run.item_id else ""
    return (
        str(run.place),
        run.run_id,
        f"{run.item_id}{family}",
        setup,
        starts,
        _shown(run.end_at, zone),
        f"{run.remaining_pcs:,.0f}",
    )


def _order_cells(order: OrderInPlan | None, run: RunInPlan, zone: ZoneInfo) -> tuple[Text | str, ...]:
    if order is None:
        return ("stock", NOTHING, NOTHING)
    ships: Text | str = _shown(order.ships_at, zone)
    if order.is_late:
        slip = "no departure known" if order.slip_s is None else f"{order.slip_s / 3600.0:.1f} h late"
        other = "" if order.is_last else ", by another run"
        ships = Text(f"{ships}  LATE {slip}{other}", style="bold red")
    return (f"#{order.order_id} {order.customer}", time_of(order.truck, zone), ships)


def _late_of(line: LinePlan) -> Iterable[OrderInPlan]:
    return (order for run in line.runs for order in run.orders if order.is_late)


def _shown(moment: float | None, zone: ZoneInfo) -> str:
    return NOTHING if moment is None else time_of(moment, zone)


def _rfc(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()


def _print(table: Table, console: Console) -> None:
    if not console.is_terminal:  # for files and pipes: a row is a line, whatever its length
        console = Console(file=console.file, width=WIDE)
    console.print(table)
