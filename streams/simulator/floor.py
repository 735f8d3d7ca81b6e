"""One line of the simulated shop floor: takes runs from its queue, sets up, makes pieces, stops, waits, completes.

Law: pieces are made in working time only, and every piece made is in exactly one count.
"""

import math
from dataclasses import dataclass
from enum import Enum

from schemas import (
    PackmlState,
    RunCompleted,
    RunHeld,
    RunResumed,
    RunStarted,
    RunSuspended,
    SetupStarted,
)
from streams.simulator.chances import chances_of
from streams.simulator.plant import Line
from streams.simulator.processes import Conditions
from streams.simulator.reports import Work, report_count, report_inspection, report_used
from streams.simulator.surroundings import Surroundings
from streams.simulator.truth import RunTruth, ShortageTruth, StopTruth
from streams.simulator.voices import Gateway

CONSUMPTION_EVERY_S = 3_600.0
INSPECTION_EVERY_S = 7_200.0
UNLOADING_S = 300.0
STOP_IS_DUE_S = 0.5
"""Running time left below which a stop begins; above the rounding of floats."""


class Phase(Enum):
    """What the line is doing."""

    IDLE = "idle"
    SETUP = "setup"
    RUNNING = "running"
    STOPPED = "stopped"
    STARVED = "starved"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of running whose outcome is drawn: it ends at end_s, with whole pieces and the rest of one."""

    start_s: float
    end_s: float
    good: int
    scrap: int
    progress: float


class LineFloor:
    """One line at work."""

    def __init__(self, line: Line, around: Surroundings, conditions: Conditions) -> None:
        settings = around.settings
        self.line = line
        self._around = around
        self._conditions = conditions
        self._gateway = Gateway(around.kernel, around.site, line)
        self._chances = chances_of(settings, line)
        self._to_stop_s = self._chances.until_stop_s(settings.start_s, None)
        self._offset_s = (line.number * 17) % max(1, int(settings.count_step_s))
        self._phase = Phase.IDLE
        self._until_s = 0.0  # end of setup, stop or starvation
        self._since_s = 0.0
        self._why = ""
        self._shift = (0.0, 0.0)
        self._segment: Segment | None = None
        self.work: Work | None = None
        self.family = line.first_family

    def start(self) -> None:
        """Begin with the first working moment."""
        self._sleep_until(self._around.settings.start_s)

    def free_s(self, at_s: float) -> float:
        """When the run in progress should be done, as a planner would reckon."""
        if self.work is None:
            return at_s
        left = self.work.run.quantity_pcs - self.work.good
        return self.line.calendar.add_work(at_s, left / self.line.rate_pcs_per_h * 3600.0)

    # What happens next -----------------------------------------------------------------------------------------

    def _sleep_until(self, at_s: float) -> None:
        self._around.kernel.at(self.line.calendar.next_working(at_s), self._wake)

    def _wake(self, at_s: float) -> None:
        if self._segment is not None:
            self._account(self._segment)
            self._segment = None
        if not self.line.calendar.is_working(at_s):  # a segment ended with its shift
            self._sleep_until(at_s)
            return
        if self._phase is Phase.SETUP and at_s >= self._until_s:
            self._begin_run(at_s)
        elif self._phase in (Phase.STOPPED, Phase.STARVED) and at_s >= self._until_s:
            self._resume(at_s)
        elif self._phase is Phase.RUNNING and self._to_stop_s < STOP_IS_DUE_S:
            self._stop(at_s)
        elif self._phase is Phase.IDLE:
            self._take_next(at_s)
        if self._phase is Phase.RUNNING:
            self._run_on(at_s)
        elif self._phase is Phase.IDLE:
            self._sleep_until(self._next_report_s(at_s))
        else:
            self._sleep_until(self._until_s)

    def _next_report_s(self, at_s: float) -> float:
        step_s = self._around.settings.count_step_s
        return (math.floor((at_s - self._offset_s) / step_s) + 1.0) * step_s + self._offset_s

    # Runs ------------------------------------------------------------------------------------------------------

    def _take_next(self, at_s: float) -> None:
        queue = self._around.book.queues[self.line.line_id]
        if not queue or queue[0].waits_for or not queue[0].is_announced or at_s < queue[0].release_s:
            return
        run = queue.pop(0)
        chances = self._chances
        planned_s = self._around.site.setup_minutes(self.line, self.family, run.item.family) * 60.0
        setup_s = planned_s * chances.setup_factor(run.run_id) if planned_s else 0.0
        over_use = chances.over_use(run.run_id)
        speed = chances.run_speed(run.run_id)
        self.work = Work(run, round(setup_s), at_s, speed, over_use, planned_setup_s=planned_s)
        self.family = run.item.family
        if setup_s:
            self._phase = Phase.SETUP
            self._until_s = self.line.calendar.add_work(at_s, round(setup_s))
            self._gateway.tell_line(SetupStarted, run_id=run.run_id)
        else:
            self._begin_run(at_s)

    def _begin_run(self, at_s: float) -> None:
        work = self._the_work()
        work.started_s = at_s
        self._phase = Phase.RUNNING
        self._gateway.tell_line(RunStarted, run_id=work.run.run_id)
        self._gateway.tell_state(PackmlState.EXECUTE)

    def _complete(self) -> None:
        work, now_s = self._the_work(), self._around.kernel.now_s
        self._gateway.tell_line(RunCompleted, run_id=work.run.run_id)
        self._gateway.tell_state(PackmlState.COMPLETE)
        self._around.truth(
            RunTruth(
                run_id=work.run.run_id,
                line_id=self.line.line_id,
                setup_s=work.setup_s,
                started_s=work.started_s,
                finished_s=now_s,
                good_pcs=work.good,
                scrap_pcs=work.scrap,
                speed=round(work.speed, 4),
                planned_setup_s=work.planned_setup_s,
            )
        )
        self.work, self._phase = None, Phase.IDLE
        self._around.dispatch.run_completed(work.run)

    def _the_work(self) -> Work:
        assert self.work is not None, f"{self.line.line_id} has no run"
        return self.work

    # Stops -----------------------------------------------------------------------------------------------------

    def _stop(self, at_s: float) -> None:
        stop = self._chances.stop(at_s)
        self._to_stop_s = self._chances.until_stop_s(at_s, None)
        self._halt(at_s, Phase.STOPPED, stop.reason, self.line.calendar.add_work(at_s, round(stop.lasts_s)))
        model = RunHeld if stop.is_internal else RunSuspended
        self._gateway.tell_line(
            model,
            run_id=self._the_work().run.run_id,
            reason=stop.reason,
            expected_duration_min=stop.expected_min,
        )
        self._gateway.tell_state(
            PackmlState.HELD if stop.is_internal else PackmlState.SUSPENDED, reason=stop.reason
        )

    def _starve(self, at_s: float, item_id: str) -> None:
        work = self._the_work()
        if work.unreported != [0, 0]:
            report_count(self._gateway, self.line, work, self._chances.reports)
            report_used(self._gateway, work)
        arrives_s = self._around.supply.arrival_after(item_id, at_s) + UNLOADING_S
        self._halt(at_s, Phase.STARVED, item_id, arrives_s)
        reason = f"material {item_id} missing"
        self._gateway.tell_line(RunSuspended, run_id=work.run.run_id, reason=reason)
        self._gateway.tell_state(PackmlState.SUSPENDED, reason=reason)

    def _halt(self, at_s: float, phase: Phase, why: str, until_s: float) -> None:
        self._phase, self._since_s, self._why = phase, at_s, why
        self._until_s = self.line.calendar.next_working(until_s)

    def _resume(self, at_s: float) -> None:
        run_id, line_id = self._the_work().run.run_id, self.line.line_id
        possible, missing = self._possible_pieces(self._the_work())
        if self._phase is Phase.STARVED and possible == 0:  # another line took it, or it was not enough
            arrives_s = self._around.supply.arrival_after(missing, at_s) + UNLOADING_S
            self._until_s = self.line.calendar.next_working(arrives_s)
            return
        if self._phase is Phase.STARVED:
            self._around.truth(ShortageTruth(line_id, run_id, self._why, self._since_s, at_s))
        else:
            self._around.truth(StopTruth(line_id, run_id, self._since_s, at_s, self._why))
        self._phase = Phase.RUNNING
        self._gateway.tell_line(RunResumed, run_id=run_id)
        self._gateway.tell_state(PackmlState.EXECUTE)

    # Pieces ----------------------------------------------------------------------------------------------------

    def _run_on(self, at_s: float) -> None:
        """Draw the next stretch of running, or starve."""
        work, item = self._the_work(), self._the_work().run.item
        boundary_s = self._conditions.next_boundary(at_s)
        self._to_stop_s = self._chances.until_stop_s(at_s, self._to_stop_s)
        end_s = min(self._next_report_s(at_s), self._shift_end_s(at_s), at_s + self._to_stop_s, boundary_s)
        speed = self._chances.speed(at_s, end_s - at_s) * self._conditions.speed(at_s) * work.speed
        pieces_per_s = self.line.rate_pcs_per_h / 3600.0 * speed / (1.0 - item.scrap)
        whole = math.floor(work.progress + pieces_per_s * (end_s - at_s))
        possible, missing = self._possible_pieces(work)
        if possible == 0:
            self._starve(at_s, missing)
            self._sleep_until(self._until_s)
            return
        scrap_share = self._scrap_share(work, at_s)
        wanted = work.run.quantity_pcs - work.good
        good, scrap = self._chances.pieces(work.run.run_id, min(whole, possible), wanted, scrap_share)
        made = good + scrap
        if good == wanted or made < whole:  # done, or out of material, before the stretch is over
            end_s = at_s + max(0.0, made - work.progress) / pieces_per_s
            progress = 0.0
        else:
            progress = work.progress + pieces_per_s * (end_s - at_s) - made
        self._eat(work, made)
        self._segment = Segment(at_s, end_s, good, scrap, progress)
        self._around.kernel.at(end_s, self._wake)

    def _shift_end_s(self, at_s: float) -> float:
        if not self._shift[0] <= at_s < self._shift[1]:
            shift = self.line.calendar.current_interval(at_s)
            assert shift is not None, f"{self.line.line_id} runs outside of its calendar"
            self._shift = shift
        return self._shift[1]

    def _possible_pieces(self, work: Work) -> tuple[int, str]:
        """How many pieces the material is enough for, and which component ends first."""
        possible, missing = 10**9, ""
        for item_id, per_piece in work.run.item.components:
            enough_for = math.floor(self._around.supply.stock[item_id] / (per_piece * (1.0 + work.over_use)))
            if enough_for < possible:
                possible, missing = max(0, enough_for), item_id
        return possible, missing

    def _eat(self, work: Work, pieces: int) -> None:
        for item_id, per_piece in work.run.item.components:
            quantity = pieces * per_piece * (1.0 + work.over_use)
            self._around.supply.stock[item_id] -= quantity
            work.used[item_id] = work.used.get(item_id, 0.0) + quantity

    def _account(self, segment: Segment) -> None:
        """Book a stretch that is over, and report what is due."""
        work, now_s, rng = self._the_work(), self._around.kernel.now_s, self._chances.inspections
        work.add(segment.good, segment.scrap)
        work.progress = segment.progress
        self._to_stop_s -= now_s - segment.start_s
        is_done = work.good == work.run.quantity_pcs
        is_pause = self._to_stop_s < STOP_IS_DUE_S or not self.line.calendar.is_working(now_s)
        is_due = (now_s - self._offset_s) % self._around.settings.count_step_s == 0.0
        if is_done or is_pause or is_due:
            report_count(self._gateway, self.line, work, self._chances.reports)
        if is_done or is_pause or (is_due and self._passes(segment.start_s, CONSUMPTION_EVERY_S)):
            report_used(self._gateway, work)
        if is_due and self._passes(segment.start_s, INSPECTION_EVERY_S):
            report_inspection(self._gateway, work, self._scrap_share(work, now_s), rng)
        if is_done:
            self._complete()

    def _passes(self, since_s: float, every_s: float) -> bool:
        return since_s // every_s != self._around.kernel.now_s // every_s

    def _scrap_share(self, work: Work, at_s: float) -> float:
        return min(0.5, work.run.item.scrap * self._conditions.scrap(at_s))
