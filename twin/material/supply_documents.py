"""The documents of material: what a run took, what came of a receipt, what follows for an item."""

import msgspec

from twin.material.materials import Gate

ENTRIES_KEPT = 64
"""Consumption reports kept one by one a run and item; older ones are one sum. Fewer: a stock report that comes later
than they do cuts less exactly; more cost memory."""

ARRIVALS_KEPT = 32
"""Partial deliveries kept a receipt."""


class UseAccount(msgspec.Struct):
    """What one run took of one item. Times are POSIX seconds, quantities in the item's unit.

    Attributes:
        at: the moment of which its use is known; good, made: pieces that it had made by then.
        entries: what it reported to have used after the stock report, with the moment, oldest first.
        estimated: used after the stock report by count, not reported.
        seen_used, seen_made: all that it reported, and pieces made by its last report, for the observed over-use.
        reports: how many; reported_at, event_id: the last of them.
    """

    at: float = 0.0
    good: float = 0.0
    made: float = 0.0
    entries: list[tuple[float, float]] = msgspec.field(default_factory=list)
    estimated: float = 0.0
    seen_used: float = 0.0
    seen_made: float = 0.0
    reports: int = 0
    reported_at: float = 0.0
    event_id: str = ""

    @property
    def used(self) -> float:
        """Units used after the stock report, up to the moment of which its use is known."""
        return sum(quantity for _, quantity in self.entries) + self.estimated

    def enter(self, moment: float, quantity: float) -> None:
        """Note a report; what is too old to be kept apart becomes one sum."""
        self.entries.append((moment, quantity))
        self.entries.sort()
        if len(self.entries) > ENTRIES_KEPT:
            (_, first), (second_at, second) = self.entries[:2]
            self.entries[:2] = [(second_at, first + second)]

    def encode(self) -> bytes:
        """JSON of the account."""
        return msgspec.json.encode(self)


class Arrivals(msgspec.Struct):
    """What came in of a receipt: the moment, and how much in all by then, oldest first."""

    item_id: str
    steps: list[tuple[float, float]] = msgspec.field(default_factory=list)

    def encode(self) -> bytes:
        """JSON of the arrivals."""
        return msgspec.json.encode(self)


class ItemSupply(msgspec.Struct):
    """An item that runs take, and what follows from its supply.

    Attributes:
        dirty: something changed since gates were worked out; touched_at: the youngest event that changed something.
        carried: used after the stock report by runs that are forgotten, less what forgotten receipts brought.
        hour: the clock when the gates were worked out, in whole hours; None: they do not depend on it.
        over_use: as it was then; gates: material that runs have to wait for, by run.
        short_since: since when a shortage is projected, as last signalled; None: none is.
    """

    dirty: bool = True
    touched_at: float = 0.0
    carried: float = 0.0
    hour: float | None = None
    over_use: float = 0.0
    gates: dict[str, list[Gate]] = msgspec.field(default_factory=dict)
    short_since: float | None = None

    def encode(self) -> bytes:
        """JSON of the state."""
        return msgspec.json.encode(self)
