"""What the simulated factory is told: how large, how long, how noisy, and with which troubles."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")

STOP_EVERY_H = 22.0
BREAKDOWN_SHARE = 0.06
"""Share of stops that are breakdowns, ten times as long."""


@dataclass(frozen=True, slots=True)
class FactorySettings:
    """A factory is a pure function of these.

    Attributes:
        seed: everything random follows from it.
        sites: sites; lines, orders and runs are numbered through all of them.
        lines: production lines of all sites together.
        days: days of events from the start on.
        start: the first moment, with zone.
        zone: time zone of every site.
        noise: 1.0 is a usual shop floor, 0.0 runs exactly at the planned rate with no scrap but what is expected.
        disturbances: whether the plant has drifts, stops, late material, scrap shifts and changed orders.
        troubles: whether the data about it has duplicates, late counts, corrections, outages and counter resets.
        load: planned hours over available hours of a line.
        two_steps: whether each site's last line finishes what others have made (needs three lines of the site).
        count_step_s: seconds between count reports; the number of events follows from it.
        clock_step_s: step of the driven clock in working time, seconds.
        announced_days: days before its planned start at which a run and its order become known.
        site_prefix: sites are called after it: plant-1, plant-2.
        first_line: number of the first line.
        skipped_lines: numbers that belong to somebody else, when the factory lives beside another story.
        with_site: whether site and plant manager are told; False where another story tells them.
        same_world: whether luck goes by run and moment, so that two plans meet the same one (chances.py).
        areas: areas that the lines are spread over, 1 to 3; fewer areas, more lines that can make an item.
        setup_scale: on every setup between families; 1.0 is 15 to 60 minutes.
        setup_cost_per_h: money an hour of planned setup, told in the setup matrices.
        stop_every_h: mean working hours between two stops of a line; breakdown_share: of them that last ten times as
            long. Both only where same_world is set.
    """

    seed: int = 1
    sites: int = 1
    lines: int = 12
    days: int = 14
    start: datetime = datetime(2026, 11, 16, 6, 0, tzinfo=ZONE)
    zone: ZoneInfo = ZONE
    noise: float = 1.0
    disturbances: bool = True
    troubles: bool = True
    load: float = 0.92
    two_steps: bool = True
    count_step_s: float = 300.0
    clock_step_s: float = 300.0
    announced_days: float = 8.0
    site_prefix: str = "plant"
    first_line: int = 1
    skipped_lines: tuple[int, ...] = ()
    with_site: bool = True
    same_world: bool = False
    areas: int = 3
    setup_scale: float = 1.0
    setup_cost_per_h: float = 0.0
    stop_every_h: float = STOP_EVERY_H
    breakdown_share: float = BREAKDOWN_SHARE

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("start has no zone")
        if not 1 <= self.sites <= self.lines:
            raise ValueError(f"{self.lines} lines cannot be spread over {self.sites} sites")
        if self.days < 1 or self.count_step_s < 1.0 or self.clock_step_s < 1.0:
            raise ValueError("days, count_step_s and clock_step_s are at least 1")
        if not 0.0 < self.load <= 1.0 or self.noise < 0.0:
            raise ValueError("load lies above 0 and up to 1, noise is not negative")
        if not 1 <= self.areas <= 3 or self.setup_scale < 0.0:
            raise ValueError("areas are 1 to 3, setup_scale is not negative")
        if self.stop_every_h <= 0.0 or not 0.0 <= self.breakdown_share <= 1.0:
            raise ValueError("stop_every_h lies above 0, breakdown_share from 0 to 1")

    @property
    def start_s(self) -> float:
        """The first moment, POSIX seconds."""
        return self.start.timestamp()

    @property
    def end_s(self) -> float:
        """The last moment of events, POSIX seconds."""
        return self.start_s + self.days * 86_400.0
