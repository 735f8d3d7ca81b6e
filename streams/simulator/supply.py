"""Material of one site: stock that runs eat, receipts that fill it up again, now and then too late."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from schemas import ReceiptExpected, ReceiptReceived, StockReported
from streams.simulator.book import Book
from streams.simulator.clock import moment
from streams.simulator.kernel import Kernel
from streams.simulator.plant import Site
from streams.simulator.settings import FactorySettings
from streams.simulator.truth import LateReceiptTruth, TruthRecord
from streams.simulator.voices import Voice

DAY_S = 86_400.0
HOUR_S = 3_600.0

RECEIPT_EVERY_DAYS = 3
AHEAD_DAYS = 1.5
"""A receipt covers what starts from this long after it on."""

RESERVE = 1.04
"""Bought over needed: covers scrap and a little over-use, not much more."""

LATE_SHARE = 0.1
EMERGENCY_H = (6.0, 24.0)
"""Hours until something comes that nobody had ordered in time."""


@dataclass(slots=True, eq=False)
class Receipt:
    """A receipt on its way; expected_s is what was said, arrives_s what comes."""

    receipt_id: str
    item_id: str
    quantity: float
    expected_s: float
    arrives_s: float
    announced_s: float


class Supply:
    """Stock and receipts of a site.

    Attributes:
        stock: what is really there, by item.
    """

    def __init__(
        self, kernel: Kernel, site: Site, settings: FactorySettings, truth: Callable[[TruthRecord], None]
    ) -> None:
        self._kernel = kernel
        self._site = site
        self._settings = settings
        self._truth = truth
        self._rng = Random(f"{settings.seed}/supply/{site.site_id}")
        self._voice = Voice(kernel, site, f"wms-{site.site_id}")
        self._coming: dict[str, list[Receipt]] = {item_id: [] for item_id in site.components}
        self._numbers = 0
        self.stock: dict[str, float] = dict.fromkeys(site.components, 0.0)

    def start(self, book: Book) -> None:
        """Order what the plan needs, and begin to tell."""
        for item_id, needs in _needs(book).items():
            self._order_for(item_id, needs)
        self._kernel.at(self._settings.start_s, self._report_stock)

    def start_full(self, quantity: float) -> None:
        """Begin with so much of everything that nothing needs to be bought, and tell the stock."""
        self.stock = dict.fromkeys(self.stock, quantity)
        self._kernel.at(self._settings.start_s, self._report_stock)

    def _order_for(self, item_id: str, needs: list[tuple[float, float]]) -> None:
        """Initial stock up to the first receipt, then a receipt for each span of days."""
        start_s = self._settings.start_s
        span_s = RECEIPT_EVERY_DAYS * DAY_S
        first_s = start_s + self._rng.randrange(1, RECEIPT_EVERY_DAYS + 1) * DAY_S + 3.0 * HOUR_S
        covered_s = first_s + AHEAD_DAYS * DAY_S
        at_start = sum(quantity for at_s, quantity in needs if at_s < covered_s)
        self.stock[item_id] = float(round(at_start * RESERVE + 200.0))
        last_s = needs[-1][0] if needs else start_s
        receipt_s = first_s
        while covered_s <= last_s:
            quantity = sum(quantity for at_s, quantity in needs if covered_s <= at_s < covered_s + span_s)
            if quantity > 0.0:
                self._expect(item_id, float(round(quantity * RESERVE)), receipt_s)
            receipt_s += span_s
            covered_s += span_s

    def _expect(self, item_id: str, quantity: float, expected_s: float) -> Receipt:
        rng = self._rng
        late_s = 0.0
        if self._settings.disturbances and rng.random() < LATE_SHARE:
            late_s = rng.uniform(0.5, 3.5) * DAY_S
        jitter_s = rng.uniform(-2.0, 2.0) * HOUR_S if self._settings.disturbances else 0.0
        self._numbers += 1
        receipt = Receipt(
            receipt_id=f"PO-{self._site.site_id}-{self._numbers}",
            item_id=item_id,
            quantity=quantity,
            expected_s=expected_s,
            arrives_s=expected_s + late_s + jitter_s,
            announced_s=expected_s - 10.0 * DAY_S,
        )
        self._coming[item_id].append(receipt)
        self._kernel.at(receipt.announced_s, lambda _: self._tell_expected(receipt))
        self._kernel.at(receipt.arrives_s, lambda _: self._receive(receipt))
        if late_s:
            self._truth(LateReceiptTruth(receipt.receipt_id, item_id, expected_s, receipt.arrives_s))
            if rng.random() < 0.5:  # somebody hears of it before it is due
                heard_s = expected_s - rng.uniform(2.0, 30.0) * HOUR_S
                self._kernel.at(max(heard_s, receipt.announced_s), lambda _: self._postpone(receipt))
        return receipt

    def _tell_expected(self, receipt: Receipt) -> None:
        self._voice.tell(
            ReceiptExpected,
            receipt_id=receipt.receipt_id,
            item_id=receipt.item_id,
            quantity=receipt.quantity,
            expected_at=moment(receipt.expected_s, self._site.zone),
        )

    def _postpone(self, receipt: Receipt) -> None:
        receipt.expected_s = receipt.arrives_s
        self._tell_expected(receipt)

    def _receive(self, receipt: Receipt) -> None:
        self._coming[receipt.item_id].remove(receipt)
        self.stock[receipt.item_id] += receipt.quantity
        self._voice.tell(
            ReceiptReceived,
            receipt_id=receipt.receipt_id,
            item_id=receipt.item_id,
            quantity=receipt.quantity,
        )

    def _report_stock(self, at_s: float) -> None:
        """What is there, at the start and every morning at five."""
        for item_id, quantity in self.stock.items():
            self._voice.tell(
                StockReported,
                item_id=item_id,
                location_id="main-store",
                quantity=max(0.0, round(quantity, 3)),
            )
        here = moment(at_s, self._site.zone)
        five = here.replace(hour=5, minute=0, second=0, microsecond=0).timestamp()
        self._kernel.at(five if five > at_s else five + DAY_S, self._report_stock)

    def arrival_after(self, item_id: str, at_s: float) -> float:
        """When more of an item comes; where nothing is on its way, it is now ordered in haste."""
        coming = [receipt.arrives_s for receipt in self._coming[item_id]]
        hasty_s = at_s + self._rng.uniform(*EMERGENCY_H) * HOUR_S
        if not coming or min(coming) > hasty_s + DAY_S:
            receipt = self._expect(item_id, 2_000.0, hasty_s)
            coming.append(receipt.arrives_s)
        return max(at_s, min(coming))


def _needs(book: Book) -> dict[str, list[tuple[float, float]]]:
    """What the plan needs of each component, as (planned start, quantity) in time order."""
    needs: dict[str, list[tuple[float, float]]] = {item_id: [] for item_id in book.site.components}
    for run in book.runs():
        for item_id, per_piece in run.item.components:
            needs[item_id].append((run.setup_s, per_piece * run.quantity_pcs * (1.0 + run.item.scrap)))
    return needs
