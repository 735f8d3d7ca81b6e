"""How the simulated systems speak: the gateway of each line, ERP, WMS. They number their events and never say more."""

from typing import Any, TypeVar

from schemas import (
    Event,
    OrderUpserted,
    PackmlState,
    Peg,
    RunPlanned,
    StateChanged,
    WorkOrderClosed,
    WorkOrderUpserted,
)
from streams.simulator.book import Order, Run
from streams.simulator.clock import moment
from streams.simulator.kernel import Kernel
from streams.simulator.plant import Line, Site

E = TypeVar("E", bound=Event)


class Voice:
    """A system of one site that tells events, each with an id of its own."""

    def __init__(self, kernel: Kernel, site: Site, name: str) -> None:
        self._kernel = kernel
        self._site = site
        self._name = name
        self._told = 0

    def tell(self, model: type[E], **fields: Any) -> E:
        """Say that something happened now."""
        self._told += 1
        event = model(
            event_id=f"{self._name}/{self._told}",
            event_time=moment(self._kernel.now_s, self._site.zone),
            site_id=self._site.site_id,
            **fields,
        )
        self._kernel.say(event)
        return event


class Gateway(Voice):
    """The gateway of a line."""

    def __init__(self, kernel: Kernel, site: Site, line: Line) -> None:
        super().__init__(kernel, site, f"gateway-{line.line_id.lower()}")
        self._line = line

    def tell_line(self, model: type[E], **fields: Any) -> E:
        """Say something about the line."""
        return self.tell(model, line_id=self._line.line_id, **fields)

    def tell_state(
        self, state: PackmlState, reason: str | None = None, station_id: str | None = None
    ) -> None:
        """Say the line's PackML state, where its gateway does so."""
        if self._line.reports_states:
            self.tell_line(StateChanged, state=state, reason=reason, station_id=station_id)


class Planning(Voice):
    """A system that plans runs, and names itself in what it says: where two of them differ, one can tell who said what."""

    def tell(self, model: type[E], **fields: Any) -> E:
        """Say that something happened now."""
        return super().tell(model, source_id=self._name, **fields)

    def tell_run(self, run: Run, quantity_pcs: int | None = None) -> None:
        """Say a run as it is now planned, if need be with a quantity that is not so."""
        zone = self._site.zone
        self.tell(
            RunPlanned,
            run_id=run.run_id,
            line_id=run.line.line_id,
            item_id=run.item.item_id,
            quantity_pcs=float(run.quantity_pcs if quantity_pcs is None else quantity_pcs),
            planned_start_at=moment(run.start_s, zone),
            planned_end_at=moment(run.end_s, zone),
            rate_pcs_per_h=run.line.rate_pcs_per_h,
            release_at=moment(run.release_s, zone),
            work_order_id=run.work_order_id,
            pegs=[Peg(order_id=order.order_id, quantity_pcs=float(pieces)) for order, pieces in run.pegs],
            feeds_run_ids=[] if run.feeds is None else [run.feeds.run_id],
        )


class Mes(Planning):
    """The MES of a site: makes what ERP plans, and only says so itself where somebody changed it there."""

    def __init__(self, kernel: Kernel, site: Site) -> None:
        super().__init__(kernel, site, f"mes-{site.site_id}")


class Erp(Planning):
    """ERP and planning of a site."""

    def __init__(self, kernel: Kernel, site: Site) -> None:
        super().__init__(kernel, site, f"erp-{site.site_id}")

    def tell_order(self, order: Order) -> None:
        """Say an order as it now stands."""
        zone = self._site.zone
        self.tell(
            OrderUpserted,
            order_id=order.order_id,
            customer_id=order.customer.customer_id,
            item_id=order.item.item_id,
            quantity_pcs=float(order.quantity_pcs),
            promised_at=moment(order.promised_s, zone),
            route_id=order.route.route_id,
            unit_price=order.item.unit_price,
            unit_cost=order.item.unit_cost,
            penalty_per_day=order.penalty_per_day,
            priority=order.priority,
        )

    def tell_work_order(self, run: Run) -> None:
        """Say the work order behind a run."""
        zone = self._site.zone
        self.tell(
            WorkOrderUpserted,
            work_order_id=run.work_order_id,
            item_id=run.item.item_id,
            quantity_pcs=float(run.quantity_pcs),
            start_at=moment(run.start_s, zone),
            end_at=moment(run.end_s, zone),
            order_ids=[order.order_id for order, _ in run.pegs],
        )

    def close_work_order(self, run: Run) -> None:
        """Say that the work order behind a run is finished; said once, unless it was opened again."""
        if not run.is_closed:
            run.is_closed = True
            self.tell(WorkOrderClosed, work_order_id=run.work_order_id)

    def tell_run(self, run: Run, quantity_pcs: int | None = None) -> None:
        """Say a run as it is now planned, and its work order where that is new."""
        if not run.has_work_order:
            run.has_work_order = True
            self.tell_work_order(run)
        super().tell_run(run, quantity_pcs)
