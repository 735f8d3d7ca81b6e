"""What becomes of a table by a mapping, before anything is published: `foresite map check`."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from schemas import MODEL_OF_KIND
from schemas.field_words import field_words
from streams.adapters.mapper import MappedRow, map_file
from streams.adapters.mapping import Mapping
from streams.adapters.mapping_checks import GIVEN_FIELDS
from streams.adapters.tabular import find_header, table_records

NUMBERING = frozenset({"source_id", "source_sequence"})
"""Fields of gateways that number what they send; tables do not."""

Refusals = dict[tuple[str, str], tuple[int, int, str]]
"""Code and column -> how often, in which row first, and why."""


@dataclass(slots=True)
class MapCheck:
    """What a table comes to.

    Attributes:
        header_row: where the names of the columns stand.
        unread: columns that the mapping does not read.
        first: the first rows.
        rows: below the header; ignored: of them, by reason.
        events: by kind.
        refused: rows by code and column.
        could_say: field -> meaning, of the kinds that it makes and does not fill.
    """

    header_row: int
    unread: list[str]
    first: list[MappedRow] = field(default_factory=list)
    rows: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    refused: Refusals = field(default_factory=dict)
    could_say: dict[str, str] = field(default_factory=dict)

    @property
    def refused_rows(self) -> int:
        """How many rows are dead letters."""
        return sum(count for count, _, _ in self.refused.values())


def check_mapping(path: Path, mapping: Mapping, shown: int) -> MapCheck:
    """Map the whole table and keep what is worth telling. Memory stays flat.

    Args:
        path: of the table.
        mapping: of it.
        shown: how many of the first rows are kept.

    Raises:
        UsageError: the file or its header is not what the mapping says.
    """
    columns = mapping.columns()
    header = find_header(path, table_records(path, mapping.format), mapping.format, columns)
    check = MapCheck(header.number, [name for name in header.names if name not in columns])
    for row in map_file(path, mapping):
        check.rows += row.rows
        if len(check.first) < shown or (row.problem is not None and not check.refused):
            check.first.append(row)
        if row.ignored is not None:
            check.ignored[row.ignored] += 1
        if row.problem is not None:
            place = (row.problem.code.value, row.problem.field_path)
            count, number, why = check.refused.get(place, (0, row.number, str(row.problem)))
            check.refused[place] = (count + row.rows, number, why)
        check.events.update(body["kind"] for body in row.bodies)
    for rule in mapping.events:
        model = MODEL_OF_KIND[rule.kind]
        words = field_words(model)
        for name in model.model_fields:
            if name not in GIVEN_FIELDS | NUMBERING | rule.fields.keys() | mapping.fields.keys():
                check.could_say[f"{rule.kind}.{name}"] = words.get(name, "")
    return check
