"""What the simulated factory is told: how large, how long, how noisy, and with which troubles."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")


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

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("start has no zone")
        if not 1 <= self.sites <= self.lines:
            raise ValueError(f"{self.lines} lines cannot be spread over {self.sites} sites")
        if self.days < 1 or self.count_step_s < 1.0 or self.clock_step_s < 1.0:
            raise ValueError("days, count_step_s and clock_step_s are at least 1")
        if not 0.0 < self.load <= 1.0 or self.noise < 0.0:
            raise ValueError("load lies above 0 and up to 1, noise is not negative")

    @property
    def start_s(self) -> float:
        """The first moment, POSIX seconds."""
        return self.start.timestamp()

    @property
    def end_s(self) -> float:
        """The last moment of events, POSIX seconds."""
        return self.start_s + self.days * 86_400.0
