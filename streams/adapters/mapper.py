"""Rows of a table to the bodies of our events, by a mapping. Pure but for the reading of the file.

Law: a row becomes all its events, or one dead letter with code and column, or is ignored by name; never less, and
never half of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from schemas import MODEL_OF_KIND, BadRecord, ReasonCode
from streams.adapters.mapping import PLACEHOLDER, Condition, EventRule, FileFormat, Mapping, Source
from streams.adapters.tabular import Row, read_rows

Cells = dict[str, str]
Values = dict[str, Any]

_NUMBER_LETTERS: Final = frozenset("0123456789+-.eE")
_CODE_OF_ERROR: Final = {"time": ReasonCode.TIME, "range": ReasonCode.RANGE}


@dataclass(frozen=True, slots=True)
class MappedRow:
    """What became of one row.

    Attributes:
        number: as a spreadsheet numbers it.
        bodies: its events.
        ignored: why the mapping leaves it out on purpose.
        problem: why it is a dead letter; its field_path is the column.
        cells: what it held, as far as it could be read.
    """

    number: int
    bodies: tuple[dict[str, Any], ...] = ()
    ignored: str | None = None
    problem: BadRecord | None = None
    cells: Cells | None = None


def map_file(path: Path, mapping: Mapping) -> Iterator[MappedRow]:
    """Map every row of a file, in order.

    A mapping that asks for the last row of a group reads the file twice and keeps one number a group.

    Raises:
        UsageError: the file or its header is not what the mapping says.
    """
    columns = mapping.columns()
    groups = _last_rows(path, mapping) if _group_templates(mapping) else {}
    mapper = RowMapper(mapping, groups)
    for row in read_rows(path, mapping.format, columns):
        yield mapper.map_row(row)


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
            bodies = self._bodies(row.number, cells, values)
        except BadRecord as problem:
            return MappedRow(row.number, problem=problem, cells=cells)
        return MappedRow(row.number, bodies=bodies, cells=cells)

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
        column = source.column or source.time or source.number
        assert column is not None, "a source has one form"
        text = cells[column]
        if not text:
            if source.optional or source.default is not None:
                return source.default
            raise BadRecord(ReasonCode.SCHEMA, f"column {column!r} is empty", column)
        if source.time is not None:
            return self._moment(source, text, cells)
        if source.number is not None:
            return _whole_if_whole(parse_number(text, self._mapping.format, column) * (source.times or 1))
        if source.map is not None:
            table = self._mapping.maps[source.map]
            if text not in table:
                raise BadRecord(ReasonCode.SCHEMA, f"{text!r} is not in the map {source.map!r}", column)
            return table[text]
        return text

    def holds(self, conditions: list[Condition], number: int, cells: Cells, values: Values) -> bool:
        """Whether all conditions hold for the row."""
        return all(self._one_holds(condition, number, cells, values) for condition in conditions)

    def _one_holds(self, condition: Condition, number: int, cells: Cells, values: Values) -> bool:
        if condition.last_of is not None:
            group = self._filled(condition.last_of, cells, values)
            return self._last_rows.get((condition.last_of, group)) == number
        subject = cells[condition.column] if condition.column is not None else values[condition.value or ""]
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
            given = values[name] if name in values else cells[name]
            if given is None or given == "":
                raise BadRecord(ReasonCode.SCHEMA, f"{name!r} is empty and stands in {template!r}", name)
            return str(given)

        return PLACEHOLDER.sub(lambda found: text_of(found[1]), template)

    def _moment(self, source: Source, text: str, cells: Cells) -> str:
        assert source.time is not None, "a source has one form"
        moment = parse_time(text, self._mapping.format, source.time)
        for column, sign in ((source.minus_minutes, -1), (source.plus_minutes, 1)):
            if column is not None:
                minutes = parse_number(cells[column], self._mapping.format, column)
                try:
                    moment += timedelta(minutes=sign * minutes)
                except OverflowError:
                    raise BadRecord(
                        ReasonCode.RANGE, f"{cells[column]!r} minutes are too many", column
                    ) from None
        return (moment.astimezone(self._zone) if self._zone else moment).isoformat()

    def _bodies(self, number: int, cells: Cells, values: Values) -> tuple[dict[str, Any], ...]:
        row_id = self._row_id(number, cells, values)
        bodies: list[dict[str, Any]] = []
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
            bodies.append(body)
        if not bodies:
            raise BadRecord(
                ReasonCode.SCHEMA, "no event of the mapping fits this row, and no ignore rule either"
            )
        return tuple(bodies)

    def _row_id(self, number: int, cells: Cells, values: Values) -> str:
        if self._mapping.row_id is not None:
            return self._filled(self._mapping.row_id, cells, values)
        # The number alone would make row 2 of tomorrow's file a repeat of row 2 of today's.
        content = "\x1f".join(f"{name}\x1e{cell}" for name, cell in cells.items())
        return f"{number}-{blake2b(content.encode(), digest_size=5).hexdigest()}"


def parse_number(text: str, layout: FileFormat, column: str) -> float:
    """The number that a cell holds.

    Raises:
        BadRecord: it holds none, or an infinite one.
    """
    plain = text if layout.thousands is None else text.replace(layout.thousands, "")
    if layout.decimal != ".":
        plain = plain.replace(".", "?").replace(layout.decimal, ".")
    try:
        # float() alone would take "1_000", "nan" and the digits of every script.
        number = float(plain) if _NUMBER_LETTERS.issuperset(plain) else None
    except ValueError:
        number = None
    if number is None:
        shape = f"decimal {layout.decimal!r}, thousands {layout.thousands!r}"
        raise BadRecord(ReasonCode.SCHEMA, f"{text!r} is no number ({shape})", column)
    if not isfinite(number):
        raise BadRecord(ReasonCode.RANGE, f"{text!r} is no finite number", column)
    return number


def parse_time(text: str, layout: FileFormat, column: str) -> datetime:
    """The moment that a cell holds, in UTC: minutes are added to it, and local time counts them wrong at clock changes.

    Raises:
        BadRecord: it is in none of the formats, names no zone where the mapping has none, or is an hour that the
            clock skips or repeats.
    """
    for pattern in layout.time_formats:
        try:
            parsed = datetime.fromisoformat(text) if pattern == "iso" else datetime.strptime(text, pattern)  # noqa: DTZ007  # the zone follows
        except ValueError:
            continue
        break
    else:
        raise BadRecord(ReasonCode.TIME, f"{text!r} fits none of {', '.join(layout.time_formats)}", column)
    if parsed.tzinfo is not None:
        return parsed.astimezone(UTC)
    zone = layout.zone_info
    if zone is None:
        raise BadRecord(ReasonCode.TIME, f"{text!r} has no zone, and format.zone gives none", column)
    first, second = parsed.replace(tzinfo=zone, fold=0), parsed.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC)
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != parsed:
        raise BadRecord(
            ReasonCode.TIME, f"{text!r} does not exist in {layout.zone}: the clock was set forward", column
        )
    if layout.repeated_hour is None:
        raise BadRecord(
            ReasonCode.TIME,
            f"{text!r} exists twice in {layout.zone}; format.repeated_hour may say which",
            column,
        )
    return (first if layout.repeated_hour == "first" else second).astimezone(UTC)


def _whole_if_whole(number: float) -> float | int:
    return int(number) if number.is_integer() else number


def _check(rule: EventRule, shared: dict[str, Source], body: dict[str, Any]) -> None:
    """Let the event's own model judge the body, and blame the column that the offending field came from."""
    try:
        MODEL_OF_KIND[rule.kind].model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        source = rule.fields.get(field) or shared.get(field)
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
