"""The words of a mapping file: how the rows of a foreign table become our events.

A mapping is data, never code: columns, constants, lookups, templates, times and numbers, and conditions on them. It is
checked as a whole against the models of the events when it is read, so that a typo is found before the first row.
"""

import builtins
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from schemas.base import ClockText, Id
from schemas.plant_model import ZoneName
from streams.adapters.mapping_checks import broken_fields, broken_references

Scalar = StrictBool | StrictInt | float | StrictStr
Minutes = Annotated[float, Field(strict=True, ge=0, le=525_600, allow_inf_nan=False)]
Cell = Annotated[str, Field(strict=True, min_length=1)]
"""Name of a column, as the header spells it without surrounding spaces."""

PLACEHOLDER: Final = re.compile(r"\{([^{}]+)\}")
SOURCE_FORMS: Final = ("constant", "column", "value", "template", "time", "number", "list")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Encoding = Literal[
    "utf-8",
    "utf-16",
    "cp1252",
    "cp1250",
    "cp1251",
    "cp850",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "cp932",
    "gb18030",
]


class FileFormat(_Part):
    """How the file is written. Of a workbook, sheet, zone, times, header_row and fill_down are asked; cells have types.

    Attributes:
        delimiter: between cells; a quoted cell may hold it.
        decimal, thousands: of numbers; a thousands separator is an error unless it is named here, and stands between
            groups of three. " " is any space.
        encoding: a byte order mark in the file goes before it.
        sheet: of a workbook; None: the only one that holds anything.
        zone: of times that say none; None: such a time is an error.
        time_formats: tried in turn, as Python's strptime; "iso" is RFC 3339, "excel" the number of days that a
            spreadsheet shows where a date has lost its format. Dates of a workbook need none.
        repeated_hour: which of the two is meant when the clock is set back; None: such a time is an error.
        header_row: row that holds the names of the columns, counted from 1; None: the first that holds all that the
            mapping reads. What is above is skipped.
        fill_down: columns in which an empty cell means the one above it: merged cells, groups that are named once.
    """

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    encoding: Encoding = "utf-8"
    sheet: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    zone: ZoneName | None = None
    time_formats: Annotated[list[str], Field(min_length=1, max_length=20)] = ["iso"]
    repeated_hour: Literal["first", "second"] | None = None
    header_row: Annotated[int, Field(ge=1, le=1000)] | None = None
    fill_down: Annotated[list[Cell], Field(max_length=50)] = []

    @property
    def zone_info(self) -> ZoneInfo | None:
        """The zone of times that say none."""
        return None if self.zone is None else ZoneInfo(self.zone)

    @model_validator(mode="after")
    def _separators_differ(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError("decimal and thousands are the same character")
        return self


class Source(_Part):
    """Where one field comes from: exactly one form, and what goes with it.

    Attributes:
        constant: the same for every row. A plain scalar in the file means this.
        column: text of a column; `map` looks it up in one of `maps`, and a text that is not there is a dead letter.
        value: a value defined under `values`.
        template: text with columns or values in braces: "{Case ID}@{Machine}".
        time: a column that holds a moment, or a template of several ("{Date} {Hour}"); minus_minutes and plus_minutes
            shift it by that many, or by a column of minutes. `at` is the time of day where a cell holds only a date.
        number: a column that holds a number; `times` converts its unit, `unit` may stand behind it in the cell.
        list: a list of objects, each a block of sources: pegs, shifts, components.
        default: instead of an empty cell. optional: an empty cell leaves the field out. Neither: a dead letter.
    """

    constant: Scalar | None = None
    column: Cell | None = None
    value: Cell | None = None
    template: Cell | None = None
    time: Cell | None = None
    number: Cell | None = None
    list: Annotated[builtins.list[dict[str, "Source"]], Field(min_length=1, max_length=100)] | None = None
    map: Cell | None = None
    minus_minutes: Cell | Minutes | None = None
    plus_minutes: Cell | Minutes | None = None
    at: ClockText | None = None
    unit: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    times: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    default: Scalar | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _scalar_is_constant(cls, given: Any) -> Any:
        return {"constant": given} if isinstance(given, str | int | float) else given

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [name for name in SOURCE_FORMS if getattr(self, name) is not None]
        if len(forms) != 1:
            raise ValueError(
                f"needs exactly one of {', '.join(SOURCE_FORMS)}, has {', '.join(forms) or 'none'}"
            )
        for option, form in (
            ("map", "column"),
            ("minus_minutes", "time"),
            ("plus_minutes", "time"),
            ("at", "time"),
            ("times", "number"),
            ("unit", "number"),
        ):
            if getattr(self, option) is not None and forms != [form]:
                raise ValueError(f"{option} goes with {form}, not with {forms[0]}")
        if forms[0] not in ("column", "time", "number") and (self.optional or self.default is not None):
            raise ValueError(f"default and optional go with column, time and number, not with {forms[0]}")
        if self.optional and self.default is not None:
            raise ValueError("default fills an empty cell, optional leaves it out: choose one")
        return self

    @property
    def placeholders(self) -> builtins.list[str]:
        """Names in the braces of the template, or of the time that is one."""
        return placeholders(self.template) + placeholders(self.time)

    @property
    def columns(self) -> builtins.list[str]:
        """Columns it reads by themselves; placeholders may be columns too."""
        time = None if placeholders(self.time) else self.time
        named = (self.column, time, self.number, self.minus_minutes, self.plus_minutes)
        return [name for name in named if isinstance(name, str)]

    def parts(self) -> Iterator[tuple[str, "Source"]]:
        """Sources inside a list, with their paths below this one."""
        for index, block in enumerate(self.list or []):
            for name, source in block.items():
                yield f"{index}.{name}", source
                yield from ((f"{index}.{name}.{path}", part) for path, part in source.parts())


class Condition(_Part):
    """What must hold for a row: one subject, one test.

    Attributes:
        column, value, last_of: the subject. last_of is a template that names a group of rows; it holds for the last
            row of each group in the file.
        equals, not_equals: the text. one_of, not_one_of: lists of texts. empty: whether the cell is. above: a number.
    """

    column: Cell | None = None
    value: Cell | None = None
    last_of: Cell | None = None
    equals: StrictStr | StrictInt | None = None
    not_equals: StrictStr | StrictInt | None = None
    one_of: Annotated[list[StrictStr | StrictInt], Field(min_length=1)] | None = None
    not_one_of: Annotated[list[StrictStr | StrictInt], Field(min_length=1)] | None = None
    empty: StrictBool | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _one_subject_one_test(self) -> Self:
        subjects = [name for name in ("column", "value", "last_of") if getattr(self, name) is not None]
        if len(subjects) != 1:
            raise ValueError("needs exactly one of column, value, last_of")
        allowed = ("equals", "not_equals", "one_of", "not_one_of", "empty", "above")
        tests = [name for name in allowed if getattr(self, name) is not None]
        if len(tests) != (0 if subjects == ["last_of"] else 1):
            raise ValueError(f"{subjects[0]} needs exactly one of {', '.join(allowed)} (last_of needs none)")
        return self


class EventRule(_Part):
    """One event that a row may be: it is when all conditions hold.

    Attributes:
        gather: template that names a group of rows which are one event together: their lists are joined, all else is
            of the first row. A bill of material with a row a component is one.
    """

    kind: str
    gather: Cell | None = None
    when: list[Condition] = Field(default_factory=list, max_length=20)
    fields: dict[str, Source] = Field(default_factory=dict)


class IgnoreRule(_Part):
    """Rows that mean nothing to us, and why; they are counted as ignored."""

    when: Annotated[list[Condition], Field(min_length=1, max_length=20)]
    because: Annotated[str, Field(min_length=1, max_length=500)]


class LogColumns(_Part):
    """What the order book rule (streams/adapters/order_book.py) reads from each row of a production log.

    Attributes:
        order, item, quantity: the work order, what it makes, how many.
        run, line: the routing step and the machine.
        start, end: of the report.
        good: pieces it reports.
        setup_when: conditions under which the report is setup.
    """

    order: Source
    item: Source
    quantity: Source
    run: Source
    line: Source
    start: Source
    end: Source
    good: Source
    setup_when: Annotated[list[Condition], Field(min_length=1)]


class Mapping(_Part):
    """A mapping file.

    Attributes:
        mapping: its name, part of every event_id.
        files: names of the files that it is for, as "orders*.xlsx"; empty: every table. See MappingBook.
        row_id: template that tells a row from every other one of the source, whatever file it comes in;
            None: the row's number and content do.
        maps: lookup tables, text to text.
        values: intermediate results, each may use those above it.
        fields: fields of every event whose kind has them.
        ignore: rows that are left out on purpose.
        events: what a row may be; every rule whose conditions hold makes one event. A row that is none is a dead
            letter.
    """

    mapping: Id
    files: Annotated[list[Cell], Field(max_length=50)] = []
    format: FileFormat = FileFormat()
    row_id: Cell | None = None
    maps: dict[str, dict[str, Scalar]] = Field(default_factory=dict)
    values: dict[str, Source] = Field(default_factory=dict)
    fields: dict[str, Source] = Field(default_factory=dict)
    ignore: list[IgnoreRule] = Field(default_factory=list)
    events: Annotated[list[EventRule], Field(min_length=1, max_length=200)]
    order_book: LogColumns | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = list(broken_references(self)) + list(broken_fields(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def of(self, path: Path) -> "Mapping":  # as MappingBook, which looks at it
        """Itself: one mapping alone is for every table."""
        return self

    def sources(self) -> Iterator[tuple[str, Source]]:
        """Every source in the file with its path, those inside lists too."""
        for path, source in self._own_sources():
            yield path, source
            yield from ((f"{path}.{below}", part) for below, part in source.parts())

    def _own_sources(self) -> Iterator[tuple[str, Source]]:
        yield from ((f"values.{name}", source) for name, source in self.values.items())
        yield from ((f"fields.{name}", source) for name, source in self.fields.items())
        for index, rule in enumerate(self.events):
            yield from ((f"events.{index}.fields.{name}", source) for name, source in rule.fields.items())
        if self.order_book is not None:
            for name in LogColumns.model_fields:
                if name != "setup_when":
                    yield f"order_book.{name}", getattr(self.order_book, name)

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """Every condition in the file with its path."""
        groups = [(f"events.{index}.when", rule.when) for index, rule in enumerate(self.events)]
        groups += [(f"ignore.{index}.when", rule.when) for index, rule in enumerate(self.ignore)]
        if self.order_book is not None:
            groups.append(("order_book.setup_when", self.order_book.setup_when))
        for path, conditions in groups:
            yield from ((f"{path}.{index}", condition) for index, condition in enumerate(conditions))

    def columns(self) -> list[str]:
        """Every column that the mapping reads, in the order of their first mention."""
        names = [name for _, source in self.sources() for name in (*source.columns, *source.placeholders)]
        for rule in self.events:
            names += placeholders(rule.gather)
        for _, condition in self.conditions():
            names += [condition.column] if condition.column is not None else placeholders(condition.last_of)
        names += [*placeholders(self.row_id), *self.format.fill_down]
        return [name for name in dict.fromkeys(names) if name not in self.values]


def placeholders(template: str | None) -> list[str]:
    """Names in the braces of a template."""
    return PLACEHOLDER.findall(template) if template is not None else []
