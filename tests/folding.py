"""Feeding a Twin in tests: events to facts, a small plant, and what comes out."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import MODEL_OF_KIND, TOPIC_OF_KIND, Card, Event, Facts, Output, Segment, Tick, topics
from twin import Twin

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday without any change of summer time near it."""


def at(day: int, clock: str) -> datetime:
    """A moment of the test week: day 0 is Monday; clock is "HH:MM" or "HH:MM:SS", UTC."""
    parts = [int(part) for part in clock.split(":")] + [0]
    return MONDAY + timedelta(days=day, hours=parts[0], minutes=parts[1], seconds=parts[2])


def event(
    kind: str, when: datetime, event_id: str | None = None, site_id: str = "S1", **fields: Any
) -> Event:
    """An event of a kind, with an id made of what it says where none is given."""
    identity = (
        event_id
        or f"{kind}/{when.isoformat()}/" + "/".join(str(fields[name]) for name in sorted(fields))[:120]
    )
    body = {"kind": kind, "event_id": identity, "event_time": when, "site_id": site_id, **fields}
    made = MODEL_OF_KIND[kind].model_validate(body)
    assert isinstance(made, Event)
    return made


def tick(when: datetime) -> Facts:
    """A wall tick."""
    return Facts(group_id="*", tick=Tick(now=when))


def segment_of(topic: str, offset: int, single: Event) -> Segment:
    """One event of partition 0 as a segment."""
    return Segment.model_validate(
        {"topic": topic, "partition": 0, "positions": [(offset, 0)], "events": [single]}
    )


class Log:
    """Writes facts as ingest would: one source partition a topic, rising offsets."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}

    def of(self, *events: Event) -> Facts:
        """One record with these events, a segment for each stretch of one topic."""
        segments: list[Segment] = []
        for each in events:
            topic = TOPIC_OF_KIND.get(each.kind, topics.PROPOSALS)  # the one kind that is no input
            offset = self._offsets.get(topic, 0)
            self._offsets[topic] = offset + 1
            if segments and segments[-1].topic == topic:
                last = segments[-1]
                segments[-1] = last.model_copy(
                    update={"positions": [*last.positions, (offset, 0)], "events": [*last.events, each]}
                )
            else:
                segments.append(segment_of(topic, offset, each))
        return Facts(group_id="S1", segments=segments)


class Folded:
    """A twin, its log and everything that came out of it."""

    def __init__(self) -> None:
        self.twin = Twin()
        self.log = Log()
        self.records: list[Facts] = []
        self.outputs: list[Output] = []
        self.documents: dict[str, bytes] = {}

    def tell(self, *events: Event) -> list[Output]:
        """Fold events as one record."""
        return self.fold(self.log.of(*events))

    def tick(self, when: datetime) -> list[Output]:
        """Let time pass."""
        return self.fold(tick(when))

    def fold(self, facts: Facts) -> list[Output]:
        """Fold one record and take its changes."""
        self.records.append(facts)
        outputs = self.twin.apply(facts)
        self.outputs += outputs
        absorb(self.documents, self.twin)
        return outputs

    def on(self, topic: str) -> list[Any]:
        """Bodies put out on a topic so far."""
        return [output.body for output in self.outputs if output.topic == topic]

    @property
    def cards(self) -> dict[str, Card]:
        """Last revision of each card."""
        return {card.card_id: card for card in self.on(topics.CARDS)}

    @property
    def rejections(self) -> list[str]:
        """Reasons of rejected events, in order."""
        return [body.reason for body in self.on(topics.REJECTIONS)]


def absorb(documents: dict[str, bytes], twin: Twin) -> None:
    """Take a twin's changes into a dict, as the state topic would."""
    for key, value in twin.take_changes().items():
        if value is None:
            del documents[key]
        else:
            documents[key] = value


def fold_all(records: Iterable[Facts]) -> tuple[Twin, list[Output], dict[str, bytes]]:
    """Fold records with one commit at the end."""
    twin = Twin()
    outputs = [output for facts in records for output in twin.apply(facts)]
    documents: dict[str, bytes] = {}
    absorb(documents, twin)
    return twin, outputs, documents


def wire(outputs: Sequence[Output]) -> list[tuple[str, str, bytes | None, str]]:
    """Outputs as they would be published."""
    return [(output.topic, output.key, output.value(), output.output_id) for output in outputs]


def small_plant() -> list[Event]:
    """Two lines, Mon-Fri 06:00-22:00 UTC, 100 good pieces an hour; L1 feeds L2; a daily truck at 12:00."""
    said = at(0, "00:00")
    shifts = [{"weekday": day, "start": "06:00", "end": "22:00"} for day in range(5)]
    return [
        event("site_upserted", said, name="Plant", zone="UTC", currency="EUR", owner_id="boss"),
        event("person_upserted", said, person_id="boss", name="B. Oss"),
        event("person_upserted", said, person_id="sue", name="S. Upervisor"),
        event("calendar_upserted", said, calendar_id="two-shifts", shifts=shifts),
        event("area_upserted", said, area_id="A1", name="Area 1"),
        event("line_upserted", said, line_id="L1", name="Line 1", area_id="A1", calendar_id="two-shifts", supervisor_id="sue"),
        event("line_upserted", said, line_id="L2", name="Line 2", area_id="A1", calendar_id="two-shifts"),
        event("setup_matrix_upserted", said, line_id="L1", default_min=30.0),
        event("item_upserted", said, item_id="red", setup_family="red"),
        event("item_upserted", said, item_id="blue", setup_family="blue"),
        event("customer_upserted", said, customer_id="acme", name="Acme", penalty_per_day=1000.0),
        event("shipment_slots_upserted", said, route_id="daily", weekly=[{"weekday": day, "at": "12:00"} for day in range(7)]),
    ]  # fmt: skip


def order(
    order_id: str, promised: datetime, quantity: float = 800.0, when: datetime | None = None, **fields: Any
) -> Event:
    """A sales order line for Acme, price 10, cost 8."""
    values = {
        "order_id": order_id,
        "customer_id": "acme",
        "item_id": "red",
        "quantity_pcs": quantity,
        "promised_at": promised,
        "route_id": "daily",
        "unit_price": 10.0,
        "unit_cost": 8.0,
        **fields,
    }
    return event("order_upserted", when or at(0, "00:00"), **values)


def run(
    run_id: str, line_id: str, start: datetime, end: datetime, quantity: float = 800.0, pegs: Sequence[str] = (), when: datetime | None = None, **fields: Any
) -> Event:  # fmt: skip
    """A planned run of red pieces at 100 an hour."""
    values = {
        "run_id": run_id,
        "line_id": line_id,
        "item_id": "red",
        "quantity_pcs": quantity,
        "planned_start_at": start,
        "planned_end_at": end,
        "rate_pcs_per_h": 100.0,
        "pegs": [{"order_id": each, "quantity_pcs": quantity} for each in pegs],
        **fields,
    }
    return event("run_planned", when or at(0, "00:00"), **values)


def count(line_id: str, run_id: str | None, when: datetime, good: float, **fields: Any) -> Event:
    """A count of good pieces since the last report."""
    return event("count_reported", when, line_id=line_id, run_id=run_id, good_count=good, **fields)
