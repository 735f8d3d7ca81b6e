"""ISO 22400 elements: where the planned busy time of a line or run went, what it made, and the ratios of both.

Law: elements add up, ratios do not. Whoever wants the OEE of several lines or days adds their elements and asks then.
"""

from collections.abc import Iterable

import msgspec


class Elements(msgspec.Struct):
    """Seconds of working time and quantities of one line or run over some time.

    Attributes:
        apt_s: APT, actual production; aust_s: AUST, setup; adet_s: ADET, delay: on an order and not producing;
        adot_s: ADOT, down: on no order. Each second of planned busy time is in exactly one of them.
        good_pcs, scrap_pcs, rework_pcs: GQ, SQ, RQ.
        planned_s: planned run time of all that was made: made pieces x planned run time per item.
    """

    apt_s: float = 0.0
    aust_s: float = 0.0
    adet_s: float = 0.0
    adot_s: float = 0.0
    good_pcs: float = 0.0
    scrap_pcs: float = 0.0
    rework_pcs: float = 0.0
    planned_s: float = 0.0

    @property
    def pbt_s(self) -> float:
        """PBT, planned busy time: the working time of the calendar."""
        return self.apt_s + self.aust_s + self.adet_s + self.adot_s

    @property
    def made_pcs(self) -> float:
        """PQ, produced: good or not."""
        return self.good_pcs + self.scrap_pcs + self.rework_pcs

    @property
    def availability(self) -> float | None:
        """APT over PBT; None where nothing was planned to be busy."""
        return _ratio(self.apt_s, self.pbt_s)

    @property
    def effectiveness(self) -> float | None:
        """Planned run time of what was made over APT; above 1 where it was faster than planned; None without APT."""
        return _ratio(self.planned_s, self.apt_s)

    @property
    def quality(self) -> float | None:
        """GQ over PQ; None where nothing was made."""
        return _ratio(self.good_pcs, self.made_pcs)

    @property
    def oee(self) -> float | None:
        """Availability x effectiveness x quality; None where one of them is."""
        a, e, q = self.availability, self.effectiveness, self.quality
        return None if a is None or e is None or q is None else a * e * q

    def add(self, other: "Elements") -> None:
        """Take another's elements in."""
        for name in Elements.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Period(msgspec.Struct):
    """The elements of a line between two edges of its shifts; its end belongs to it, its start does not.

    A count tells of what was made before it: one at the very end of a shift is that shift's.

    Attributes:
        start_s, end_s: POSIX seconds.
        day: working day, ISO date: a night shift belongs to the day on which it began.
        shift: local time at which the shift begins, "" outside of shifts.
    """

    start_s: float
    end_s: float
    day: str
    shift: str
    elements: Elements

    def encode(self) -> bytes:
        """JSON of the period."""
        return msgspec.json.encode(self)


def total(parts: Iterable[Elements]) -> Elements:
    """The sum of elements: of several periods, lines or runs."""
    whole = Elements()
    for part in parts:
        whole.add(part)
    return whole


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 0.0 else None
