"""The words of a mapping file: how the rows of a foreign table become our events.

A mapping is data, never code: columns, constants, lookups, templates, times and numbers, and conditions on them. It is
checked as a whole against the models of the events when it is read, so that a typo is found before the first row.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from schemas import MODEL_OF_KIND, UsageError
from schemas.base import Id
from schemas.plant_model import ZoneName

Scalar = StrictBool | StrictInt | float | StrictStr
Cell = Annotated[str, Field(strict=True, min_length=1)]
"""Name of a column, as the header spells it without surrounding spaces."""

PLACEHOLDER: Final = re.compile(r"\{([^{}]+)\}")
SOURCE_FORMS: Final = ("constant", "column", "value", "template", "time", "number")
GIVEN_FIELDS: Final = frozenset({"kind", "event_id", "schema_version"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileFormat(_Part):
    """How the file is written.

    Attributes:
        delimiter: between cells; a quoted cell may hold it.
        decimal, thousands: of numbers; a thousands separator is an error unless it is named here.
        encoding: utf-8 is read with or without a byte order mark.
        zone: of times that say none; None: such a time is an error.
        time_formats: tried in turn, as Python's strptime; "iso" is RFC 3339.
        repeated_hour: which of the two is meant when the clock is set back; None: such a time is an error.
        header_row: row that holds the names of the columns, counted from 1; what is above is skipped.
    """

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    encoding: Literal["utf-8", "cp1252", "iso-8859-1", "iso-8859-15"] = "utf-8"
    zone: ZoneName | None = None
    time_formats: Annotated[list[str], Field(min_length=1, max_length=20)] = ["iso"]
    repeated_hour: Literal["first", "second"] | None = None
    header_row: Annotated[int, Field(ge=1, le=1000)] = 1

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
        time: a column that holds a moment; minus_minutes and plus_minutes name columns of minutes to shift it by.
        number: a column that holds a number; `times` converts its unit.
        default: instead of an empty cell. optional: an empty cell leaves the field out. Neither: a dead letter.
    """

    constant: Scalar | None = None
    column: Cell | None = None
    value: Cell | None = None
    template: Cell | None = None
    time: Cell | None = None
    number: Cell | None = None
    map: Cell | None = None
    minus_minutes: Cell | None = None
    plus_minutes: Cell | None = None
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
            ("times", "number"),
        ):
            if getattr(self, option) is not None and forms != [form]:
                raise ValueError(f"{option} goes with {form}, not with {forms[0]}")
        if forms[0] not in ("column", "time", "number") and (self.optional or self.default is not None):
            raise ValueError(f"default and optional go with column, time and number, not with {forms[0]}")
        if self.optional and self.default is not None:
            raise ValueError("default fills an empty cell, optional leaves it out: choose one")
        return self

    @property
    def placeholders(self) -> list[str]:
        """Names in the braces of the template."""
        return placeholders(self.template)

    @property
    def columns(self) -> list[str]:
        """Columns it reads by themselves; placeholders may be columns too."""
        named = (self.column, self.time, self.number, self.minus_minutes, self.plus_minutes)
        return [name for name in named if name is not None]


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
    """One event that a row may be: it is when all conditions hold."""

    kind: str
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
        problems = list(_broken_references(self)) + list(_broken_fields(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def sources(self) -> Iterator[tuple[str, Source]]:
        """Every source in the file with its path."""
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
        for _, condition in self.conditions():
            names += [condition.column] if condition.column is not None else placeholders(condition.last_of)
        names += placeholders(self.row_id)
        return [name for name in dict.fromkeys(names) if name not in self.values]


def placeholders(template: str | None) -> list[str]:
    """Names in the braces of a template."""
    return PLACEHOLDER.findall(template) if template is not None else []


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises:
        UsageError: it cannot be read or is no mapping; the message names file, key and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        _refuse_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader))
        return Mapping.model_validate(yaml.safe_load(text))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except (yaml.YAMLError, _RepeatedKey) as error:
        raise UsageError(f"{path}: no YAML: {error}") from None
    except ValidationError as error:
        found = [_sentence(problem) for problem in error.errors(include_url=False)]
        raise UsageError("\n".join(f"{path}: {sentence}" for sentence in found)) from None


class _RepeatedKey(Exception):
    """A key stands twice in one block: YAML would drop the first without a word."""


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.SequenceNode):
        for member in node.value:
            _refuse_repeated_keys(member)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise _RepeatedKey(f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice")
            seen.add(key.value)
            _refuse_repeated_keys(value)


def _sentence(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"])) or "the mapping"
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such key here; {_allowed_keys(problem['loc'])}"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"


def _allowed_keys(location: tuple[str | int, ...]) -> str:
    model: type[BaseModel] = Mapping
    if location[0] == "format" and len(location) > 1:
        model = FileFormat
    elif "when" in location or "setup_when" in location:
        model = Condition
    elif (
        location[0] in ("values", "fields")
        or "fields" in location
        or (location[0] == "order_book" and len(location) > 2)
    ):
        model = Source
    elif location[0] == "order_book" and len(location) > 1:
        model = LogColumns
    elif location[0] in ("events", "ignore") and len(location) > 1:
        model = EventRule if location[0] == "events" else IgnoreRule
    return f"allowed are {', '.join(model.model_fields)}"


def _broken_references(mapping: Mapping) -> Iterator[str]:
    known: list[str] = []
    for path, source in mapping.sources():
        if path.startswith("values."):
            usable = list(known)
            known.append(path.removeprefix("values."))
        else:
            usable = list(mapping.values)
        if source.value is not None and source.value not in usable:
            yield f"{path}: no value {source.value!r}{_near(source.value, usable)}"
        for name in source.placeholders:
            if name in mapping.values and name not in usable:
                yield f"{path}: the value {name!r} is defined further down"
        if source.map is not None and source.map not in mapping.maps:
            yield f"{path}: no map {source.map!r}{_near(source.map, mapping.maps)}"
    for path, condition in mapping.conditions():
        if condition.value is not None and condition.value not in mapping.values:
            yield f"{path}: no value {condition.value!r}{_near(condition.value, mapping.values)}"


def _broken_fields(mapping: Mapping) -> Iterator[str]:
    used: set[str] = set()
    for index, rule in enumerate(mapping.events):
        path = f"events.{index}"
        model = MODEL_OF_KIND.get(rule.kind)
        if model is None:
            yield f"{path}.kind: no event of kind {rule.kind!r}{_near(rule.kind, MODEL_OF_KIND)}"
            continue
        fields = model.model_fields
        used |= {name for name in mapping.fields if name in fields}
        for name in rule.fields:
            if name not in fields or name in GIVEN_FIELDS:
                yield f"{path}.fields.{name}: {rule.kind} has no such field to map{_near(name, fields)}"
        given = {*rule.fields, *mapping.fields, *GIVEN_FIELDS}
        missing = [name for name, field in fields.items() if field.is_required() and name not in given]
        if missing:
            yield f"{path}.fields: {rule.kind} needs {', '.join(missing)}"
    for name in mapping.fields:
        if name not in used:
            yield f"fields.{name}: no event of this mapping has such a field"


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(names)}" if 0 < len(names) <= 20 else ""
