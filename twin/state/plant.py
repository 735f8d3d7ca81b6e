"""What the plant is, as last said by its systems: master data, the plant model, and lookups over both.

The last word by event_time holds; an older upsert that comes late changes nothing.
"""

from collections.abc import Collection
from enum import Enum
from typing import TypeVar
from zoneinfo import ZoneInfo

from schemas import (
    MODEL_OF_KIND,
    BillOfMaterialUpserted,
    CalendarUpserted,
    CustomerUpserted,
    Event,
    ItemUpserted,
    OvertimeRateUpserted,
    OvertimeWindowUpserted,
    PenaltyRateUpserted,
    PersonUpserted,
    RoutingUpserted,
    Rules,
    RulesUpdated,
    SetupMatrixUpserted,
    ShipmentSlotsUpserted,
    SiteUpserted,
    StationUpserted,
    TransferLaneUpserted,
    WorkOrderClosed,
    join_key,
)
from twin.state.calendar import WorkCalendar
from twin.state.shifts import CalendarDescription, DatedSpan, WeekSpan
from twin.state.shipping import Route
from twin.state.store import DocumentStore

EVERYWHERE = "*"
"""site_id of what concerns every site."""

DEFAULT_RULES = Rules()
UTC_ZONE = ZoneInfo("UTC")

SomeEvent = TypeVar("SomeEvent", bound=Event)


class Word(Enum):
    """What became of an upsert."""

    NEW = "new"
    CHANGED = "changed"
    REPEATED = "repeated"
    SUPERSEDED = "superseded"


class EventDocument:
    """An input event kept as the document of what it upserts."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event = event

    def encode(self) -> bytes:
        """The event's JSON."""
        return self.event.model_dump_json(exclude_none=True).encode()


PlantKey = tuple[str, ...]
"""(site_id, kind, ids...): what an upsert speaks of; joined, the key of its document."""


def upsert_key(event: Event) -> PlantKey:
    """What the event upserts."""
    ids = [str(getattr(event, name)) for name in event.entity if getattr(event, name) is not None]
    return (event.site_id, event.kind, *ids)


_NOTHING: dict[PlantKey, Event] = {}

CLAIMED_KINDS = frozenset({"order_upserted", "run_planned"})
"""Of what two systems may hold different views that both matter."""


_WORK_ORDER_KINDS = frozenset({"work_order_upserted", "work_order_closed"})
_RETAINED_KINDS = _WORK_ORDER_KINDS | {"shipment_departed"}

CLAIMS_MAX = 8
"""Systems whose views of one thing are kept. Fewer: a third system's view is lost; more: names of sources that somebody
makes up pile up."""


def _claim_key(key: PlantKey, source_id: str) -> str:
    site_id, kind, *ids = key
    return join_key(site_id, "claim", kind, *ids, source_id)


class Plant:
    """The last upsert of everything, by document key."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._events: dict[str, dict[PlantKey, Event]] = {}  # by kind
        self._unread: dict[str, dict[PlantKey, bytes]] = {}  # by kind: restored, and not asked for yet
        self._claims: dict[PlantKey, dict[str, Event]] = {}  # what each system says, where several speak
        self._calendars: dict[CalendarDescription, WorkCalendar] = {}
        self._routes: dict[PlantKey, Route] = {}
        self._customers: dict[tuple[str, str], CustomerUpserted | None] = {}
        self._lane_origins: dict[str, None] = {}
        self._counts: dict[str, dict[str, int]] = {}  # site -> kind -> entities

    @property
    def site_ids(self) -> list[str]:
        """Sites of which anything is known, by id."""
        return sorted(site_id for site_id in self._counts if site_id != EVERYWHERE)

    @property
    def site_count(self) -> int:
        """Sites of which anything is known."""
        return len(self._counts) - (EVERYWHERE in self._counts)

    def count(self, site_id: str) -> int:
        """Entities that are known of a site."""
        return sum(self._counts.get(site_id, {}).values())

    def counts(self) -> dict[str, dict[str, int]]:
        """Entities by site and kind of the event that upserts them, by name."""
        return {site: dict(sorted(kinds.items())) for site, kinds in sorted(self._counts.items())}

    def knows(self, key: PlantKey) -> bool:
        """Whether there is a word on it."""
        return self._event(*key) is not None

    def upsert(self, event: Event) -> Word:
        """Take an upsert as the last word on its entity, unless a later one is known."""
        key = upsert_key(event)
        known = self._event(*key)
        if known is not None:
            if event.event_time < known.event_time:
                return Word.SUPERSEDED
            if event == known:
                return Word.REPEATED
        if known is not None and event.kind in CLAIMED_KINDS:
            self._claim(key, known, event)
        self.adopt(key, event)
        self._store.put(join_key(*key), EventDocument(event))
        return Word.NEW if known is None else Word.CHANGED

    def _claim(self, key: PlantKey, known: Event, event: Event) -> None:
        """Keep what each system says of one thing, from the moment at which a second system speaks of it."""
        if known.source_id is None or event.source_id is None:
            return
        if key not in self._claims and known.source_id == event.source_id:
            return
        claims = self._claims.get(key, {})
        if event.source_id not in claims and len(claims) >= CLAIMS_MAX:
            return
        for each in (known, event):
            self.adopt_claim(key, each)
            assert each.source_id is not None
            self._store.put(_claim_key(key, each.source_id), EventDocument(each))

    def adopt_claim(self, key: PlantKey, event: Event) -> None:
        """Hold a claim that is already written."""
        assert event.source_id is not None
        self._claims.setdefault(key, {})[event.source_id] = event

    def claims(self, *key: str) -> list[Event]:
        """What several systems say of one thing, the latest first; empty where one system alone speaks of it."""
        found = self._claims.get(key, {}).values()
        return sorted(found, key=lambda event: (-event.event_time.timestamp(), event.source_id or ""))

    def adopt(self, key: PlantKey, event: Event) -> None:
        """Hold an event that is already written."""
        if self._event(*key) is None:
            self._counted_in(key)
        self._events.setdefault(key[1], {})[key] = event
        self._routes.pop(key, None)
        if event.kind in ("customer_upserted", "rules_updated"):
            self._customers.clear()
        elif event.kind == "transfer_lane_upserted":
            self._lane_origins[event.site_id] = None

    def restore(self, key: PlantKey, document: bytes) -> None:
        """Hold an event that is written as this document. It is read when it is asked for, which most never are."""
        self._unread.setdefault(key[1], {})[key] = document
        self._counted_in(key)
        if key[1] == "transfer_lane_upserted":
            self._lane_origins[key[0]] = None

    def amend(self, event: Event) -> None:
        """Put an upsert right after what really happened."""
        key = upsert_key(event)
        self.adopt(key, event)
        self._store.put(join_key(*key), EventDocument(event))

    def forget(self, *key: str) -> None:
        """Drop what retention no longer keeps: site_id, kind, ids."""
        if self._event(*key) is not None:
            del self._events[key[1]][key]
            self._counted_out(key)
            self._store.remove(join_key(*key))
        for source_id in sorted(self._claims.pop(key, {})):
            self._store.remove(_claim_key(key, source_id))

    def forget_old(self, site_id: str, before: float, work_orders: Collection[str]) -> None:
        """Retention: departures, and work orders other than these, of which nothing was said since."""
        for kind in _RETAINED_KINDS:
            self._read_all(kind)
        old = [
            key
            for kind in _RETAINED_KINDS
            for key, event in self._events.get(kind, _NOTHING).items()
            if key[0] == site_id
            and event.event_time.timestamp() < before
            and not (key[1] in _WORK_ORDER_KINDS and key[2] in work_orders)
        ]
        for key in sorted(old):
            self.forget(*key)

    def _counted_in(self, key: PlantKey) -> None:
        kinds = self._counts.setdefault(key[0], {})
        kinds[key[1]] = kinds.get(key[1], 0) + 1

    def _counted_out(self, key: PlantKey) -> None:
        kinds = self._counts[key[0]]
        kinds[key[1]] -= 1
        if not kinds[key[1]]:
            del kinds[key[1]]
        if not kinds:
            del self._counts[key[0]]

    def of_type(self, model: type[SomeEvent]) -> list[SomeEvent]:
        """All upserts of a kind, by key."""
        kind = model.model_fields["kind"].default
        self._read_all(kind)
        return [event for _, event in sorted(self._events.get(kind, {}).items()) if isinstance(event, model)]

    def rules(self, site_id: str) -> Rules:
        """Rules of the site, else those of every site, else the defaults."""
        event = self._local_or_shared("rules_updated", site_id, "rules_updated")
        return event.rules if isinstance(event, RulesUpdated) else DEFAULT_RULES

    def site(self, site_id: str) -> SiteUpserted | None:
        """The site as described."""
        event = self._event(site_id, "site_upserted", site_id)
        return event if isinstance(event, SiteUpserted) else None

    def zone(self, site_id: str) -> ZoneInfo:
        """The site's zone; UTC while nothing is known of it."""
        site = self.site(site_id)
        return UTC_ZONE if site is None else ZoneInfo(site.zone)

    def currency(self, site_id: str) -> str:
        """The site's currency."""
        site = self.site(site_id)
        return "EUR" if site is None else site.currency

    def customer(self, site_id: str, customer_id: str) -> CustomerUpserted | None:
        """A customer of the site or of every site, with what the site's rules say of them over master data."""
        key = (site_id, customer_id)
        if key not in self._customers:
            self._customers[key] = self._customer_under_rules(site_id, customer_id)
        return self._customers[key]

    def _customer_under_rules(self, site_id: str, customer_id: str) -> CustomerUpserted | None:
        event = self._local_or_shared("customer_upserted", site_id, customer_id)
        known = event if isinstance(event, CustomerUpserted) else None
        rules = self._local_or_shared("rules_updated", site_id, "rules_updated")
        said = rules.rules.customer(customer_id) if isinstance(rules, RulesUpdated) else None
        if said is None or rules is None:
            return known
        if known is None:  # the rules may speak of a customer before master data does
            known = CustomerUpserted(
                event_id=rules.event_id,
                event_time=rules.event_time,
                site_id=rules.site_id,
                customer_id=customer_id,
                name=customer_id,
            )
        given = {
            name: value
            for name, value in (
                ("cannot_slip", said.cannot_slip),
                ("weight", said.weight),
                ("account_owner_id", said.account_owner_id),
            )
            if value is not None
        }
        return known.model_copy(update=given)

    def station(self, site_id: str, station_id: str) -> StationUpserted | None:
        """A station of the site."""
        event = self._event(site_id, "station_upserted", station_id)
        return event if isinstance(event, StationUpserted) else None

    def item(self, site_id: str, item_id: str) -> ItemUpserted | None:
        """An item of the site or of every site."""
        event = self._local_or_shared("item_upserted", site_id, item_id)
        return event if isinstance(event, ItemUpserted) else None

    def item_ids(self, site_id: str) -> list[str]:
        """Items of the site and of every site, by id."""
        return sorted(
            {
                key[2]
                for known in (self._events, self._unread)
                for key in known.get("item_upserted", {})
                if key[0] in (site_id, EVERYWHERE)
            }
        )

    def bill(self, site_id: str, item_id: str) -> BillOfMaterialUpserted | None:
        """The bill of material of an item of the site or of every site."""
        event = self._local_or_shared("bill_of_material_upserted", site_id, item_id)
        return event if isinstance(event, BillOfMaterialUpserted) else None

    def person(self, site_id: str, person_id: str) -> PersonUpserted | None:
        """A person of the site or of every site."""
        event = self._local_or_shared("person_upserted", site_id, person_id)
        return event if isinstance(event, PersonUpserted) else None

    def route(self, site_id: str, route_id: str) -> Route | None:
        """Departures of a route in the site's zone."""
        key = (site_id, "shipment_slots_upserted", route_id)
        route = self._routes.get(key)
        if route is None:
            event = self._event(*key)
            if not isinstance(event, ShipmentSlotsUpserted):
                return None
            route = self._routes[key] = Route(event, self.zone(site_id))
        return route

    def forget_routes(self) -> None:
        """The zone of a site changed: departures are to be worked out anew."""
        self._routes.clear()

    def routing_rate(self, site_id: str, item_id: str, line_id: str) -> float | None:
        """Planned good pieces an hour of an item on a line, by its routing."""
        event = self.routing(site_id, item_id)
        if event is None:
            return None
        return next((step.rate_pcs_per_h for step in event.steps if step.line_id == line_id), None)

    def setup_s(self, site_id: str, line_id: str, before: str | None, after: str | None) -> float:
        """Seconds of setup between two families on a line; 0 where a family or matrix is unknown."""
        matrix = self.setup_matrix(site_id, line_id)
        if matrix is None or before is None or after is None:
            return 0.0
        for entry in matrix.entries:
            if entry.from_family == before and entry.to_family == after:
                return entry.setup_min * 60.0
        return (matrix.same_family_min if before == after else matrix.default_min) * 60.0

    def overtime_price(self, site_id: str, line_id: str) -> float | None:
        """Money an hour of overtime where a window names none."""
        event = self._event(site_id, "overtime_rate_upserted", line_id) or self._event(
            site_id, "overtime_rate_upserted"
        )
        return event.cost_per_h if isinstance(event, OvertimeRateUpserted) else None

    def agreed_penalty(self, site_id: str, customer_id: str) -> float | None:
        """Agreed money a day of lateness to a customer."""
        event = self._local_or_shared("penalty_rate_upserted", site_id, customer_id)
        return event.penalty_per_day if isinstance(event, PenaltyRateUpserted) else None

    def work_order_closed(self, site_id: str, work_order_id: str) -> WorkOrderClosed | None:
        """ERP's word that a work order is finished, unless it has spoken of it as open after that."""
        closed = self._event(site_id, "work_order_closed", work_order_id)
        opened = self._event(site_id, "work_order_upserted", work_order_id)
        if not isinstance(closed, WorkOrderClosed):
            return None
        return None if opened is not None and opened.event_time > closed.event_time else closed

    def routing(self, site_id: str, item_id: str) -> RoutingUpserted | None:
        """The routing of an item of the site or of every site."""
        event = self._local_or_shared("routing_upserted", site_id, item_id)
        return event if isinstance(event, RoutingUpserted) else None

    def lane(self, from_site: str, to_site: str) -> TransferLaneUpserted | None:
        """How goods made at one site get to another, withdrawn or not."""
        event = self._event(from_site, "transfer_lane_upserted", to_site)
        return event if isinstance(event, TransferLaneUpserted) else None

    def lane_origins(self) -> list[str]:
        """Sites of which it was said that goods are brought from there to others."""
        return sorted(self._lane_origins)

    def setup_matrix(self, site_id: str, line_id: str) -> SetupMatrixUpserted | None:
        """The setups of a line: its own, else those of its site."""
        matrix = self._event(site_id, "setup_matrix_upserted", line_id) or self._event(
            site_id, "setup_matrix_upserted"
        )
        return matrix if isinstance(matrix, SetupMatrixUpserted) else None

    def routing_lines(self, site_id: str, item_id: str) -> list[str]:
        """Lines that an item's routing names, by step and id."""
        event = self.routing(site_id, item_id)
        if event is None:
            return []
        return [step.line_id for step in sorted(event.steps, key=lambda step: (step.step, step.line_id))]

    def calendar(
        self, site_id: str, calendar_id: str | None, overtime: list[OvertimeWindowUpserted]
    ) -> WorkCalendar:
        """Working time of a line: its calendar and its committed overtime; around the clock without a calendar."""
        exceptions = tuple(
            DatedSpan(window.start_at.timestamp(), window.end_at.timestamp(), working=True)
            for window in overtime
            if window.committed and not window.withdrawn
        )
        event = None if calendar_id is None else self._event(site_id, "calendar_upserted", calendar_id)
        if isinstance(event, CalendarUpserted):
            description = CalendarDescription(
                zone=self.zone(site_id).key,
                shifts=tuple(WeekSpan(span.weekday, span.start, span.end) for span in event.shifts),
                breaks=tuple(WeekSpan(span.weekday, span.start, span.end) for span in event.breaks),
                exceptions=tuple(
                    DatedSpan(span.start_at.timestamp(), span.end_at.timestamp(), span.working)
                    for span in event.exceptions
                )
                + exceptions,
            )
        else:
            # The zone says when its days begin.
            description = CalendarDescription(zone=self.zone(site_id).key, always=True, exceptions=exceptions)
        calendar = self._calendars.get(description)
        if calendar is None:
            calendar = self._calendars[description] = WorkCalendar(description)
        return calendar

    def _read_all(self, kind: str) -> None:
        for key in list(self._unread.get(kind, {})):
            self._event(*key)

    def _event(self, *key: str) -> Event | None:
        """The last upsert of what the key names; read from its document where that was not done yet."""
        event = self._events.get(key[1], _NOTHING).get(key)
        if event is None and self._unread:
            document = self._unread.get(key[1], {}).pop(key, None)
            if document is not None:
                event = self._events.setdefault(key[1], {})[key] = _read(key[1], document)
        return event

    def _local_or_shared(self, kind: str, site_id: str, entity_id: str) -> Event | None:
        return self._event(site_id, kind, entity_id) or self._event(EVERYWHERE, kind, entity_id)


def _read(kind: str, document: bytes) -> Event:
    event = MODEL_OF_KIND[kind].model_validate_json(document)
    assert isinstance(event, Event)
    return event
