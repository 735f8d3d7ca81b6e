"""The ledger for people: a table of lines, the sequences that were and could have been, patterns, promises."""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from schemas import LedgerEntry, LedgerRun
from streams.ledger_entries import WHOLE_SITE

NOTHING = "-"
WIDE = 160
"""Width of tables that go to files and pipes."""


def print_ledger(entries: Sequence[LedgerEntry], zone: ZoneInfo, console: Console) -> None:
    """Site by site."""
    if not console.is_terminal:
        console = Console(file=console.file, width=WIDE)
    for site in (entry for entry in entries if entry.line_id == WHOLE_SITE):
        lines = [each for each in entries if each.site_id == site.site_id and each is not site]
        console.print(f"{site.site_id}, {site.week}: made against possible", style="bold", highlight=False)
        console.print(_table([*lines, site]))
        for text in (*_sequences(lines, zone), *_patterns(site), *_promises(site), *_remarks(site)):
            console.print(text, highlight=False, markup=False)
        console.print()


def _table(entries: Sequence[LedgerEntry]) -> Table:
    columns = (
        "line",
        "runs",
        "orders",
        "late",
        "changeovers",
        "setup min",
        "late h",
        "money",
        "utilization %",
        "points",
    )
    table = Table(*columns, box=None, pad_edge=False)
    for each in entries:
        table.add_row(
            "all" if each.line_id == WHOLE_SITE else each.line_id,
            str(each.runs),
            str(each.orders),
            _pair(each.late_orders, each.late_orders_possible, 0),
            _pair(each.changeovers_run, each.changeovers_needed, 0),
            _pair(each.setup_min_run, each.setup_min_needed, 0),
            _pair(each.tardiness_h, each.tardiness_possible_h, 1),
            f"{_pair(each.money, each.money_possible, 0)} {each.currency}",
            NOTHING
            if each.utilization is None or each.utilization_possible is None
            else _pair(100.0 * each.utilization, 100.0 * each.utilization_possible, 1),
            NOTHING if each.utilization_points is None else f"{each.utilization_points:.1f}",
        )
    return table


def _pair(made: float, possible: float, digits: int) -> str:
    same = f"{made:,.{digits}f}" == f"{possible:,.{digits}f}"
    return f"{made:,.{digits}f}" if same else f"{made:,.{digits}f} > {possible:,.{digits}f}"


def _sequences(lines: Sequence[LedgerEntry], zone: ZoneInfo) -> Iterator[str]:
    for line in lines:
        if [run.run_id for run in line.sequence_run] == [run.run_id for run in line.sequence_possible]:
            continue
        yield f"{line.line_id} ran       {_sequence(line.sequence_run, zone)}"
        yield f"{' ' * len(line.line_id)} could have {_sequence(line.sequence_possible, zone)}"


def _sequence(runs: Sequence[LedgerRun], zone: ZoneInfo) -> str:
    parts = []
    for run in runs:
        setup = f"[{run.setup_min:.0f} min] " if run.setup_min else ""
        family = "" if run.family is None else f" {run.family}"
        parts.append(f"{setup}{run.run_id}{family} {run.start_at.astimezone(zone):%a %H:%M}")
    return ", ".join(parts)


def _patterns(site: LedgerEntry) -> Iterator[str]:
    for each in site.patterns:
        yield (
            f"late again and again: {each.dimension} {each.value}, {each.late} of {each.orders} orders in {each.weeks} "
            f"weeks, others {each.others_late} of {each.others} (chance {each.chance:.1g})"
        )


def _promises(site: LedgerEntry) -> Iterator[str]:
    for each in site.commitments:
        waiting = f", {each.open_orders} still to leave" if each.open_orders else ""
        yield (
            f"{each.proposal_id} ({each.label}): {each.came['orders']:.0f} orders; promised "
            f"{each.promised['late_orders']:.0f} late, {each.promised['total_slip_h']:.1f} h, {each.promised['penalty']:,.0f}; "
            f"came {each.came['late_orders']:.0f} late, {each.came['total_slip_h']:.1f} h, {each.came['penalty']:,.0f}{waiting}"
        )


def _remarks(site: LedgerEntry) -> Iterator[str]:
    if site.tardiness_really_h is not None:
        yield f"really left late, by what shipped: {site.tardiness_really_h:,.1f} h"
    for each in site.caveats:
        yield f"note: {each}"
    for each in site.violations:
        yield f"THE PLAN WITH HINDSIGHT FAILS THE CHECK: {each}"
