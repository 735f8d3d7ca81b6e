"""Reading foreign documents field by field: a field that is missing or cannot be read names itself. Pure.

Every adapter of this folder is a function from one document to events, and from one plan change to a request in the
system's own terms. docs/adapters/ has a table of fields for each.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from hashlib import blake2b
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from schemas import MODEL_OF_KIND, BadRecord, ReasonCode
from schemas.refusals import refusal

Body = dict[str, Any]
ID_MAX: Final = 180

ONCE: Final = frozenset({"run_started", "run_completed"})
"""What happened once is told by each later version of its document again: its id is of what happened, not of who says it."""


@dataclass(frozen=True, slots=True)
class Plant:
    """Whose documents these are.

    Attributes:
        site_id: all of them concern it.
        zone: of times that say none, and of dates, which mean the end of their day.
        lines: the system's name or id of a line -> line_id; what is not here is taken as it is.
        default_line: of orders that name no line; None: they are refused.
    """

    site_id: str
    zone: str = "UTC"
    lines: Mapping[str, str] = field(default_factory=dict)
    default_line: str | None = None

    def line(self, *names: str) -> str:
        """The line of the first name that is known, else the last name itself."""
        return next((self.lines[name] for name in names if name in self.lines), names[-1])

    def foreign_line(self, line_id: str) -> str:
        """What the system calls a line of ours."""
        return next((name for name, ours in self.lines.items() if ours == line_id), line_id)


@dataclass(frozen=True, slots=True)
class Document:
    """One foreign object and where in its file it stands."""

    fields: Mapping[str, Any]
    plant: Plant
    path: str = ""

    def at(self, name: str) -> str:
        """Dotted path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether it says something: Odoo says false for nothing, CSV an empty cell."""
        return self.fields.get(name) not in (None, "", False, [])

    def text(self, name: str, default: str | None = None) -> str:
        """A name or an id.

        Raises:
            BadRecord: it is missing and there is no default, or no text.
        """
        value = self.fields.get(name)
        if not self.has(name):
            if default is not None:
                return default
            raise BadRecord(ReasonCode.SCHEMA, f"{name} is missing", self.at(name))
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise BadRecord(ReasonCode.SCHEMA, f"{name} is text", self.at(name))
        return value

    def number(self, name: str, default: float | None = None, *, least: float = 0.0) -> float:
        """An amount; text is read as one, as CSV has nothing else.

        Raises:
            BadRecord: it is missing and there is no default, no number, or below `least`.
        """
        value = self.fields.get(name)
        if value in (None, "") and default is not None:
            return default
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise BadRecord(
                    ReasonCode.SCHEMA, f"{str(value)[:50]!r} is no number", self.at(name)
                ) from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRecord(ReasonCode.SCHEMA, f"{name} is a number", self.at(name))
        if not isfinite(value) or value < least:
            raise BadRecord(
                ReasonCode.RANGE, f"{name} is {value}, at least {least:g} is meant", self.at(name)
            )
        return float(value)

    def moment(self, name: str) -> datetime:
        """A moment in UTC; a date is the end of its day.

        Raises:
            BadRecord: it is missing, or no time.
        """
        text = self.text(name)
        try:
            zone = ZoneInfo(self.plant.zone)
            if len(text) == 10:
                parsed = datetime.combine(datetime.fromisoformat(text), time(), zone) + timedelta(days=1)
            else:
                parsed = datetime.fromisoformat(text)
                parsed = parsed.replace(tzinfo=zone) if parsed.tzinfo is None else parsed
            return parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            raise BadRecord(ReasonCode.TIME, f"{text[:50]!r} is no time", self.at(name)) from None

    def rows(self, name: str) -> Iterator["Document"]:
        """The objects of a list, each with its path.

        Raises:
            BadRecord: it is no list of objects.
        """
        value = self.fields.get(name)
        if not self.has(name):
            return
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise BadRecord(ReasonCode.SCHEMA, f"{name} is a list of objects", self.at(name))
        for index, each in enumerate(value):
            yield Document(each, self.plant, f"{self.at(name)}.{index}")

    def one_of(self, name: str, known: Mapping[str, Any]) -> Any:
        """What a status means.

        Raises:
            BadRecord: it is none that the system has.
        """
        text = self.text(name)
        if text not in known:
            raise BadRecord(ReasonCode.SCHEMA, f"{text[:50]!r} is none of {', '.join(known)}", self.at(name))
        return known[text]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Makes the events of one document: same document, same ids.

    Attributes:
        source: the system and what speaks in it, as `odoo/mrp.workorder`: two of one system that differ contradict it.
        identity: the document's id and version.
    """

    source: str
    document: Document
    identity: str
    said_at: datetime

    def event(self, kind: str, *, about: str = "", at: datetime | None = None, **fields: Any) -> Body:
        """A checked event.

        Args:
            kind: of the event.
            about: tells it from others of the kind in the same document.
            at: when it happened; when the document was written where that is what happened.
            fields: None leaves a field out.

        Raises:
            BadRecord: the event's own model refuses it.
        """
        event_id = f"{self.source}/{self.identity}/{kind}" + (f"/{about}" if about else "")
        if kind in ONCE:
            event_id = f"{self.source}/{kind}/{fields['run_id']}/{(at or self.said_at).isoformat()}"
        if len(event_id) > ID_MAX:
            event_id = f"{self.source}/{kind}/{blake2b(event_id.encode(), digest_size=16).hexdigest()}"
        body = {
            "kind": kind,
            "event_id": event_id,
            "event_time": (at or self.said_at).isoformat(),
            "site_id": self.document.plant.site_id,
            "source_id": self.source,
        } | {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in fields.items()
            if value is not None
        }
        try:
            MODEL_OF_KIND[kind].model_validate(body)
        except ValidationError as error:
            bad = refusal(error.errors(include_url=False))
            place = self.document.path
            raise BadRecord(
                bad.code,
                f"{kind}.{bad.field_path}: {bad}",
                f"{place}.{bad.field_path}" if place else bad.field_path,
            ) from None
        return body


Reader = Callable[[Document], Iterator[Body]]


@dataclass(frozen=True, slots=True)
class ForeignRequest:
    """A plan change in a system's own terms: what to call, with what.

    Attributes:
        change_id: to be sent back with the answer.
        call: `PUT /api/...`, or the model and method.
        body: of the call; text where the system speaks XML.
    """

    change_id: str
    call: str
    body: dict[str, Any] | list[Any] | str


def acknowledgement(
    change: Mapping[str, Any],
    at: datetime,
    *,
    rejected: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    line_id: str | None = None,
) -> Body:
    """plan_acknowledged for a change.

    Args:
        change: the PlanChange as JSON.
        at: when the system answered.
        rejected: why it refused; None: it took it.
        start: what is in force, where the answer says so; other than asked makes it `modified`.
        end: likewise.
        line_id: likewise.
    """
    body: Body = {
        "kind": "plan_acknowledged",
        "event_id": f"ack/{change['change_id']}",
        "event_time": at.isoformat(),
        "site_id": change["site_id"],
        "change_id": change["change_id"],
        "outcome": "accepted",
    }
    if rejected is not None:
        return body | {"outcome": "rejected", "reason": rejected[:2000]}
    asked = (moment(change["start_at"]), moment(change["end_at"]), change["line_id"])
    there = (start or asked[0], end or asked[1], line_id or asked[2])
    if change["action"] == "plan_run" and (
        abs((there[0] - asked[0]).total_seconds()) >= 60
        or abs((there[1] - asked[1]).total_seconds()) >= 60
        or there[2] != asked[2]
    ):
        return body | {
            "outcome": "modified",
            "line_id": there[2],
            "planned_start_at": there[0].isoformat(),
            "planned_end_at": there[1].isoformat(),
            "reason": "the system planned it otherwise",
        }
    return body


def moment(text: str) -> datetime:
    """A time of ours."""
    return datetime.fromisoformat(text)


def local(text: str, plant: Plant) -> str:
    """A time of ours as `2026-11-23 08:00:00` in the plant's zone."""
    return moment(text).astimezone(ZoneInfo(plant.zone)).strftime("%Y-%m-%d %H:%M:%S")
