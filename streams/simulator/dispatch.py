"""Finished runs become shipped orders: an order is ready with its last run, and leaves on the next truck."""

from collections.abc import Callable

from schemas import OrderShipped, ShipmentDeparted
from streams.simulator.book import Order, Run
from streams.simulator.clock import moment
from streams.simulator.kernel import Kernel
from streams.simulator.plant import Site
from streams.simulator.truth import OrderTruth, TruthRecord
from streams.simulator.voices import Erp, Voice

CLOSED_AFTER_S = 1_200.0
"""ERP closes the work order of a finished run so long after its end."""


class Dispatch:
    """The loading dock of a site.

    Attributes:
        open_orders: ids of announced orders that have not left and are not cancelled.
    """

    def __init__(self, kernel: Kernel, site: Site, erp: Erp, truth: Callable[[TruthRecord], None]) -> None:
        self._kernel = kernel
        self._site = site
        self._truth = truth
        self._wms = Voice(kernel, site, f"dock-{site.site_id}")
        self._sales = Voice(kernel, site, f"sales-{site.site_id}")
        self._erp = erp
        self._loaded: dict[tuple[float, str], list[Order]] = {}
        self.open_orders: dict[str, Order] = {}

    def run_completed(self, run: Run) -> None:
        """Take what a run made, now."""
        run.is_made = True
        self._kernel.at(self._kernel.now_s + CLOSED_AFTER_S, lambda _: self._erp.close_work_order(run))
        if run.feeds is not None:
            run.feeds.waits_for.pop(run.run_id, None)
        for order, _ in run.pegs:
            order.waits_for.pop(run.run_id, None)
            if not order.waits_for and order.ready_s is None and not order.is_cancelled:
                order.ready_s = self._kernel.now_s
                self._load(order)

    def _load(self, order: Order) -> None:
        departure_s = order.route.next_departure(self._kernel.now_s, self._site.zone)
        truck = (departure_s, order.route.route_id)
        if truck not in self._loaded:
            self._loaded[truck] = []
            self._kernel.at(departure_s, lambda _: self._depart(truck))
        self._loaded[truck].append(order)

    def _depart(self, truck: tuple[float, str]) -> None:
        departure_s, route_id = truck
        orders = self._loaded.pop(truck)
        self._wms.tell(
            ShipmentDeparted,
            shipment_id=f"{route_id}/{moment(departure_s, self._site.zone):%Y-%m-%dT%H%M}",
            route_id=route_id,
            order_ids=[order.order_id for order in orders],
        )
        for order in orders:
            order.shipped_s = departure_s
            self.open_orders.pop(order.order_id, None)
            self._sales.tell(OrderShipped, order_id=order.order_id, shipped_pcs=float(order.quantity_pcs))
            assert order.ready_s is not None
            late_s = max(0.0, departure_s - order.promised_s)
            self._truth(OrderTruth(order.order_id, order.promised_s, order.ready_s, departure_s, late_s))
