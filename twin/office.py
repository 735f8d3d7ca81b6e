"""What offices say: the plant model, master data, orders and the plan of runs."""

from collections.abc import Callable
from typing import Any

from schemas import (
    AreaUpserted,
    CalendarUpserted,
    CustomerUpserted,
    Event,
    LineUpserted,
    OrderCancelled,
    OrderShipped,
    OrderUpserted,
    OvertimeWindowUpserted,
    PersonUpserted,
    RulesUpdated,
    RunCancelled,
    RunPlanned,
    ShipmentDeparted,
    SiteUpserted,
    StationUpserted,
    TransferLaneUpserted,
    WorkOrderClosed,
)
from twin.cards.card_life import HELD_STATES, LIVE_STATES
from twin.judges import conflicts
from twin.judges.risk import Root
from twin.replan.replan_triggers import late_on, note_cancelled, note_order, note_plan
from twin.session import Session
from twin.state.entities import Order, SiteKey
from twin.state.limits import has_room
from twin.state.plant import EVERYWHERE, Word
from twin.state.runs import RunState


class Office:
    """Folds upserts of plant, master data, orders and runs.

    Args:
        session: shared with the twin's other handlers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def handlers(self) -> dict[str, Callable[[Any], None]]:
        """Kind -> what folds it; any other kind is kept (see keep)."""
        table: dict[str, Callable[[Any], None]] = {
            "site_upserted": self._on_site,
            "area_upserted": self._on_area,
            "line_upserted": self._on_line,
            "station_upserted": self._on_station,
            "calendar_upserted": self._on_calendar,
            "overtime_window_upserted": self._on_overtime,
            "customer_upserted": self._on_customer,
            "person_upserted": self._on_person,
            "order_upserted": self._on_order,
            "order_cancelled": self._on_order_cancelled,
            "order_shipped": self._on_order_shipped,
            "run_planned": self._on_run_planned,
            "run_cancelled": self._on_run_cancelled,
            "shipment_departed": self._on_departure,
            "work_order_closed": self._on_work_order_closed,
            "transfer_lane_upserted": self._on_lane,
        }
        for kind in ("setup_matrix_upserted", "item_upserted", "routing_upserted", "overtime_rate_upserted"):
            table[kind] = self._on_plant_change
        for kind in ("shipment_slots_upserted", "rules_updated", "penalty_rate_upserted"):
            table[kind] = self._on_terms_change
        return table

    def keep(self, event: Event) -> Word:
        """Take the event as the last word on what it speaks of; an older one, or one too many, is rejected."""
        if not has_room(self._session, event):
            return Word.SUPERSEDED  # for who asks: nothing follows from it
        word = self._session.model.plant.upsert(event)
        if word is Word.SUPERSEDED:
            self._session.reject(event, "superseded", "a later word on the same entity is known")
        elif word is Word.REPEATED:
            self._session.was_repeated = True
            self._session.counters["duplicate", "content"] += 1
        return word

    def _on_site(self, event: SiteUpserted) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.model.links.site(event)
            self._refresh(event.site_id)
            self._session.evaluate([], self._session.model.open_orders(event.site_id))

    def _on_area(self, event: AreaUpserted) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.model.links.area(event)

    def _on_line(self, event: LineUpserted) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.evaluate([self._session.model.put_line(event)])

    def _on_station(self, event: StationUpserted) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.model.links.station(event)

    def _on_calendar(self, event: CalendarUpserted) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._refresh(event.site_id)

    def _on_overtime(self, event: OvertimeWindowUpserted) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.evaluate([self._session.model.put_overtime(event)])

    def _on_lane(self, event: TransferLaneUpserted) -> None:
        """What is made at one site for the orders of another takes another time to get there."""
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            orders = self._session.model.open_orders(event.to_site_id)
            self._session.evaluate([], orders)

    def _on_customer(self, event: CustomerUpserted) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.model.links.rename("customer", event.site_id, event.customer_id, event.name)
            self._session.evaluate([], self._session.model.open_orders(event.site_id))

    def _on_person(self, event: PersonUpserted) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.model.links.rename("person", event.site_id, event.person_id, event.name)
            self._dirty_site(event.site_id)

    def _on_plant_change(self, event: Event) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.latest.clear()
            self._refresh(event.site_id)

    def _on_terms_change(self, event: Event) -> None:
        """Trucks, penalties and rules move orders even where no run is left to project."""
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            self._session.latest.clear()
            self._refresh(event.site_id)
            model = self._session.model
            # Rules change cards that have no order too, and what was put aside may be worse under them.
            roots = self._roots_with_card(event.site_id) if isinstance(event, RulesUpdated) else []
            self._session.evaluate([], model.open_orders(event.site_id), roots)

    def _roots_with_card(self, site_id: str) -> list[Root]:
        return [
            root
            for root, card in sorted(self._session.model.cards.items())
            if site_id in (EVERYWHERE, root[2]) and (card.state in LIVE_STATES or card.state in HELD_STATES)
        ]

    def _refresh(self, site_id: str) -> None:
        """What the lines of a site rest on changed: the next tick projects them anew."""
        for line in self._session.model.refresh_site(site_id):
            self._session.mark_dirty(line)

    def _dirty_site(self, site_id: str) -> None:
        for (site, _), line in sorted(self._session.model.lines.items()):
            if site_id in (EVERYWHERE, site):
                self._session.mark_dirty(line)

    def _on_order(self, event: OrderUpserted) -> None:
        known = self._session.model.orders.get((event.site_id, event.order_id))
        before = None if known is None else known.event
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            order = self._session.model.put_order(event)
            closed_at = order.state.closed_at
            if (
                order.state.status == "cancelled"
                and closed_at is not None
                and event.event_time.timestamp() > closed_at
            ):
                order.state.status, order.state.closed_at = "open", None  # ERP took the cancellation back
            self._session.review(conflicts.root_of_order(order), event.event_time.timestamp())
            self._session.evaluate([], [order])
            note_order(self._session.model, self._session.now, before, order)

    def _on_order_cancelled(self, event: OrderCancelled) -> None:
        order = self._order_of(event, event.order_id)
        if order is not None and event.event_time < order.event.event_time:
            self._session.reject(event, "superseded", f"order {order.order_id} was said to stand after that")
        elif order is not None and self.keep(event) is not Word.SUPERSEDED:
            self._close([order], "cancelled", event)

    def _on_order_shipped(self, event: OrderShipped) -> None:
        order = self._order_of(event, event.order_id)
        if order is None or self.keep(event) is Word.SUPERSEDED:
            return
        order.state.shipped_pcs = max(order.state.shipped_pcs, event.shipped_pcs)
        self._session.model.save_order(order)
        if order.state.shipped_pcs >= order.event.quantity_pcs:
            self._close([order], "shipped", event)

    def _on_departure(self, event: ShipmentDeparted) -> None:
        if self.keep(event) is Word.SUPERSEDED:
            return
        known = [self._session.model.orders.get((event.site_id, order_id)) for order_id in event.order_ids]
        orders = [order for order in known if order is not None]
        for order in orders:
            order.state.shipped_pcs = order.event.quantity_pcs
        # Together: one truck is one event, and a card speaks once of what it did.
        self._close(orders, "shipped", event)
        if len(orders) < len(known):
            missing = [each for each, order in zip(event.order_ids, known, strict=True) if order is None]
            self._session.reject(
                event, "unknown_order", f"orders not known: {', '.join(missing[:10])}; the others were taken"
            )

    def _close(self, orders: list[Order], status: str, event: Event) -> None:
        ended = [order for order in orders if order.is_open]
        for order in ended:
            order.state.status = status
            order.state.closed_at = event.event_time.timestamp()
            self._session.model.save_order(order)
        model = self._session.model
        for run_key in sorted(
            {key for order in ended for key in model.pegged.get((order.site_id, order.order_id), {})}
        ):
            self._session.review(conflicts.root_of_run(model.runs[run_key]), event.event_time.timestamp())
        if status == "cancelled":
            note_cancelled(model, self._session.now, ended, event)
        self._session.evaluate([], ended)

    def _on_work_order_closed(self, event: WorkOrderClosed) -> None:
        if self.keep(event) in (Word.NEW, Word.CHANGED):
            for key, run in sorted(self._session.model.runs.items()):
                if key[0] == event.site_id and run.plan.work_order_id == event.work_order_id:
                    self._session.review(conflicts.root_of_run(run), event.event_time.timestamp())

    def _order_of(self, event: Event, order_id: str) -> Order | None:
        order = self._session.model.orders.get((event.site_id, order_id))
        if order is None:
            self._session.reject(
                event, "unknown_order", f"order {order_id} of site {event.site_id} is not known"
            )
        return order

    def _on_run_planned(self, event: RunPlanned) -> None:
        word = self.keep(event)
        if word in (Word.SUPERSEDED, Word.REPEATED):
            return
        known = self._session.model.runs.get((event.site_id, event.run_id))
        orders = [] if known is None else self._session.model.orders_of(known)
        late = self._late_before(event)
        run, lines = self._session.model.put_run(event)
        self._session.review(conflicts.root_of_run(run), event.event_time.timestamp())
        if word is Word.CHANGED:
            self._session.evaluate(lines, [*orders, *self._session.model.orders_of(run)])
        else:
            for line in lines:
                self._session.mark_dirty(line)
        if late is not None:
            note_plan(self._session.model, self._session.now, run, lines, late)

    def _late_before(self, event: RunPlanned) -> list[SiteKey] | None:
        """Orders that are late by the lines of a run before its plan is changed; None where that is noted already."""
        model = self._session.model
        known = model.line_of_run.get((event.site_id, event.run_id))
        keys = {(event.site_id, event.line_id), *([] if known is None else [(known.site_id, known.line_id)])}
        if self._session.now is None or all(model.replans.notes_change_on(key) for key in keys):
            return None
        return late_on(model, [model.lines[key] for key in sorted(keys) if key in model.lines])

    def _on_run_cancelled(self, event: RunCancelled) -> None:
        run = self._session.model.runs.get((event.site_id, event.run_id))
        if run is None:
            self._session.reject(event, "unknown_run", f"run {event.run_id} is not known")
        elif run.progress.state is not RunState.PLANNED:
            self._session.reject(
                event, "illegal_transition", f"run_cancelled: run {run.run_id} is {run.progress.state}"
            )
        else:
            orders = self._session.model.orders_of(run)
            self._session.evaluate(self._session.model.drop_run(run), orders)
