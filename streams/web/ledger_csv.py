"""The ledger as a table for spreadsheets: a line a week and production line, figures only."""

from collections.abc import Callable
from typing import Final

from schemas import LedgerEntry
from streams.web.csv_text import csv_text
from streams.web.view import View

COLUMNS: Final = (
    *("week", "site_id", "line_id", "currency", "runs", "orders", "late_orders", "late_orders_possible"),
    *("changeovers_run", "changeovers_needed", "changeovers_avoidable", "setup_min_run", "setup_min_needed"),
    *("tardiness_h", "tardiness_possible_h", "tardiness_really_h", "money", "money_possible"),
    *("utilization", "utilization_possible", "utilization_points", "as_of"),
)


def ledger_csv(view: View, is_wanted: Callable[[LedgerEntry], bool], site_id: str | None) -> str:
    """All entries for which it holds, by week, site and line."""
    with view.reading():
        models = [each.model for each in view.ledger.matching(lambda each: site_id in (None, each.site_id))]
    entries = [each for each in models if isinstance(each, LedgerEntry) and is_wanted(each)]
    entries.sort(key=lambda each: (each.week, each.site_id, each.line_id))
    return csv_text(COLUMNS, ([getattr(entry, name) for name in COLUMNS] for entry in entries))
