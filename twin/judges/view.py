"""What a judge may look at: the model, the clock, its root, and the late orders that are blamed on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from schemas import Card, CustomerUpserted, Rules
from twin.judges.risk import LateOrder, Root
from twin.state.entities import Line, Order
from twin.state.model import Model


@dataclass(frozen=True, slots=True)
class View:
    """One root, to be judged now.

    Attributes:
        now: the shard's clock.
        card: the card of the present episode, None where there is none: hysteresis is to look at is_open only.
        late: the orders that are late by this root, worst first.
    """

    model: Model
    now: float
    root: Root
    card: Card | None
    late: Sequence[LateOrder]

    @property
    def is_open(self) -> bool:
        """Whether an episode goes on: it ends at a lower threshold than it began."""
        return self.card is not None

    @property
    def site_id(self) -> str:
        """The root's site."""
        return self.root[2]

    @property
    def rules(self) -> Rules:
        """The site's rules."""
        return self.model.plant.rules(self.site_id)

    @property
    def zone(self) -> ZoneInfo:
        """The site's zone."""
        return self.model.plant.zone(self.site_id)

    @property
    def currency(self) -> str:
        """The site's currency."""
        return self.model.plant.currency(self.site_id)

    @property
    def line(self) -> Line | None:
        """The line that the root is, if it is one."""
        return self.model.lines.get((self.site_id, self.root[3])) if self.root[1] == "line" else None

    def customer(self, order: Order) -> CustomerUpserted | None:
        """Who ordered it."""
        return self.model.plant.customer(order.site_id, order.event.customer_id)
