"""Simulated lines through the real twin: events in, drift signals out.

Each line works two shifts of 8 h with two breaks of 15 min, Monday to Friday, and makes 500 pieces an hour, counted
every five minutes. `told_drift`: long runs, an 8 % drift from a random moment of the second day on. `on_plan_alarms`:
lines that are on plan, with everything that is no drift: runs of an hour or two with setups that take twice as long as
planned, stops, totals whose counter begins anew, counts that come late, wrong counts put right later, and repeats.
Then every drift signal is a false one.
"""

import heapq
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench.month import folded
from bench.noisy_lines import Drift, Found
from schemas import MODEL_OF_KIND, Event, Signal
from twin.state.calendar import CalendarDescription, WeekSpan, WorkCalendar

SITE = "S1"
BEGIN = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)
BEGIN_S = BEGIN.timestamp()
"""A Monday."""

TOLD_DAYS = 5
RATE_PCS_PER_H = 500.0
COUNT_EVERY_S = 300.0
WEEKDAYS = range(5)
SHIFTS = tuple(WeekSpan(day, "06:00", "22:00") for day in WEEKDAYS)
BREAKS = tuple(WeekSpan(day, *span) for day in WEEKDAYS for span in (("10:00", "10:15"), ("18:00", "18:15")))
CALENDAR = WorkCalendar(CalendarDescription(zone="UTC", shifts=SHIFTS, breaks=BREAKS))
END_S = BEGIN_S + TOLD_DAYS * 86_400.0

SETUP_MIN = 20.0
SETUP_FACTOR = 2.0
"""Real setups over planned ones."""
SHORT_RUN_H = (0.8, 2.0)
STOP_SHARE = 0.03
"""Share of counts after which the line stops for some minutes, and says so."""
LATE_SHARE = 0.01
WRONG_SHARE = 0.005
REPEAT_SHARE = 0.01
RESET_SHARE = 0.02


@dataclass(slots=True)
class ToldLine:
    """One line that tells of itself.

    Attributes:
        noise_sd: of the pieces of a count of five minutes, a share of plan.
        drift, drift_at_s: what it does from when on.
        is_troubled: whether it has short runs, setups, stops and bad data.
        counts_totals: whether its counter shows totals.
    """

    line_id: str
    rng: random.Random
    noise_sd: float
    drift: Drift
    drift_at_s: float
    is_troubled: bool
    counts_totals: bool
    said: list[tuple[float, Event]] = field(default_factory=list)
    _numbers: int = 0
    _made: float = 0.0
    _reading: float = 0.0

    def live(self) -> list[tuple[float, Event]]:
        """Everything that it tells, each with the moment at which it arrives."""
        at_s, number = BEGIN_S, 0
        while at_s < END_S:
            number += 1
            at_s = self._run(f"{self.line_id}-R{number}", at_s, has_setup=self.is_troubled and number > 1)
        return self.said

    def _run(self, run_id: str, at_s: float, *, has_setup: bool) -> float:
        """Plan a run, set it up, make it; when the line is free again."""
        hours = self.rng.uniform(*SHORT_RUN_H) if self.is_troubled else 500.0
        quantity = round(hours * RATE_PCS_PER_H)
        start_s = CALENDAR.next_working(at_s)
        planned_s = CALENDAR.add_work(start_s, SETUP_MIN * 60.0) if has_setup else start_s
        self.tell(
            "run_planned",
            BEGIN_S,
            run_id=run_id,
            item_id="a" if run_id.endswith(("1", "3", "5", "7", "9")) else "b",
            quantity_pcs=float(quantity),
            planned_start_at=_moment(planned_s),
            planned_end_at=_moment(CALENDAR.add_work(planned_s, hours * 3600.0)),
            rate_pcs_per_h=RATE_PCS_PER_H,
        )
        if has_setup:
            self.tell("setup_started", start_s, run_id=run_id)
            start_s = CALENDAR.next_working(CALENDAR.add_work(start_s, SETUP_MIN * SETUP_FACTOR * 60.0))
        self.tell("run_started", start_s, run_id=run_id)
        self._made = self._reading = 0.0
        at_s, good = start_s, 0
        while good < quantity and at_s < END_S:
            next_s = CALENDAR.add_work(at_s, COUNT_EVERY_S)
            level = self.drift.level(int((at_s - self.drift_at_s) // COUNT_EVERY_S))
            before = int(self._made)
            made = max(0.0, RATE_PCS_PER_H / 12.0 * (level + self.rng.gauss(0.0, self.noise_sd)))
            if self._made + made >= quantity:  # the last piece comes before the count is due
                share = (quantity - self._made) / made
                next_s = CALENDAR.add_work(at_s, share * COUNT_EVERY_S)
                made = quantity - self._made + 1e-6
            self._made += made
            pieces = int(self._made) - before
            good += pieces
            self._count(run_id, next_s, pieces)
            at_s = next_s
            if self.is_troubled and good < quantity and self.rng.random() < STOP_SHARE:
                at_s = self._stop(run_id, at_s)
        self.tell("run_completed", at_s + 1.0, run_id=run_id)
        return at_s + 1.0

    def _stop(self, run_id: str, at_s: float) -> float:
        self.tell("run_held", at_s, run_id=run_id, reason="jam")
        over_s = CALENDAR.next_working(CALENDAR.add_work(at_s, self.rng.uniform(120.0, 1_200.0)))
        self.tell("run_resumed", over_s, run_id=run_id)
        return over_s

    def _count(self, run_id: str, at_s: float, pieces: int) -> None:
        rng = self.rng
        if self.counts_totals:
            self._reading += pieces
            self.tell("count_reported", at_s, run_id=run_id, counter="total", good_count=self._reading)
            if self.is_troubled and self._reading > RATE_PCS_PER_H and rng.random() < RESET_SHARE:
                self._reading = 0.0
            return
        told: dict[str, Any] = {"run_id": run_id, "counter": "delta"}
        chance = rng.random() if self.is_troubled else 1.0
        if chance < LATE_SHARE:  # a few minutes late, as the run goes on meanwhile
            self.tell("count_reported", at_s, arrives_s=at_s + 660.0, good_count=float(pieces), **told)
            return
        wrong = float(rng.randint(5, 25)) if chance < LATE_SHARE + WRONG_SHARE else 0.0
        event = self.tell("count_reported", at_s, good_count=pieces + wrong, **told)
        if wrong:
            put_right: dict[str, Any] = {
                "run_id": run_id,
                "good_delta": -wrong,
                "corrects_event_id": event.event_id,
            }
            self.tell("count_corrected", at_s, arrives_s=at_s + 1_500.0, **put_right)
        elif self.is_troubled and rng.random() < REPEAT_SHARE:
            self.said.append((at_s + 90.0, event))

    def tell(self, kind: str, at_s: float, arrives_s: float | None = None, **fields: Any) -> Event:
        """Say something of a moment; it arrives at once unless said otherwise."""
        self._numbers += 1
        body = {
            "kind": kind,
            "event_id": f"{self.line_id}/{self._numbers}",
            "event_time": _moment(at_s),
            "site_id": SITE,
            "line_id": self.line_id,
            **fields,
        }
        event = MODEL_OF_KIND[kind].model_validate(body)
        assert isinstance(event, Event)
        self.said.append((at_s if arrives_s is None else arrives_s, event))
        return event


def told_drift(seed: int, lines: int, delta: float) -> list[Found | None]:
    """How the twin found the drift of each line; None where it did not within the week."""
    made = []
    for index in range(lines):
        rng = random.Random(f"{seed} told {index}")
        drift_at_s = CALENDAR.add_work(BEGIN_S + 86_400.0, rng.uniform(0.0, 8.0 * 3600.0))
        made.append(ToldLine(f"L{index}", rng, 0.15, Drift(delta), drift_at_s, False, index % 3 == 0))
    first: dict[str, Signal] = {}
    for signal in signals(made):
        line_id = signal.line_id
        if signal.signal != "drift_detected" or line_id is None or line_id in first:
            continue
        began_s = next(line.drift_at_s for line in made if line.line_id == line_id)
        if signal.detected_at.timestamp() >= began_s:
            first[line_id] = signal
    answers: list[Found | None] = []
    for line in made:
        found = first.get(line.line_id)
        if found is None or found.since is None or found.delta is None:
            answers.append(None)
            continue
        at_s, since_s = found.detected_at.timestamp(), found.since.timestamp()
        early_s, late_s = sorted((since_s, line.drift_at_s))
        answers.append(
            Found(
                after_h=CALENDAR.work_between(line.drift_at_s, at_s) / 3600.0,
                since_error_h=CALENDAR.work_between(early_s, late_s) / 3600.0,
                delta_error=abs(found.delta - delta),
            )
        )
    return answers


def on_plan_alarms(seed: int, lines: int, noise_sd: float) -> tuple[int, float]:
    """Drifts signalled of troubled lines that are on plan, and the line-days in which."""
    made = [
        ToldLine(
            f"L{index}",
            random.Random(f"{seed} on plan {noise_sd} {index}"),
            noise_sd,
            Drift(0.0),
            BEGIN_S,
            is_troubled=True,
            counts_totals=index % 3 == 0,
        )
        for index in range(lines)
    ]
    alarms = sum(signal.signal == "drift_detected" for signal in signals(made))
    return alarms, float(lines * TOLD_DAYS)


def signals(lines: Iterable[ToldLine]) -> Iterator[Signal]:
    """What the twin signals of these lines."""
    made = list(lines)
    for outputs in folded(_events(made)):
        for output in outputs:
            if isinstance(output.body, Signal):
                yield output.body


def _events(lines: list[ToldLine]) -> Iterator[Event]:
    """The plant, then what the lines tell in the order in which it arrives, with the clock every five minutes."""
    yield from _plant(lines)
    arriving = [
        (at_s, index, event)
        for index, (at_s, event) in enumerate(each for line in lines for each in line.live())
    ]
    heapq.heapify(arriving)
    tick_s = BEGIN_S
    while arriving:
        at_s, _, event = heapq.heappop(arriving)
        while tick_s < at_s:
            tick_s += COUNT_EVERY_S
            yield _said("clock_ticked", tick_s, f"{tick_s}")
        yield event


def _plant(lines: list[ToldLine]) -> Iterator[Event]:
    yield _said("site_upserted", BEGIN_S, "site", name="Plant", zone="UTC")
    shifts, breaks = (
        [{"weekday": span.weekday, "start": span.start, "end": span.end} for span in spans]
        for spans in (SHIFTS, BREAKS)
    )
    yield _said("calendar_upserted", BEGIN_S, "calendar", calendar_id="two", shifts=shifts, breaks=breaks)
    for item_id in ("a", "b"):
        yield _said("item_upserted", BEGIN_S, item_id, item_id=item_id, setup_family=item_id)
    for line in lines:
        more = {"line_id": line.line_id, "name": line.line_id, "calendar_id": "two"}
        yield _said("line_upserted", BEGIN_S, line.line_id, **more)
    yield _said("setup_matrix_upserted", BEGIN_S, "setups", default_min=SETUP_MIN)
    yield _said("clock_ticked", BEGIN_S, "first")


def _said(kind: str, at_s: float, about: str, **fields: Any) -> Event:
    body = {
        "kind": kind,
        "event_id": f"{kind}/{about}",
        "event_time": _moment(at_s),
        "site_id": SITE,
        **fields,
    }
    event = MODEL_OF_KIND[kind].model_validate(body)
    assert isinstance(event, Event)
    return event


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(round(at_s, 3), UTC)
