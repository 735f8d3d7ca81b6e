"""Rows of a table to the bodies of our events, by a mapping. Pure but for the reading of the file.

Law: a row becomes all its events, or one dead letter with code and column, or is ignored by name; never less, and
never half of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from schemas import MODEL_OF_KIND, BadRecord, ReasonCode, UsageError
from streams.adapters.cell_values import parse_number, parse_time
from streams.adapters.gathering import Part, joined
from streams.adapters.mapping import PLACEHOLDER, Condition, EventRule, Mapping, Source
from streams.adapters.tabular import Row, is_workbook, read_rows
from streams.adapters.workbook import FaultyCell

Cells = dict[str, str]
Values = dict[str, Any]

GATHERED_ROWS_MAX: Final = 100_000
"""Rows of a file that wait for the others of their group. Too small: a large bill of material is refused; too large: one
file fills the memory."""


@dataclass(frozen=True, slots=True)
class MappedRow:
    """What became of one row.

    Attributes:
        number: as a spreadsheet numbers it.
        bodies: its events.
        ignored: why the mapping leaves it out on purpose.
        problem: why it is a dead letter; its field_path is the column.
        cells: what it held, as far as it could be read.
        parts: what it adds to events that several rows make together.
        rows: how many rows it speaks of: none while it waits for the others of its group, then all of them.
    """

    number: int
    bodies: tuple[dict[str, Any], ...] = ()
    ignored: str | None = None
    problem: BadRecord | None = None
    cells: Cells | None = None
    parts: tuple[Part, ...] = ()
    rows: int = 1


def map_file(path: Path, mapping: Mapping) -> Iterator[MappedRow]:
    """Map every row of a file, in order.

    A mapping that asks for the last row of a group reads the file twice and keeps one number a group.

    Raises:
        UsageError: the file or its header is not what the mapping says.
    """
    mapping = as_in(path, mapping)
    columns = mapping.columns()
    groups = _last_rows(path, mapping) if _group_templates(mapping) else {}
    mapper = RowMapper(mapping, groups)
    rows = (mapper.map_row(row) for row in read_rows(path, mapping.format, columns))
    yield from gathered(rows, mapping.mapping) if any(rule.gather for rule in mapping.events) else rows


def as_in(path: Path, mapping: Mapping) -> Mapping:
    """The mapping for this file: dates of a workbook come as RFC 3339, whatever the formats of its texts are."""
    formats = mapping.format.time_formats
    if not is_workbook(path) or "iso" in formats:
        return mapping
    layout = mapping.format.model_copy(update={"time_formats": [*formats, "iso"]})
    return mapping.model_copy(update={"format": layout})


def gathered(rows: Iterable[MappedRow], mapping: str) -> Iterator[MappedRow]:
    """Rows as they come, and behind the last one the events that several of them make together."""
    groups: dict[tuple[str, str], list[tuple[int, Part]]] = {}
    held = 0
    for row in rows:
        yield row
        for part in row.parts:
            groups.setdefault((part.kind, part.group), []).append((row.number, part))
            held += 1
        if held > GATHERED_ROWS_MAX:
            raise UsageError(
                f"more than {GATHERED_ROWS_MAX:,} rows are gathered to events; split the file by group"
            )
    for (kind, group), parts in groups.items():
        last = parts[-1][0]
        whole = sum(part.body is not None for _, part in parts)
        broken = next((number for number, part in parts if part.body is None), None)
        if broken is not None:
            why = f"row {broken} of the {kind} of {group!r} was refused, and half of it is none"
            yield MappedRow(last, problem=BadRecord(ReasonCode.SCHEMA, why), rows=whole)
        else:
            bodies = [part.body for _, part in parts if part.body is not None]
            yield MappedRow(last, bodies=(joined(bodies, mapping, group),), rows=whole)


class RowMapper:
    """Applies a mapping to one row at a time.

    Args:
        mapping: what to do.
        last_rows: number of the last row of each (template, group), for conditions that ask for it.
    """

    def __init__(self, mapping: Mapping, last_rows: dict[tuple[str, str], int] | None = None) -> None:
        self._mapping = mapping
        self._last_rows = last_rows or {}
        self._zone = mapping.format.zone_info

    def map_row(self, row: Row) -> MappedRow:
        """The events of the row, or why there are none."""
        if isinstance(row.cells, BadRecord):
            return MappedRow(row.number, problem=row.cells)
        cells = dict(row.cells)
        try:
            values = self.values(cells)
            for rule in self._mapping.ignore:
                if self.holds(rule.when, row.number, cells, values):
                    return MappedRow(row.number, ignored=rule.because, cells=cells)
            bodies, parts = self._bodies(row.number, cells, values)
        except BadRecord as problem:
            return MappedRow(row.number, problem=problem, cells=cells, parts=self._broken_parts(cells))
        return MappedRow(row.number, bodies=bodies, cells=cells, parts=parts, rows=1 if bodies else 0)

    def _broken_parts(self, cells: Cells) -> tuple[Part, ...]:
        """The groups that a refused row would have been part of, as far as that can be told."""
        parts = []
        for rule in self._mapping.events:
            if rule.gather is not None:
                try:
                    parts.append(Part(rule.kind, self._filled(rule.gather, cells, self.values(cells)), None))
                except BadRecord:
                    continue
        return tuple(parts)

    def values(self, cells: Cells) -> Values:
        """The mapping's intermediate results for the row.

        Raises:
            BadRecord: a cell is not what the mapping says.
        """
        values: Values = {}
        for name, source in self._mapping.values.items():
            values[name] = self.result(source, cells, values)
        return values

    def result(self, source: Source, cells: Cells, values: Values) -> Any:
        """What a source gives for the row; None where an optional cell is empty.

        Raises:
            BadRecord: a cell is not what the mapping says.
        """
        if source.constant is not None:
            return source.constant
        if source.value is not None:
            return values[source.value]
        if source.template is not None:
            return self._filled(source.template, cells, values)
        if source.list is not None:
            return [self._block(block, cells, values) for block in source.list]
        if source.time is not None and PLACEHOLDER.search(source.time):
            return self._moment(source, source.time, cells, values)
        column = source.column or source.time or source.number
        assert column is not None, "a source has one form"
        text = cell_text(cells, column)
        if not text:
            if source.optional or source.default is not None:
                return source.default
            raise BadRecord(ReasonCode.SCHEMA, f"column {column!r} is empty", column)
        if source.time is not None:
            return self._moment(source, None, cells, values)
        if source.number is not None:
            number = parse_number(text, self._mapping.format, column, source.unit) * (source.times or 1)
            return _whole_if_whole(number)
        if source.map is not None:
            table = self._mapping.maps[source.map]
            if text not in table:
                raise BadRecord(ReasonCode.SCHEMA, f"{text!r} is not in the map {source.map!r}", column)
            return table[text]
        return text

    def _block(self, block: dict[str, Source], cells: Cells, values: Values) -> dict[str, Any]:
        found = {name: self.result(source, cells, values) for name, source in block.items()}
        return {name: result for name, result in found.items() if result is not None}

    def holds(self, conditions: list[Condition], number: int, cells: Cells, values: Values) -> bool:
        """Whether all conditions hold for the row."""
        return all(self._one_holds(condition, number, cells, values) for condition in conditions)

    def _one_holds(self, condition: Condition, number: int, cells: Cells, values: Values) -> bool:
        if condition.last_of is not None:
            group = self._filled(condition.last_of, cells, values)
            return self._last_rows.get((condition.last_of, group)) == number
        if condition.column is not None:
            subject: Any = cell_text(cells, condition.column)
        else:
            subject = values[condition.value or ""]
        text = "" if subject is None else str(subject)
        if condition.equals is not None:
            return text == str(condition.equals)
        if condition.not_equals is not None:
            return text != str(condition.not_equals)
        if condition.one_of is not None:
            return text in map(str, condition.one_of)
        if condition.not_one_of is not None:
            return text not in map(str, condition.not_one_of)
        if condition.empty is not None:
            return (not text) is condition.empty
        assert condition.above is not None, "a condition has one test"
        if isinstance(subject, str):
            subject = parse_number(subject, self._mapping.format, condition.column or condition.value or "")
        return subject is not None and subject > condition.above

    def _filled(self, template: str, cells: Cells, values: Values) -> str:
        def text_of(name: str) -> str:
            given = values[name] if name in values else cell_text(cells, name)
            if given is None or given == "":
                raise BadRecord(ReasonCode.SCHEMA, f"{name!r} is empty and stands in {template!r}", name)
            return str(given)

        return PLACEHOLDER.sub(lambda found: text_of(found[1]), template)

    def _moment(self, source: Source, template: str | None, cells: Cells, values: Values) -> str | None:
        assert source.time is not None, "a source has one form"
        column = source.time if template is None else PLACEHOLDER.findall(template)[0]
        if template is None:
            text = cell_text(cells, column)
        elif source.optional and not all(values.get(name) or cells.get(name) for name in source.placeholders):
            return None
        else:
            text = self._filled(template, cells, values)
        moment = parse_time(text, self._mapping.format, column, source.at)
        for minutes, sign in ((source.minus_minutes, -1), (source.plus_minutes, 1)):
            if minutes is None:
                continue
            blamed = minutes if isinstance(minutes, str) else column
            if isinstance(minutes, str):
                minutes = parse_number(cell_text(cells, minutes), self._mapping.format, minutes)  # noqa: PLW2901
            try:
                moment += timedelta(minutes=sign * minutes)
            except OverflowError:
                raise BadRecord(ReasonCode.RANGE, f"{minutes} minutes are too many", blamed) from None
        return (moment.astimezone(self._zone) if self._zone else moment).isoformat()

    def _bodies(
        self, number: int, cells: Cells, values: Values
    ) -> tuple[tuple[dict[str, Any], ...], tuple[Part, ...]]:
        row_id = self._row_id(number, cells, values)
        bodies: list[dict[str, Any]] = []
        parts: list[Part] = []
        seen: dict[str, int] = {}
        for rule in self._mapping.events:
            seen[rule.kind] = seen.get(rule.kind, 0) + 1
            if not self.holds(rule.when, number, cells, values):
                continue
            nth = "" if seen[rule.kind] == 1 else f"-{seen[rule.kind]}"
            body = {"kind": rule.kind, "event_id": f"{self._mapping.mapping}/{row_id}/{rule.kind}{nth}"}
            model = MODEL_OF_KIND[rule.kind]
            sources = {
                name: source for name, source in self._mapping.fields.items() if name in model.model_fields
            }
            for name, source in (sources | rule.fields).items():
                result = self.result(source, cells, values)
                if result is not None:
                    body[name] = result
            _check(rule, sources, body)
            if rule.gather is None:
                bodies.append(body)
            else:
                parts.append(Part(rule.kind, self._filled(rule.gather, cells, values), body))
        if not bodies and not parts:
            raise BadRecord(
                ReasonCode.SCHEMA, "no event of the mapping fits this row, and no ignore rule either"
            )
        return tuple(bodies), tuple(parts)

    def _row_id(self, number: int, cells: Cells, values: Values) -> str:
        if self._mapping.row_id is not None:
            return self._filled(self._mapping.row_id, cells, values)
        # The number alone would make row 2 of tomorrow's file a repeat of row 2 of today's.
        content = "\x1f".join(f"{name}\x1e{cell}" for name, cell in cells.items())
        return f"{number}-{blake2b(content.encode(), digest_size=5).hexdigest()}"


def cell_text(cells: Cells, column: str) -> str:
    """Text of a cell.

    Raises:
        BadRecord: the cell holds an error, or is covered by another one.
    """
    cell = cells[column]
    if isinstance(cell, FaultyCell):
        raise BadRecord(ReasonCode.SCHEMA, f"column {column!r} {cell}", column)
    return cell


def _whole_if_whole(number: float) -> float | int:
    return int(number) if number.is_integer() else number


def _check(rule: EventRule, shared: dict[str, Source], body: dict[str, Any]) -> None:
    """Let the event's own model judge the body, and blame the column that the offending field came from."""
    try:
        MODEL_OF_KIND[rule.kind].model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else first["type"].partition(":")[2]
        source = rule.fields.get(field) or shared.get(field)
        if source is not None and source.list is not None:
            field = ".".join(map(str, first["loc"]))
            source = dict(source.parts()).get(".".join(map(str, first["loc"][1:])))
        columns = [] if source is None else [*source.columns, *source.placeholders]
        raise BadRecord(
            _reason(first["type"]), f"{rule.kind}.{field}: {first['msg']}", columns[0] if columns else field
        ) from None


def _reason(error_type: str) -> ReasonCode:
    if error_type.startswith(("greater_than", "less_than", "finite_number", "range")):
        return ReasonCode.RANGE
    if error_type.startswith(("time", "datetime", "timezone")):
        return ReasonCode.TIME
    return ReasonCode.SCHEMA


def _group_templates(mapping: Mapping) -> list[str]:
    found = (condition.last_of for _, condition in mapping.conditions())
    return list(dict.fromkeys(template for template in found if template is not None))


def _last_rows(path: Path, mapping: Mapping) -> dict[tuple[str, str], int]:
    """Number of the last row of every group; rows that cannot be read belong to none."""
    mapper = RowMapper(mapping)
    last: dict[tuple[str, str], int] = {}
    for row in read_rows(path, mapping.format, mapping.columns()):
        if isinstance(row.cells, BadRecord):
            continue
        cells = dict(row.cells)
        for template in _group_templates(mapping):
            try:
                last[template, mapper._filled(template, cells, mapper.values(cells))] = row.number
            except BadRecord:
                continue
    return last
