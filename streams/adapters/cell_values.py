"""What the text of a cell says: a number, a moment. Never a guess: what can mean two things is refused."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Final

from schemas import BadRecord, ReasonCode
from streams.adapters.mapping import FileFormat

_NUMBER_LETTERS: Final = frozenset("0123456789+-.eE")
_SPACES: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})
"""No-break, narrow and thin space, which spreadsheets set between thousands."""

_WORKBOOK_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  # days of a spreadsheet have no zone
_CLOCK_DIRECTIVES: Final = ("%H", "%I", "%c", "%X", "%s")


def parse_number(text: str, layout: FileFormat, column: str, unit: str | None = None) -> float:
    """The number that a cell holds.

    Args:
        text: of the cell.
        layout: decimal and thousands separators.
        column: to blame.
        unit: may stand behind the number, as in "12 kg".

    Raises:
        BadRecord: it holds none, or an infinite one.
    """
    plain = text.translate(_SPACES)
    if unit is not None:
        plain = plain.removesuffix(unit.translate(_SPACES)).rstrip()
    ungrouped = _ungrouped(plain, layout)
    try:
        # float() alone would take "1_000", "nan" and the digits of every script.
        number = float(ungrouped) if ungrouped and _NUMBER_LETTERS.issuperset(ungrouped) else None
    except ValueError:
        number = None
    if number is None:
        shape = f"decimal {layout.decimal!r}, thousands {layout.thousands!r}"
        shape += f", unit {unit!r}" if unit is not None else ""
        raise BadRecord(ReasonCode.SCHEMA, f"{text!r} is no number ({shape})", column)
    if not isfinite(number):
        raise BadRecord(ReasonCode.RANGE, f"{text!r} is no finite number", column)
    return number


def _ungrouped(text: str, layout: FileFormat) -> str | None:
    """The number without separators of thousands and with a point; None where its groups are not of three."""
    whole, mark, rest = text.partition(layout.decimal)
    if layout.thousands is not None and layout.thousands in text:
        if not _groups_of_three(layout.thousands).fullmatch(whole):
            return None
        whole = whole.replace(layout.thousands, "")
    if "." in whole or (layout.decimal != "." and "." in rest):
        return None
    return f"{whole}.{rest}" if mark else whole


@lru_cache
def _groups_of_three(separator: str) -> re.Pattern[str]:
    return re.compile(rf"[+-]?\d{{1,3}}(?:{re.escape(separator)}\d{{3}})+")


def parse_time(text: str, layout: FileFormat, column: str, at: str | None = None) -> datetime:
    """The moment that a cell holds, in UTC: minutes are added to it, and local time counts them wrong at clock changes.

    Args:
        text: of the cell.
        layout: formats and zone.
        column: to blame.
        at: time of day, "HH:MM", where the cell holds only a date; None: its beginning.

    Raises:
        BadRecord: it is in none of the formats, names no zone where the mapping has none, or is an hour that the
            clock skips or repeats.
    """
    for pattern in layout.time_formats:
        try:
            parsed, has_clock = _parsed(text, pattern, layout)
        except (ValueError, OverflowError):
            continue
        break
    else:
        raise BadRecord(ReasonCode.TIME, f"{text!r} fits none of {', '.join(layout.time_formats)}", column)
    if at is not None and not has_clock:
        hour, minute = map(int, at.split(":"))
        parsed += timedelta(hours=hour, minutes=minute)
    if parsed.tzinfo is not None:
        return _to_utc(parsed, text, column)
    zone = layout.zone_info
    if zone is None:
        raise BadRecord(ReasonCode.TIME, f"{text!r} has no zone, and format.zone gives none", column)
    first, second = parsed.replace(tzinfo=zone, fold=0), parsed.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return _to_utc(first, text, column)
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


def _parsed(text: str, pattern: str, layout: FileFormat) -> tuple[datetime, bool]:
    """The moment, and whether it has a time of day.

    Raises:
        ValueError, OverflowError: it is not of the pattern.
    """
    if pattern == "iso":
        return datetime.fromisoformat(text), len(text) > len("2026-01-05")
    if pattern == "excel":
        if layout.decimal not in text and not text.isdecimal():
            raise ValueError(text)
        days = float(text.replace(layout.decimal, "."))
        moment = _WORKBOOK_EPOCH + timedelta(milliseconds=round(days * 86_400_000))
        return moment, not days.is_integer()
    return datetime.strptime(text, pattern), any(part in pattern for part in _CLOCK_DIRECTIVES)  # noqa: DTZ007  # the zone follows


def _to_utc(moment: datetime, text: str, column: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise BadRecord(ReasonCode.RANGE, f"{text!r} is beyond the years that there are", column) from None
