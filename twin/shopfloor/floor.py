"""What happens on the shop floor: runs begin, stop and end, pieces are counted, the pace is judged."""

from collections.abc import Callable
from typing import Any

from schemas import (
    CardKind,
    ConnectionChanged,
    CountCorrected,
    CountReported,
    MachineEvent,
    MaterialConsumed,
    PackmlState,
    QualityRecorded,
    RunEvent,
    RunStarted,
    SetupStarted,
    Signal,
    StateChanged,
    join_key,
    topics,
)
from twin.judges.conflicts import root_of_run
from twin.judges.silence import note_gap
from twin.material.stockroom import Stockroom
from twin.quality.inspection import Inspection
from twin.session import Session
from twin.shopfloor.busy_time import element_of, recount
from twin.shopfloor.drift import DriftChange, judge
from twin.shopfloor.progress import BUCKETS_KEPT, add_pieces, advance, buckets_changed, close_bucket, hour_of
from twin.shopfloor.stoppages import PACKML_STOPS, Stoppages
from twin.state.entities import Line, Run
from twin.state.runs import FINISHED, RUN_TRANSITIONS, STOPPED, RunState
from twin.words import utc

EVALUATION_GAP_S = 1.0
"""A line's counts are evaluated at most this often, in seconds of the clock. Smaller costs throughput, larger delay."""


class Floor:
    """Folds machine events.

    Args:
        session: shared with the twin's other handlers.
        stockroom: is told of material used, and of pieces that speak of the time before it was counted.
    """

    def __init__(self, session: Session, stockroom: Stockroom) -> None:
        self._session = session
        self._stoppages = Stoppages(session)
        self._inspection = Inspection(session)
        self._stockroom = stockroom

    def handlers(self) -> dict[str, Callable[[Any], None]]:
        """Kind -> what folds it."""
        table: dict[str, Callable[[Any], None]] = {
            "count_reported": self._on_count,
            "count_corrected": self._on_correction,
            "state_changed": self._on_state,
            "connection_changed": self._on_connection,
            "material_consumed": self._on_consumed,
            "quality_recorded": self._on_inspection,
        }
        for kind in RUN_TRANSITIONS[RunState.HELD]:
            table[kind] = self._on_run_event
        return table

    def _run_of(self, event: MachineEvent, run_id: str | None, line: Line) -> Run | None:
        """The run that the event speaks of; rejected where there is none."""
        run = line.run if run_id is None else self._session.model.runs.get((event.site_id, run_id))
        if run is None:
            named = f"run {run_id} is not known" if run_id else f"line {line.line_id} is on no run"
            self._session.reject(event, "unknown_run", named)
        return run

    def _on_count(self, event: CountReported) -> None:
        line = self._session.model.lines[event.site_id, event.line_id]
        run = self._run_of(event, event.run_id, line)
        if run is None:
            return
        moment = event.event_time.timestamp()
        progress = run.progress
        if progress.state in FINISHED and (progress.ended_at is None or moment > progress.ended_at):
            self._session.reject(
                event, "illegal_transition", f"run {run.run_id} is {progress.state}, a count cannot follow"
            )
            return
        if progress.state is RunState.PLANNED:
            # Nobody said that it began, but it made pieces: it began when the plan or the line's last news says.
            marked = line.state.marked_at
            began = max(run.planned_start, marked if marked is not None else run.planned_start)
            self._begin(line, run, min(began, moment), event)
        if not self._is_on(line, run, event):
            return
        good, scrap, rework = event.good_count, event.scrap_count, event.rework_count
        if event.counter == "total":
            good, scrap, rework = self._as_deltas(run, good, scrap, rework)
        self._count(line, run, moment, good, scrap, rework, event)

    def _as_deltas(self, run: Run, good: float, scrap: float, rework: float) -> tuple[float, float, float]:
        """What totals add to the last reading; a total below it is a counter that began again at zero."""
        reading = [good, scrap, rework]
        last = run.progress.totals or [0.0, 0.0, 0.0]
        run.progress.totals = reading
        good, scrap, rework = (
            now - was if now >= was else now for now, was in zip(reading, last, strict=True)
        )
        return good, scrap, rework

    def _is_on(self, line: Line, run: Run, event: MachineEvent) -> bool:
        """Whether the run is on the line that speaks of it; rejected where it is on another."""
        planned_on = self._session.model.line_of_run[run.site_id, run.run_id]
        if planned_on is line:
            return True
        self._session.reject(event, "wrong_line", f"run {run.run_id} is on line {planned_on.line_id}")
        return False

    def _on_correction(self, event: CountCorrected) -> None:
        line = self._session.model.lines[event.site_id, event.line_id]
        run = self._run_of(event, event.run_id, line)
        if run is None or not self._is_on(line, run, event):
            return
        progress = run.progress
        if (
            progress.good_pcs + event.good_delta < 0
            or progress.scrap_pcs + event.scrap_delta < 0
            or progress.rework_pcs + event.rework_delta < 0
        ):
            self._session.reject(event, "below_zero", f"run {run.run_id} would have made less than nothing")
            return
        moment = event.event_time.timestamp()
        self._count(line, run, moment, event.good_delta, event.scrap_delta, event.rework_delta, event)

    def _count(
        self,
        line: Line,
        run: Run,
        moment: float,
        good: float,
        scrap: float,
        rework: float,
        event: CountReported | CountCorrected,
    ) -> None:
        model = self._session.model
        if line.stops.stations and good + scrap + rework > 0 and self._stoppages.on_pieces(line, run, moment):
            self._move(line, run, RunState.RUNNING, moment, event)
        is_current = line.state.run_id == run.run_id
        if is_current:
            advance(line, moment)  # line and run are saved below
        else:
            line.items = None  # a run that waits has pieces: what is known of it changed
        if moment <= run.use_known_at:
            self._stockroom.on_late_count(run, moment, good, good + scrap + rework)
        changed = add_pieces(line, run, moment, good, scrap, rework)
        if is_current:
            closed = close_bucket(line, moment)
            if closed is not None:
                self._drop_old_buckets(line)
                changed = closed.start_s if changed is None else min(changed, closed.start_s)
                model.save_bucket_hour(line, hour_of(closed.start_s))
        if changed is not None:
            model.save_bucket_hour(line, hour_of(changed))
            self._judge_pace(line, event)
        roots = self._inspection.on_pieces(line, run, moment, (good, scrap, rework), event)
        model.save_run(run)
        if run.progress.good_pcs > run.plan.quantity_pcs:
            self._session.review(root_of_run(run), moment)
        line.state.dirty = True
        self._note_seen(line, moment, event)
        if roots:
            self._session.evaluate([line], roots=roots)
        elif (
            self._session.now is not None and self._session.now - line.state.evaluated_at >= EVALUATION_GAP_S
        ):
            self._session.evaluate([line])

    def _on_run_event(self, event: RunEvent) -> None:
        model = self._session.model
        line = model.lines[event.site_id, event.line_id]
        run = self._run_of(event, event.run_id, line)
        if run is None:
            return
        moment = event.event_time.timestamp()
        state = RUN_TRANSITIONS[run.progress.state].get(event.kind)
        if state is None:
            self._session.reject(
                event, "illegal_transition", f"{event.kind}: run {run.run_id} is {run.progress.state}"
            )
            return
        if run.progress.state_since is not None and moment < run.progress.state_since:
            since = utc(run.progress.state_since).isoformat()
            self._session.reject(
                event, "superseded", f"run {run.run_id} is {run.progress.state} since {since}"
            )
            return
        lines = [line]
        planned_on = model.line_of_run[run.site_id, run.run_id]
        if planned_on is not line:
            # The shop floor decides where a run is made, but only by beginning it there.
            if not isinstance(event, SetupStarted | RunStarted):
                self._is_on(line, run, event)
                return
            lines.append(model.move_run(run, line, moment, event.event_id))
        self._move(line, run, state, moment, event)
        for left in lines[1:]:
            self._stoppages.follow(left, moment, event)
        self._session.evaluate(lines, roots=self._stoppages.roots(*lines))

    def _on_state(self, event: StateChanged) -> None:
        line = self._session.model.lines[event.site_id, event.line_id]
        moment = event.event_time.timestamp()
        self._note_seen(line, moment, event)
        if event.station_id is not None:
            if self._stoppages.on_station(line, event, event.station_id):
                assert line.run is not None
                self._move(line, line.run, RunState.RUNNING, moment, event)
            self._session.evaluate([line], roots=self._stoppages.roots(line))
            return
        line.state.packml = event.state.value
        run = line.run
        target = PACKML_STOPS.get(event.state)
        if run is not None and (run.progress.state_since is None or moment >= run.progress.state_since):
            if target is not None and run.progress.state is RunState.RUNNING:
                self._move(line, run, target, moment, event)
            elif target is not None and run.progress.state in STOPPED:
                self._stoppages.on_said_again(line, run, moment, event)
            elif event.state is PackmlState.EXECUTE and run.progress.state in STOPPED:
                self._move(line, run, RunState.RUNNING, moment, event)
        self._session.model.save_line(line)
        self._session.evaluate([line], roots=self._stoppages.roots(line))

    def _on_connection(self, event: ConnectionChanged) -> None:
        line = self._session.model.lines[event.site_id, event.line_id]
        state, moment = line.state, event.event_time.timestamp()
        if event.is_up:
            self._note_seen(line, moment, event)
        elif state.last_event_at is None or moment >= state.last_event_at:
            state.cut_off_at, state.cut_off_because = moment, event.reason or ""
            self._session.model.save_line(line)
        root = (CardKind.DATA_STALE.value, "line", line.site_id, line.line_id)
        self._session.evaluate([line], roots=[root])

    def at_minute(self, now: float) -> None:
        """Time has passed: lines whose station is down and that make nothing are down; long stops are told."""
        for _, line in sorted(self._session.model.lines.items()):
            self._stoppages.at_minute(line, now)

    def _on_consumed(self, event: MaterialConsumed) -> None:
        line = self._session.model.lines[event.site_id, event.line_id]
        run = self._run_of(event, event.run_id, line)
        if run is not None:
            self._stockroom.on_consumed(line, run, event)
            self._note_seen(line, event.event_time.timestamp(), event)

    def _on_run_report(self, event: RunEvent) -> None:
        line = self._session.model.lines[event.site_id, event.line_id]
        if self._run_of(event, event.run_id, line) is not None:
            self._note_seen(line, event.event_time.timestamp(), event)

    def _on_inspection(self, event: QualityRecorded) -> None:
        line = self._session.model.lines[event.site_id, event.line_id]
        run = self._run_of(event, event.run_id, line)
        if run is None or not self._is_on(line, run, event):
            return
        moment = event.event_time.timestamp()
        roots = self._inspection.on_inspection(line, run, moment, event)
        self._note_seen(line, moment, event)
        if roots:
            self._session.evaluate([line], roots=roots)
        elif line.quality.risen:
            self._session.mark_dirty(line)

    def _begin(self, line: Line, run: Run, moment: float, event: MachineEvent) -> None:
        planned_on = self._session.model.line_of_run[run.site_id, run.run_id]
        if planned_on is line:
            self._move(line, run, RunState.RUNNING, moment, event)
            return
        left = self._session.model.move_run(run, line, moment, event.event_id)
        self._move(line, run, RunState.RUNNING, moment, event)
        self._stoppages.follow(left, moment, event)
        self._session.mark_dirty(left)

    def _move(self, line: Line, run: Run, state: RunState, moment: float, event: MachineEvent) -> None:
        """Bring a run into a state; a line is on one run at a time."""
        model = self._session.model
        self._advance(line, moment)
        counted_as = element_of(line)
        if state in (RunState.SETUP, RunState.RUNNING) and line.state.run_id != run.run_id:
            displaced = line.run
            if displaced is not None and displaced.progress.state not in (*FINISHED, *STOPPED):
                # Two runs at once on one line are one run interrupted by another.
                displaced.progress.state = RunState.SUSPENDED
                displaced.progress.state_since = moment
                displaced.progress.state_event_id = event.event_id
                displaced.progress.stopped_until = None
                model.save_run(displaced)
            if displaced is None and run.planned_start >= moment:
                line.state.down_work_s = 0.0  # ahead of the plan again: stops of the past delay nothing
            line.state.run_id = run.run_id
        progress = run.progress
        if progress.state in STOPPED and state not in STOPPED and line.state.run_id == run.run_id:
            self._note_stop(line, progress.state_since, moment)
        if state is RunState.SETUP and progress.state is not RunState.SETUP:
            progress.setup_since = moment
        if state is RunState.RUNNING:
            line.state.family = model.family_of(run) or line.state.family
            if progress.first_started_at is None:
                progress.first_started_at = moment
        if state in STOPPED:
            expected_min = getattr(event, "expected_duration_min", None)
            progress.stopped_until = None if expected_min is None else moment + expected_min * 60.0
        if state in FINISHED:
            progress.ended_at = moment
            self._stockroom.on_finished(run, moment)
            if line.state.run_id == run.run_id:
                line.state.run_id = None
        if state is not progress.state:
            progress.state_since = moment
        progress.state = state
        progress.state_event_id = event.event_id
        line.queue = None
        recount(line, moment, counted_as)
        for moved in (counted_as[1], line.run, run):
            if moved is not None:
                model.save_run(moved)
        self._stoppages.follow(line, moment, event)
        self._note_seen(line, moment, event)
        self._session.review(root_of_run(run), moment)
        self._session.mark_dirty(line)

    def _note_stop(self, line: Line, since: float | None, moment: float) -> None:
        """A stop of the line is over: forecasts go by how often and how long it stops."""
        if since is not None and moment > since:
            line.record.note_stop(line.calendar.work_between(since, moment))
            self._session.model.save_record(line)

    def _advance(self, line: Line, moment: float) -> None:
        """Count production and down time up to the moment."""
        run = line.run
        advance(line, moment)
        self._session.model.save_line(line)
        if run is not None:
            self._session.model.save_run(run)

    def _note_seen(self, line: Line, moment: float, event: MachineEvent) -> None:
        state = line.state
        if state.last_event_at is None or moment >= state.last_event_at:
            if state.last_event_at is not None:
                note_gap(line, state.last_event_at, moment)
            state.last_event_at = moment
            state.last_event_id = event.event_id
            state.cut_off_at, state.cut_off_because = None, ""
        else:
            self._session.counters["late", ""] += 1
        self._session.model.save_line(line)

    def _drop_old_buckets(self, line: Line) -> None:
        while len(line.buckets) > BUCKETS_KEPT:
            old = line.buckets.pop(0)
            buckets_changed(line)
            self._session.model.save_bucket_hour(line, hour_of(old.start_s))

    def _judge_pace(self, line: Line, event: MachineEvent) -> None:
        """A bucket closed or was corrected: drift and pace are judged anew."""
        state, change, reading = judge(line.drift, line.buckets)
        if state != line.drift:
            was_since_s = line.drift.since_s
            if was_since_s is not None and was_since_s != state.since_s and change is not None:
                line.record.note_drift(max(0.0, line.calendar.work_between(was_since_s, change.at_s)))
                self._session.model.save_record(line)
            line.drift = state
            self._session.model.save_drift(line)
        line.state.level = reading.level
        line.state.level_sd = reading.level_sd
        line.state.noise_sd_300 = reading.noise_sd_300
        line.state.buckets_n = reading.n_buckets
        if change is not None:
            line.state.drift_confidence = change.detection.confidence
            self._signal_drift(line, change, event)

    def _signal_drift(self, line: Line, change: DriftChange, event: MachineEvent) -> None:
        found = change.detection
        output_id = f"{self._session.cause}>{topics.SIGNALS}"
        body = Signal.model_validate(
            {
                "output_id": output_id,
                "signal": {
                    "raised": "drift_detected",
                    "updated": "drift_updated",
                    "cleared": "drift_cleared",
                }[change.kind],
                "site_id": line.site_id,
                "line_id": line.line_id,
                "run_id": line.state.run_id,
                "metric": "effectiveness",
                "delta": round(found.delta, 4),
                "since": utc(found.since_s),
                "detected_at": utc(self._session.now if self._session.now is not None else found.last_s),
                "method": found.method,
                "n": found.n_buckets,
                "window_h": round(found.apt_s / 3600.0, 2),
                "statistic": round(found.statistic, 3),
                "threshold": found.threshold,
                "confidence": round(found.confidence, 3),
                "evidence": [event.event_id],
            }
        )
        self._session.emit(topics.SIGNALS, join_key(line.site_id, line.line_id), body, output_id, event)
