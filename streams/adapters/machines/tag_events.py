"""Readings of tags to the bodies of our events, by a tag map. Pure; the same readings give the same event ids.

Law: an id is made of tag, time and value, so that a reading that comes again is the same event again. A total is told
only with all counters of its line: a missing one would read as a counter that began again at zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from math import isfinite
from typing import Any, Final

from pydantic import ValidationError

from schemas import MODEL_OF_KIND, BadRecord, ReasonCode
from schemas.refusals import refusal
from streams.adapters.machines.packml import packml_state
from streams.adapters.machines.readings import Connection, Flow, Reading
from streams.adapters.machines.tag_map import SEPARATORS, TagMap, TagRule

Body = dict[str, Any]

TAGS_MAX: Final = 1_000_000
"""Tags whose rule is remembered; beyond it each is looked up anew. Too small: slow. Too large: memory, 300 B a tag."""

COUNT_FIELDS: Final = {"good": "good_count", "scrap": "scrap_count", "rework": "rework_count"}


@dataclass(slots=True)
class _Line:
    """What is known of a line between two readings.

    Attributes:
        run_id: that its run tag names; run_known: whether that tag was heard yet.
        counted: newest totals by meaning; needed: meanings that the map counts for it, heard yet or not.
    """

    run_id: str | None = None
    run_known: bool = False
    counted: dict[str, float] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Found:
    """The rule of a tag and the ids that follow from its name."""

    rule: TagRule
    line_id: str
    station_id: str | None
    item_id: str | None


class TagMapper:
    """Applies a tag map, reading by reading.

    Attributes:
        ignored: why -> how many readings meant nothing.
    """

    def __init__(self, tags: TagMap) -> None:
        self.ignored: dict[str, int] = {}
        self._map = tags
        separator = SEPARATORS[tags.source]
        self._patterns = [(rule, rule.pattern(separator)) for rule in tags.tags]
        self._separator = separator
        self._counted_with: dict[str, set[str]] = {}
        for rule in tags.tags:
            counted = self._counted_with.setdefault(rule.line_id, set())
            counted |= {rule.meaning} & COUNT_FIELDS.keys()
        self._found: dict[str, _Found | None] = {}
        self._lines: dict[str, _Line] = {}
        self._lines_of_prefix: dict[str, dict[str, None]] = {}

    def has_rule(self, tag: str) -> bool:
        """Whether the tag means something to us: where it does not, its value need not be read."""
        return self._rule_of(tag) is not None

    def map(self, reading: Reading) -> Iterator[Body]:
        """The events that a reading makes; none where its tag means nothing to us.

        Raises:
            BadRecord: the tag has a meaning and the value cannot have it; field_path is the tag.
        """
        found = self._rule_of(reading.tag)
        if found is None:
            self._ignore("no rule for the tag")
            return
        rule, line = found.rule, self._lines.setdefault(found.line_id, _Line())
        try:
            if rule.meaning == "state":
                yield self._checked(reading, found, "state_changed", {"state": self._state(rule, reading)})
            elif rule.meaning == "run":
                yield from self._run(reading, found, line)
            elif rule.meaning == "consumed":
                yield from self._consumed(reading, found, line)
            else:
                yield from self._count(reading, found, line)
        except BadRecord as bad:
            raise BadRecord(bad.code, f"{reading.tag}: {bad}"[:500], reading.tag[:300]) from None

    def connection(self, told: Connection) -> Iterator[Body]:
        """One event for each line that is known by tags of this prefix."""
        for line_id in self._lines_of_prefix.get(told.prefix, {}):
            at = told.at.isoformat()
            yield {
                "kind": "connection_changed",
                "event_id": self._id("connection_changed", told.prefix, line_id, at, str(told.is_up)),
                "event_time": at,
                "site_id": self._map.site_id,
                "line_id": line_id,
                "is_up": told.is_up,
                "reason": told.reason,
            }

    def _rule_of(self, tag: str) -> _Found | None:
        if tag in self._found:
            return self._found[tag]
        found = self._look_up(tag)
        if len(self._found) < TAGS_MAX:
            self._found[tag] = found
        if found is not None:
            line = self._lines.setdefault(found.line_id, _Line())
            line.needed |= self._counted_with[found.rule.line_id]
            levels = tag.split(self._separator)
            for end in range(1, len(levels)):
                prefix = self._separator.join(levels[:end])
                self._lines_of_prefix.setdefault(prefix, {})[found.line_id] = None
        return found

    def _look_up(self, tag: str) -> _Found | None:
        for rule, pattern in self._patterns:
            match = pattern.fullmatch(tag)
            if match is None:
                continue
            words = match.groupdict()
            line = rule.line_id.format_map(words)
            return _Found(
                rule,
                self._map.lines.get(line, line),
                None if rule.station_id is None else rule.station_id.format_map(words),
                None if rule.item_id is None else rule.item_id.format_map(words),
            )
        return None

    def _state(self, rule: TagRule, reading: Reading) -> str:
        own = rule.states.get(_text(reading.value))
        return str(packml_state(reading.value, self._map.packml) if own is None else own)

    def _run(self, reading: Reading, found: _Found, line: _Line) -> Iterator[Body]:
        run_id = _text(reading.value).strip() or None
        if reading.flow is Flow.HISTORICAL:
            self._ignore("a run of the past")
            return
        before, was_known = line.run_id, line.run_known
        line.run_id, line.run_known = run_id, True
        if was_known and before == run_id:
            return
        if before is not None and found.rule.leaves != "nothing":
            yield self._checked(reading, found, found.rule.leaves, {"run_id": before})
        if run_id is not None:
            # Totals are of a run: what was above zero is told anew, and what stays at zero is not.
            line.counted = {meaning: total for meaning, total in line.counted.items() if total == 0}
            yield self._checked(reading, found, "run_started", {"run_id": run_id}, once=run_id)

    def _consumed(self, reading: Reading, found: _Found, line: _Line) -> Iterator[Body]:
        quantity = _amount(reading.value)
        if reading.flow is Flow.SNAPSHOT or quantity == 0:
            self._ignore("a delta told again" if reading.flow is Flow.SNAPSHOT else "nothing new")
            return
        if line.run_id is None:
            raise BadRecord(ReasonCode.SCHEMA, f"no run tag of {found.line_id} has named a run that uses it")
        fields = {"run_id": line.run_id, "item_id": found.item_id, "quantity": quantity}
        yield self._checked(reading, found, "material_consumed", fields)

    def _count(self, reading: Reading, found: _Found, line: _Line) -> Iterator[Body]:
        rule, amount = found.rule, _amount(reading.value)
        fields: Body = {"counter": rule.counter} | ({} if line.run_id is None else {"run_id": line.run_id})
        if rule.counter == "delta":
            if reading.flow is Flow.SNAPSHOT:
                self._ignore("a delta told again")  # a birth repeats the last value: it was counted then
                return
            if amount == 0:
                self._ignore("nothing new")
                return
            fields |= {"good_count": 0.0, COUNT_FIELDS[rule.meaning]: amount}
        else:
            if reading.flow is Flow.HISTORICAL:
                self._ignore("a total of the past")  # the live total holds it
                return
            line.counted[rule.meaning] = amount
            if line.needed - line.counted.keys():
                self._ignore("not all counters of the line are known yet")
                return
            fields |= {"good_count": 0.0} | {
                COUNT_FIELDS[name]: line.counted[name] for name in COUNT_FIELDS if name in line.counted
            }
        yield self._checked(reading, found, "count_reported", fields)

    def _checked(
        self, reading: Reading, found: _Found, kind: str, fields: Body, *, once: str | None = None
    ) -> Body:
        at = reading.at.isoformat()
        what = (once,) if once is not None else (at, _text(reading.value))
        body: Body = {
            "kind": kind,
            "event_id": self._id(kind, reading.tag, *what),
            "event_time": at,
            "site_id": self._map.site_id,
            "line_id": found.line_id,
            **({} if found.station_id is None else {"station_id": found.station_id}),
            **fields,
        }
        try:
            MODEL_OF_KIND[kind].model_validate(body)
        except ValidationError as error:
            raise refusal(error.errors(include_url=False)) from None
        return body

    def _id(self, kind: str, *parts: str) -> str:
        digest = blake2b("\x1f".join(parts).encode(errors="replace"), digest_size=12).hexdigest()
        return f"{self._map.mapping}/{kind}/{digest}"

    def _ignore(self, why: str) -> None:
        self.ignored[why] = self.ignored.get(why, 0) + 1


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _amount(value: object) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise BadRecord(ReasonCode.SCHEMA, f"{str(value)[:50]!r} is no number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRecord(ReasonCode.SCHEMA, f"{_text(value)} is no number")
    if not isfinite(value):
        raise BadRecord(ReasonCode.RANGE, f"{value} is no finite number")
    return float(value)
