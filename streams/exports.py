"""Cards, plan changes and dead letters as tables that open in a spreadsheet: dates are dates, nothing is a formula."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas import Card, DeadLetter, PlanChange, UsageError, topics
from streams.adapters.mapping_file import mappings_for
from streams.desk import read_cards
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader
from streams.picture import picture_from_files
from streams.settings import Settings
from streams.web.csv_text import csv_rows
from streams.workbook_writer import write_workbook

CELL_CHARS_MAX: Final = 32_000
"""Characters of a cell; what is beyond is cut. A spreadsheet takes 32,767 and calls a file with more damaged."""

ROWS_MAX: Final = 1_000_000
"""Rows of a table. A sheet holds 1,048,576; a table beyond it is refused, and not cut."""


@dataclass(slots=True)
class ExportTable:
    """A table.

    Attributes:
        name: of the sheet.
        columns: names.
        rows: cells: text, numbers, moments without zone in the zone that was asked for, None.
        zone: of the moments, in words for people.
    """

    name: str
    columns: Sequence[str]
    zone: str
    rows: list[list[Any]] = field(default_factory=list)


def export_table(
    what: str,
    files: Sequence[Path] | None,
    mapping: Sequence[Path] | None,
    settings: Settings,
    site_id: str | None,
    zone: str,
    tick_s: int,
) -> ExportTable:
    """The table of something.

    Args:
        what: cards, plan-changes or dead-letters.
        files: of events, for cards; None: Kafka.
        mapping: of tables among the files.
        settings: where Kafka is.
        site_id: only of this site; None: of all.
        zone: in which moments are written.
        tick_s: of files that hold no ticks.

    Raises:
        UsageError: files were given for something else than cards, or there are too many rows.
        KafkaException: the broker does not answer.
    """
    if files and what != "cards":
        raise UsageError(f"{what} are on Kafka alone: leave the files out, and name the broker with --kafka")
    if what == "cards":
        if files:
            cards = picture_from_files(files, mappings_for(files, mapping), None, tick_s).ranked()
        else:
            cards = read_cards(settings)
        table = card_table([card for card in cards if site_id in (None, card.site_id)], zone)
    elif what == "plan-changes":
        changes = [PlanChange.model_validate_json(value) for value in _values(settings, topics.PLAN_CHANGES)]
        table = change_table([each for each in changes if site_id in (None, each.site_id)], zone)
    else:
        letters = [DeadLetter.model_validate_json(value) for value in _values(settings, topics.DEAD_LETTERS)]
        table = letter_table(letters, zone)
    if len(table.rows) > ROWS_MAX:
        raise UsageError(f"{len(table.rows):,} {what} are more than a sheet holds; ask for one site (--site)")
    return table


def card_table(cards: Sequence[Card], zone: str) -> ExportTable:
    """A card a row, the most urgent first."""
    columns = (
        *(
            "rank",
            "severity",
            "state",
            "kind",
            "title",
            "owner",
            "deadline",
            "deadline because",
            "penalty",
            "exposure",
        ),
        *("currency", "orders", "cause", "site", "opened at", "as of", "revision", "card id"),
    )
    table = ExportTable("cards", columns, zone)
    local = ZoneInfo(zone)
    for card in cards:
        orders = ", ".join(each.order_id for each in card.affected)
        impact = card.impact
        table.rows.append(
            [
                *(
                    card.rank,
                    str(card.severity),
                    str(card.state),
                    str(card.kind),
                    card.title,
                    card.owner.name,
                ),
                *(
                    _local(card.deadline, local),
                    card.deadline_because,
                    impact.parts.get("penalty"),
                    impact.exposure,
                ),
                *(impact.currency, orders, card.cause.in_words, card.site_id, _local(card.opened_at, local)),
                *(_local(card.as_of, local), card.revision, card.card_id),
            ]
        )
    return table


def change_table(changes: Sequence[PlanChange], zone: str) -> ExportTable:
    """A plan change a row, in the order of the topic."""
    columns = (
        *(
            "action",
            "order",
            "run",
            "of run",
            "item",
            "line",
            "start",
            "end",
            "quantity",
            "overtime window",
            "hours",
        ),
        *("because", "site", "proposal id", "option id", "change id"),
    )
    table = ExportTable("plan changes", columns, zone)
    local = ZoneInfo(zone)
    table.rows = [
        [
            *(each.action, each.order_id, each.run_id, each.of_run_id, each.item_id, each.line_id),
            *(
                _local(each.start_at, local),
                _local(each.end_at, local),
                each.quantity_pcs,
                each.window_id,
                each.hours,
            ),
            *(each.because, each.site_id, each.proposal_id, each.option_id, each.change_id),
        ]
        for each in changes
    ]
    return table


def letter_table(letters: Sequence[DeadLetter], zone: str) -> ExportTable:
    """A dead letter a row, with what it held as text."""
    columns = ("code", "field", "message", "topic", "partition", "offset", "index", "sent at", "payload")
    table = ExportTable("dead letters", columns, zone)
    local = ZoneInfo(zone)
    for each in letters:
        sent = None
        if each.source_timestamp_ms is not None:
            sent = datetime.fromtimestamp(each.source_timestamp_ms / 1_000, local).replace(tzinfo=None)
        payload = base64.b64decode(each.payload_base64).decode("utf-8", errors="replace")
        table.rows.append(
            [
                *(each.code, each.field_path, each.message, each.source_topic, each.source_partition),
                *(each.source_offset, each.index, sent, payload),
            ]
        )
    return table


def write_table(out: Path, table: ExportTable, *, semicolons: bool = False) -> None:
    """Write a table to a file, as its name ends.

    Args:
        out: .xlsx or .csv; it is written anew.
        table: what it holds.
        semicolons: of CSV: as spreadsheets of countries with a decimal comma read it.

    Raises:
        UsageError: it ends otherwise, or cannot be written.
    """
    rows = [[_cut(cell) for cell in row] for row in table.rows]
    try:
        if out.suffix.lower() == ".xlsx":
            write_workbook(out, table.name, table.columns, rows, note=f"times are of {table.zone}")
        elif out.suffix.lower() == ".csv":
            separators = {"delimiter": ";", "decimal": ","} if semicolons else {}
            # With a byte order mark: without it a spreadsheet takes the encoding of its country.
            text = csv_rows(
                [table.columns, *([_csv_cell(cell) for cell in row] for row in rows)], **separators
            )
            out.write_text(text, encoding="utf-8-sig", newline="")
        else:
            raise UsageError(f"{out}: only .xlsx and .csv are written")
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {error}") from None


def _cut(cell: Any) -> Any:
    return cell[:CELL_CHARS_MAX] if isinstance(cell, str) else cell


def _csv_cell(cell: Any) -> Any:
    return cell.isoformat(sep=" ", timespec="seconds") if isinstance(cell, datetime) else cell


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """As a clock on the wall shows it: spreadsheets know no zones."""
    return None if moment is None else moment.astimezone(zone).replace(tzinfo=None)


def _values(settings: Settings, name: str) -> list[bytes]:
    topic = settings.topic_prefix + name
    with reader(settings.client_config(), "read_committed") as consumer:
        found = [
            message.value()
            for partition in range(partition_count(consumer, topic))
            for message in read_to_end(consumer, topic, partition)
        ]
    return [value for value in found if isinstance(value, bytes)]
