"""A picture and its measures as a person reads them in a terminal.

Law: shown, never judged: every number stands in what was published.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from schemas import LineStatus, Measures, OrderProjection
from streams.card_text import print_cards
from streams.picture import Picture
from twin.shopfloor.measures import MeasureRow
from twin.words import time_of

TIGHT_S = 2 * 86_400.0
"""Orders with less slack than this are listed. Smaller: an order is seen when it is late; larger: all are."""

WIDE = 220
"""Columns of a table at most. Smaller: cells are broken into pieces that nobody can read."""

NOTHING = "-"


def print_picture(picture: Picture, zone: ZoneInfo, console: Console) -> None:
    """Cards, lines and tight orders, one after the other."""
    reached = picture.now
    if reached is None:
        console.print("Nothing was folded: no tick of a clock by then.", highlight=False)
        return
    asked = reached if picture.as_of is None else picture.as_of.timestamp()
    print_cards(picture.ranked(), zone, datetime.fromtimestamp(asked, UTC), console)
    if picture.lines:
        _print(_lines_table(picture.lines, zone), "Lines", console)
    tight = tight_orders(picture.projections)
    if tight:
        _print(
            _orders_table(tight, zone), f"Orders with less than {TIGHT_S / 3600.0:.0f} h of slack", console
        )
    console.print(f"As of {time_of(asked, zone)}; last tick {time_of(reached, zone)}.", highlight=False)


def tight_orders(projections: Iterable[OrderProjection]) -> list[OrderProjection]:
    """Projected orders with little slack or none, the tightest first."""
    tight = [
        each
        for each in projections
        if each.status == "projected" and each.slack_s is not None and each.slack_s < TIGHT_S
    ]
    return sorted(tight, key=lambda each: (each.slack_s or 0.0, each.order_id))


def print_measures(rows: Sequence[MeasureRow], zone: ZoneInfo, console: Console) -> None:
    """One row a line, run, area or site: hours, pieces, ratios; a ratio that is not defined is a dash."""
    if not rows:
        console.print("Nothing was measured: no line has been heard of.", highlight=False)
        return
    columns = (
        "what",
        "since",
        "until",
        "PBT h",
        "APT h",
        "AUST h",
        "ADET h",
        "ADOT h",
        "PQ",
        "GQ",
        "SQ",
        "RQ",
    )
    table = Table(*columns, "A %", "E %", "Q %", "OEE %", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*_measured(row, zone))
    _print(table, "", console)


def _measured(row: MeasureRow, zone: ZoneInfo) -> list[str]:
    said: Measures = row.measures
    parts = (row.site_id, row.area_id, row.line_id, row.run_id, row.day, row.shift)
    ratios = (said.availability, said.effectiveness, said.quality, said.oee)
    return [
        "/".join(part for part in parts if part),
        *(NOTHING if at is None else time_of(at.timestamp(), zone) for at in (said.since, said.until)),
        *(f"{s / 3600.0:.2f}" for s in (said.pbt_s, said.apt_s, said.aust_s, said.adet_s, said.adot_s)),
        *(f"{pieces:,.0f}" for pieces in (said.pq, said.gq, said.sq, said.rq)),
        *(NOTHING if ratio is None else f"{ratio * 100.0:.1f}" for ratio in ratios),
    ]


def _lines_table(lines: Sequence[LineStatus], zone: ZoneInfo) -> Table:
    table = Table(
        "line", "state", "run", "attainment", "pace", "OEE today", "last event", box=None, pad_edge=False
    )
    for line in lines:
        oee = None if line.day is None else line.day.oee
        table.add_row(
            line.line_id,
            line.state,
            line.run_id or NOTHING,
            _percent(line.attainment),
            _percent(line.level),
            _percent(oee),
            NOTHING if line.last_event_at is None else time_of(line.last_event_at.timestamp(), zone),
        )
    return table


def _orders_table(orders: Sequence[OrderProjection], zone: ZoneInfo) -> Table:
    names = ("order", "customer", "promised", "ready", "ships", "slack h", "P(late)", "run", "cause")
    table = Table(*names, box=None, pad_edge=False)
    for each in orders:
        times = (each.promised_at, each.ready_at, each.ships_at)
        table.add_row(
            f"#{each.order_id}",
            each.customer_id,
            *(NOTHING if at is None else time_of(at.timestamp(), zone) for at in times),
            NOTHING if each.slack_s is None else f"{each.slack_s / 3600.0:.2f}",
            NOTHING if each.p_late is None else f"{each.p_late:.3f}",
            each.binding_run_id or NOTHING,
            each.binding_cause or NOTHING,
        )
    return table


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share * 100.0:.1f} %"


def _print(table: Table, title: str, console: Console) -> None:
    if not console.is_terminal:  # for files and pipes: a row is a line, whatever its length
        console = Console(file=console.file, width=WIDE)
    if title:
        console.print(title, style="bold", highlight=False)
    console.print(table)
    console.print()
