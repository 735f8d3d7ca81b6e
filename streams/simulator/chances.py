"""What chance does to a line: by turn, as one thing after the other draws, or by moment, the same whatever the plan.

By turn, every draw takes the next number of its stream, so another sequence of runs meets other luck. By moment, a
speed belongs to a line and a stretch of the clock, a stop to a line and a moment, a setup's length and a run's own speed
to the run: two plans can be compared on one and the same world. What is left uncoupled then: the scrap of a run is drawn
from its own stream in the order of its pieces, cut where the clock cuts its stretches; a stop that falls into a setup
begins after it.
"""

import math
from random import Random
from typing import Protocol

from streams.simulator.plant import Line
from streams.simulator.processes import Speed, Stop, Stops, draw_pieces
from streams.simulator.settings import FactorySettings

SETUP_SPREAD = 0.25
"""Log deviation of a real setup from its planned time at noise 1."""

OVER_USE_SHARE = 0.1
OVER_USE = (0.02, 0.08)


class Chances(Protocol):
    """The luck of one line.

    Attributes:
        reports: stream of what reports draw: resets of counters.
        inspections: stream of what inspections find.
    """

    reports: Random
    inspections: Random

    def setup_factor(self, run_id: str) -> float:
        """Real over planned length of the setup before a run."""

    def over_use(self, run_id: str) -> float:
        """Share of material that a run uses beyond its bill."""

    def run_speed(self, run_id: str) -> float:
        """A run's own factor on the speed."""

    def speed(self, at_s: float, step_s: float) -> float:
        """Mean factor on the speed for step_s seconds from a moment on."""

    def pieces(self, run_id: str, most: int, wanted: int, scrap_share: float) -> tuple[int, int]:
        """Good and scrap pieces, up to `most` in all or `wanted` good ones."""

    def until_stop_s(self, at_s: float, left_s: float | None) -> float:
        """Seconds of running until the next stop, when left_s were left by the last word; None: not asked yet."""

    def stop(self, at_s: float) -> Stop:
        """The stop that begins now."""


class ByTurn:
    """Each draw takes the next number of its stream."""

    def __init__(self, settings: FactorySettings, line: Line) -> None:
        seed, line_id = settings.seed, line.line_id
        self.reports = Random(f"{seed}/floor/{line_id}")
        self.inspections = Random(f"{seed}/scrap/{line_id}")
        self._speed = Speed(Random(f"{seed}/speed/{line_id}"), settings.noise)
        self._stops = Stops(Random(f"{seed}/stops/{line_id}"), settings.disturbances)
        self._settings = settings

    def setup_factor(self, run_id: str) -> float:
        """Lognormal."""
        return math.exp(self.reports.gauss(0.0, SETUP_SPREAD * self._settings.noise))

    def over_use(self, run_id: str) -> float:
        """Now and then a little."""
        is_much = self._settings.disturbances and self.reports.random() < OVER_USE_SHARE
        return self.reports.uniform(*OVER_USE) if is_much else 0.0

    def run_speed(self, run_id: str) -> float:
        """Of this run, which is asked for once."""
        return self._speed.of_run()

    def speed(self, at_s: float, step_s: float) -> float:
        """The next step of the line's speed."""
        return self._speed.factor(step_s)

    def pieces(self, run_id: str, most: int, wanted: int, scrap_share: float) -> tuple[int, int]:
        """The line's next pieces."""
        return draw_pieces(self.inspections, most, wanted, scrap_share)

    def until_stop_s(self, at_s: float, left_s: float | None) -> float:
        """So much as was left: stops come with running time."""
        return self._stops.next_after_s() if left_s is None else left_s

    def stop(self, at_s: float) -> Stop:
        """The next stop of the line."""
        return self._stops.draw()


class ByMoment:
    """The same luck at the same moment, and for the same run, whatever the plan."""

    def __init__(self, settings: FactorySettings, line: Line) -> None:
        seed, line_id = settings.seed, line.line_id
        self.reports = Random(f"{seed}/floor/{line_id}")
        self.inspections = Random(f"{seed}/inspections/{line_id}")
        self._settings, self._line = settings, line
        self._speed = Speed(Random(f"{seed}/speed/{line_id}"), settings.noise)
        self._factors: list[float] = []  # of each stretch of the clock from the start on
        self._stops = Stops(
            Random(f"{seed}/stops/{line_id}"),
            settings.disturbances,
            every_h=settings.stop_every_h,
            breakdown_share=settings.breakdown_share,
        )
        self._next: tuple[float, float, Stop] | None = None
        self._stopped_s = settings.start_s
        self._scrap: tuple[str, Random] = ("", self.inspections)

    def setup_factor(self, run_id: str) -> float:
        """Lognormal, of the run."""
        return math.exp(self._of("setup", run_id).gauss(0.0, SETUP_SPREAD * self._settings.noise))

    def over_use(self, run_id: str) -> float:
        """Now and then a little, of the run."""
        rng = self._of("over-use", run_id)
        return (
            rng.uniform(*OVER_USE) if self._settings.disturbances and rng.random() < OVER_USE_SHARE else 0.0
        )

    def run_speed(self, run_id: str) -> float:
        """Of the run, on whatever line."""
        return Speed(self._of("run", run_id), self._settings.noise).of_run()

    def speed(self, at_s: float, step_s: float) -> float:
        """Of the line in the stretch of the clock that holds the moment, worked or not."""
        every_s = self._settings.count_step_s
        place = max(0, math.floor((at_s - self._settings.start_s) / every_s))
        while len(self._factors) <= place:
            self._factors.append(self._speed.factor(every_s))
        return self._factors[place]

    def pieces(self, run_id: str, most: int, wanted: int, scrap_share: float) -> tuple[int, int]:
        """The run's next pieces."""
        if self._scrap[0] != run_id:
            self._scrap = (run_id, self._of("pieces", run_id))
        return draw_pieces(self._scrap[1], most, wanted, scrap_share)

    def until_stop_s(self, at_s: float, left_s: float | None) -> float:
        """Until the line's next stop by the clock; what began and ended while it made nothing is over."""
        while True:
            begins_s, ends_s, _ = self._coming()
            if ends_s > at_s:
                return max(0.0, begins_s - at_s)
            self._next = None

    def stop(self, at_s: float) -> Stop:
        """What is left of the stop that holds the moment."""
        _, ends_s, stop = self._coming()
        self._next = None
        left_s = self._line.calendar.work_between(at_s, ends_s)
        return Stop(stop.reason, stop.is_internal, left_s, stop.expected_min)

    def _coming(self) -> tuple[float, float, Stop]:
        """Begin and end of the next stop."""
        if self._next is None:
            calendar = self._line.calendar
            begins_s = calendar.add_work(self._stopped_s, self._stops.next_after_s())
            stop = self._stops.draw()
            self._stopped_s = calendar.add_work(begins_s, stop.lasts_s) if begins_s < math.inf else math.inf
            self._next = (begins_s, self._stopped_s, stop)
        return self._next

    def _of(self, what: str, run_id: str) -> Random:
        return Random(f"{self._settings.seed}/{what}/{run_id}")


def chances_of(settings: FactorySettings, line: Line) -> Chances:
    """The luck of a line, as the settings want it."""
    return ByMoment(settings, line) if settings.same_world else ByTurn(settings, line)
