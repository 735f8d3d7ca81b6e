"""The twin: a pure, deterministic fold of facts into a live model, and what follows from it. Start here.

    outputs = twin.apply(facts)        records what happened, returns what follows from it
    documents = twin.take_changes()    entities changed since the last call, for the state topic
    twin = Twin.restore(header, docs)  continues as if never stopped

Law: no clock, no random, no iteration over sets into an output. Time is event_time, or `now`: the largest tick seen.
Evaluations happen at points that follow from the sequence of events alone: right after an urgent event, after a count
when its line was not evaluated for a second of the clock, at a tick for what is still dirty.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from schemas import (
    AreaUpserted,
    CalendarUpserted,
    ClockTicked,
    Command,
    CommandResult,
    CountCorrected,
    CountReported,
    CustomerUpserted,
    Event,
    EventRejected,
    Facts,
    GraphEdge,
    GraphNode,
    LineUpserted,
    MachineEvent,
    OrderCancelled,
    OrderShipped,
    OrderUpserted,
    Output,
    OutputModel,
    OvertimeWindowUpserted,
    PackmlState,
    PersonUpserted,
    RunCancelled,
    RunEvent,
    RunPlanned,
    RunStarted,
    SetupStarted,
    ShipmentDeparted,
    Signal,
    SiteUpserted,
    StateChanged,
    StationUpserted,
    Tick,
    join_key,
    topics,
)
from twin.cards import OPEN_STATES
from twin.dedupe import SequenceWindow, Verdict
from twin.drift import DriftChange, DriftPhase, estimate, step
from twin.entities import Line, Order, Run
from twin.evaluation import Evaluation, depends_on_clock
from twin.graph import Edge, Node
from twin.model import Model
from twin.plant import EVERYWHERE, Word
from twin.progress import BUCKETS_KEPT, add_pieces, advance, close_bucket, hour_of
from twin.runs import FINISHED, RUN_TRANSITIONS, STOPPED, RunState
from twin.words import utc

EVALUATION_GAP_S = 1.0
"""A line's counts are evaluated at most this often, in seconds of the clock. Smaller costs throughput, larger delay."""

CATCHING_UP_LAG_S = 60.0
"""From this lag of ingest on, the passing of time alone says nothing: what seems late may still be on its way."""

_PACKML_STOPS: dict[PackmlState, RunState] = {
    PackmlState.HOLDING: RunState.HELD,
    PackmlState.HELD: RunState.HELD,
    PackmlState.STOPPING: RunState.HELD,
    PackmlState.STOPPED: RunState.HELD,
    PackmlState.ABORTING: RunState.HELD,
    PackmlState.ABORTED: RunState.HELD,
    PackmlState.SUSPENDING: RunState.SUSPENDED,
    PackmlState.SUSPENDED: RunState.SUSPENDED,
}


class _Header(msgspec.Struct):
    """The part of the fold's state that is no entity."""

    now: float | None
    lag_s: float
    watermarks: dict[str, tuple[int, int]]


class Twin:
    """One shard's twin: the sites of one facts partition.

    Attributes:
        counters: what was applied, rejected and repeated, by ("applied", kind), ("rejected", reason),
            ("duplicate", how) and ("late", ""); for metrics, not part of the state.
    """

    def __init__(self) -> None:
        self.counters: Counter[tuple[str, str]] = Counter()
        self._model = Model()
        self._now: float | None = None
        self._lag_s = 0.0
        self._watermarks: dict[str, tuple[int, int]] = {}
        self._outputs: list[Output] = []
        self._cause = ""
        self._position: tuple[str, int, int, int] = ("", 0, 0, 0)
        self._latest: dict[
            str, float
        ] = {}  # site -> furthest ahead of the clock that an event may lie, seconds
        self._was_rejected = False
        self._handlers = self._handler_table()

    # The fold

    def apply(self, facts: Facts) -> list[Output]:
        """Fold one record of the log; what was folded before is skipped.

        Returns:
            What follows from it, in order.
        """
        for segment in facts.segments:
            source = f"{segment.topic}/{segment.partition}"
            watermark = self._watermarks.get(source, (-1, -1))
            for position, event in zip(segment.positions, segment.events, strict=True):
                if position <= watermark:
                    self.counters["duplicate", "position"] += 1
                    continue
                self._position = (segment.topic, segment.partition, position[0], position[1])
                self._cause = f"{source}/{position[0]}/{position[1]}"
                watermark = position
                self._fold(event)
            self._watermarks[source] = watermark
        if facts.tick is not None:
            self._on_wall_tick(facts.tick)
        outputs, self._outputs = self._outputs, []
        return outputs

    def take_changes(self) -> dict[str, bytes | None]:
        """Documents changed since the last call, by key; None for one that is gone."""
        return self._model.store.take()

    def header(self) -> bytes:
        """Clock and watermarks, for the manifest."""
        watermarks = dict(sorted(self._watermarks.items()))
        return msgspec.json.encode(_Header(self._now, self._lag_s, watermarks))

    @property
    def digest(self) -> str:
        """128 bits in hex over the header and all documents whose changes were taken."""
        return self._model.store.digest(self.header())

    @property
    def document_count(self) -> int:
        """Documents whose changes were taken and which still exist."""
        return len(self._model.store)

    @property
    def now(self) -> float | None:
        """The shard's clock, POSIX seconds; None before the first tick."""
        return self._now

    @property
    def model(self) -> Model:
        """The live model, to be read."""
        return self._model

    @classmethod
    def restore(cls, header: bytes, documents: Mapping[str, bytes]) -> "Twin":
        """A twin that continues where these documents were written."""
        twin = cls()
        parsed = msgspec.json.decode(header, type=_Header)
        twin._now, twin._lag_s, twin._watermarks = parsed.now, parsed.lag_s, parsed.watermarks
        twin._model.restore(documents)
        return twin

    def _handler_table(self) -> dict[str, Callable[[Any], None]]:
        table: dict[str, Callable[[Any], None]] = {
            "count_reported": self._on_count,
            "count_corrected": self._on_correction,
            "state_changed": self._on_state,
            "material_consumed": self._on_run_report,
            "quality_recorded": self._on_run_report,
            "site_upserted": self._on_site,
            "area_upserted": self._on_area,
            "line_upserted": self._on_line,
            "station_upserted": self._on_station,
            "calendar_upserted": self._on_calendar,
            "overtime_window_upserted": self._on_overtime,
            "customer_upserted": self._on_customer,
            "person_upserted": self._on_person,
            "order_upserted": self._on_order,
            "order_cancelled": self._on_order_cancelled,
            "order_shipped": self._on_order_shipped,
            "run_planned": self._on_run_planned,
            "run_cancelled": self._on_run_cancelled,
            "shipment_departed": self._on_departure,
            "clock_ticked": self._on_clock_event,
        }
        for kind in RUN_TRANSITIONS[RunState.HELD]:
            table[kind] = self._on_run_event
        for kind in ("setup_matrix_upserted", "item_upserted", "routing_upserted", "overtime_rate_upserted"):
            table[kind] = self._on_plant_change
        for kind in ("shipment_slots_upserted", "rules_updated", "penalty_rate_upserted"):
            table[kind] = self._on_terms_change
        return table

    def _fold(self, event: Event) -> None:
        handler = self._handlers.get(event.kind)
        if isinstance(event, MachineEvent):
            if not self._is_news(event):
                return
        elif isinstance(event, Command):
            self._refuse_command(event)
            return
        elif self._is_in_future(event, event.event_time.timestamp()):
            return
        self._was_rejected = False
        if handler is not None:
            handler(event)
        else:
            self._keep(event)
        if self._model.graph.has_changes:
            self._publish_graph(self._now if self._now is not None else event.event_time.timestamp())
        if not self._was_rejected:
            self.counters["applied", event.kind] += 1

    # Time

    def _on_wall_tick(self, tick: Tick) -> None:
        self._lag_s = tick.lag_s
        self._tick(tick.now.timestamp())

    def _on_clock_event(self, event: ClockTicked) -> None:
        self._tick(event.event_time.timestamp())

    def _tick(self, now: float) -> None:
        """Time passes: evaluate what is dirty, and each minute what waits for something that should have happened."""
        before = self._now
        if before is not None and now <= before:
            return  # the clock never runs back
        self._now = now
        self._cause = f"tick/{utc(now).isoformat()}"
        lines = [line for _, line in sorted(self._model.lines.items()) if line.state.dirty]
        new_minute = before is None or now // 60.0 != before // 60.0
        roots = []
        if new_minute and self._lag_s <= CATCHING_UP_LAG_S:
            lines += [
                line
                for _, line in sorted(self._model.lines.items())
                if not line.state.dirty and depends_on_clock(line, now)
            ]
            roots = [root for root, card in sorted(self._model.cards.items()) if card.state in OPEN_STATES]
        if before is not None and now // 86_400.0 != before // 86_400.0:
            self._forget_the_old(now)
        evaluation = Evaluation(self._model, now, self._cause)
        evaluation.lines(lines)
        evaluation.roots(roots)
        self._publish(evaluation)
        self._publish_graph(now)

    def _evaluate(self, lines: list[Line], orders: list[Order] | None = None) -> None:
        """Evaluate now; before the first tick nobody knows what time it is, and it is left to that tick."""
        if self._now is None:
            for line in lines:
                self._mark_dirty(line)
            return
        evaluation = Evaluation(self._model, self._now, self._cause)
        evaluation.lines(lines)
        evaluation.orders(orders or [])
        self._publish(evaluation)

    def _publish(self, evaluation: Evaluation) -> None:
        self._outputs += evaluation.outputs

    def _publish_graph(self, moment: float) -> None:
        """After each event and tick, so that no change waits in memory for a commit that may not come."""
        for identity, element in self._model.graph.take_changes():
            output_id = f"{self._cause}>{topics.GRAPH}>{identity}"
            body = _graph_body(element, identity, output_id)
            self._outputs.append(Output(topics.GRAPH, identity, body, output_id, utc(moment).isoformat()))

    def _forget_the_old(self, now: float) -> None:
        """Retention: completed runs without open orders, and closed orders, go after their days."""
        model = self._model
        for key in sorted(model.orders):
            order = model.orders[key]
            keep_s = model.plant.rules(key[0]).retention_days * 86_400.0
            if order.state.closed_at is not None and order.state.closed_at < now - keep_s:
                model.drop_order(order)
                self._outputs.append(
                    Output(
                        topics.ORDER_PROJECTIONS,
                        join_key(*key),
                        None,
                        f"{self._cause}>{topics.ORDER_PROJECTIONS}>{join_key(*key)}",
                        utc(now).isoformat(),
                    )
                )
        for key in sorted(model.runs):
            run = model.runs[key]
            keep_s = model.plant.rules(key[0]).retention_days * 86_400.0
            ended = run.progress.ended_at
            if (
                ended is not None
                and ended < now - keep_s
                and not any(o.is_open for o in model.orders_of(run))
            ):
                model.drop_run(run)

    # Judging an event

    def _is_news(self, event: MachineEvent) -> bool:
        """Whether a machine event is neither in the future, nor a repeat, nor too late to tell; notes it as seen."""
        moment = event.event_time.timestamp()
        if self._is_in_future(event, moment):
            return False
        line = self._model.lines.get((event.site_id, event.line_id))
        if line is None:
            self._reject(event, "unknown_line", f"line {event.line_id} of site {event.site_id} is not known")
            return False
        if event.source_id is not None and event.source_sequence is not None:
            return self._is_new_number(event, event.source_id, event.source_sequence)
        verdict = line.ids.judge(event.event_id, moment)
        if verdict is Verdict.REPEAT:
            self.counters["duplicate", "event_id"] += 1
            return False
        if verdict is Verdict.TOO_LATE:
            self._reject(
                event, "too_late", "older than the window in which a repeat could be told, and not numbered"
            )
            return False
        chunk, given_up = line.ids.add(event.event_id, moment)
        self._model.store.put(join_key(line.site_id, "ids", line.line_id, str(chunk.number)), chunk)
        if given_up is not None:
            self._model.store.remove(join_key(line.site_id, "ids", line.line_id, str(given_up.number)))
        return True

    def _is_new_number(self, event: MachineEvent, source_id: str, number: int) -> bool:
        key = (event.site_id, event.line_id, source_id)
        window = self._model.sequences.get(key)
        if window is None:
            window = self._model.sequences[key] = SequenceWindow([])
        if window.judge(number) is Verdict.REPEAT:
            self.counters["duplicate", "sequence"] += 1
            return False
        window.add(number)
        self._model.store.put(join_key(event.site_id, "sequence", event.line_id, source_id), window)
        return True

    def _is_in_future(self, event: Event, moment: float) -> bool:
        # The clock itself comes as an event where a simulator drives it: it cannot lie ahead of itself.
        if self._now is None or isinstance(event, ClockTicked):
            return False
        ahead = self._latest.get(event.site_id)
        if ahead is None:
            ahead = self._latest[event.site_id] = self._model.plant.rules(event.site_id).max_future_min * 60.0
        if moment <= self._now + ahead:
            return False
        self._reject(event, "in_future", f"{(moment - self._now) / 60.0:.0f} min ahead of the clock")
        return True

    def _reject(self, event: Event, reason: str, message: str) -> None:
        self.counters["rejected", reason] += 1
        self._was_rejected = True
        # What concerns every site is folded by every shard: one of them saying so is not to be had, so none does.
        if event.site_id == EVERYWHERE:
            return
        topic, partition, offset, index = self._position
        output_id = f"{self._cause}>{topics.REJECTIONS}"
        body = EventRejected(
            output_id=output_id,
            reason=reason,
            message=message,
            event_kind=event.kind,
            event_id=event.event_id,
            event_time=event.event_time,
            site_id=event.site_id,
            source_topic=topic,
            source_partition=partition,
            source_offset=offset,
            source_index=index,
            as_of=None if self._now is None else utc(self._now),
        )
        self._emit(topics.REJECTIONS, f"{topic}/{partition}/{offset}/{index}", body, output_id, event)

    def _refuse_command(self, command: Command) -> None:
        self.counters["applied", command.kind] += 1
        output_id = f"{self._cause}>{topics.COMMAND_RESULTS}"
        body = CommandResult(
            output_id=output_id,
            command_id=command.command_id,
            command_kind=command.kind,
            actor=command.actor,
            site_id=command.site_id,
            outcome="rejected",
            reason="not_supported",
            message=f"{command.kind} is not carried out by this version; nothing was changed",
            as_of=None if self._now is None else utc(self._now),
        )
        self._emit(topics.COMMAND_RESULTS, command.command_id, body, output_id, command)

    def _emit(self, topic: str, key: str, body: OutputModel, output_id: str, event: Event) -> None:
        moment = event.event_time.timestamp() if self._now is None else self._now
        self._outputs.append(Output(topic, key, body, output_id, utc(moment).isoformat()))

    # Machine events

    def _run_of(self, event: MachineEvent, run_id: str | None, line: Line) -> Run | None:
        """The run that the event speaks of; rejected where there is none."""
        run = line.run if run_id is None else self._model.runs.get((event.site_id, run_id))
        if run is None:
            named = f"run {run_id} is not known" if run_id else f"line {line.line_id} is on no run"
            self._reject(event, "unknown_run", named)
        return run

    def _on_count(self, event: CountReported) -> None:
        line = self._model.lines[event.site_id, event.line_id]
        run = self._run_of(event, event.run_id, line)
        if run is None:
            return
        moment = event.event_time.timestamp()
        progress = run.progress
        if progress.state in FINISHED and (progress.ended_at is None or moment > progress.ended_at):
            self._reject(
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
        planned_on = self._model.line_of_run[run.site_id, run.run_id]
        if planned_on is line:
            return True
        self._reject(event, "wrong_line", f"run {run.run_id} is on line {planned_on.line_id}")
        return False

    def _on_correction(self, event: CountCorrected) -> None:
        line = self._model.lines[event.site_id, event.line_id]
        run = self._run_of(event, event.run_id, line)
        if run is None or not self._is_on(line, run, event):
            return
        progress = run.progress
        if (
            progress.good_pcs + event.good_delta < 0
            or progress.scrap_pcs + event.scrap_delta < 0
            or progress.rework_pcs + event.rework_delta < 0
        ):
            self._reject(event, "below_zero", f"run {run.run_id} would have made less than nothing")
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
        event: MachineEvent,
    ) -> None:
        model = self._model
        is_current = line.state.run_id == run.run_id
        if is_current:
            self._advance(line, moment)
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
        model.save_run(run)
        self._note_seen(line, moment, event)
        self._mark_dirty(line)
        if self._now is not None and self._now - line.state.evaluated_at >= EVALUATION_GAP_S:
            self._evaluate([line])

    def _on_run_event(self, event: RunEvent) -> None:
        model = self._model
        line = model.lines[event.site_id, event.line_id]
        run = self._run_of(event, event.run_id, line)
        if run is None:
            return
        moment = event.event_time.timestamp()
        state = RUN_TRANSITIONS[run.progress.state].get(event.kind)
        if state is None:
            self._reject(
                event, "illegal_transition", f"{event.kind}: run {run.run_id} is {run.progress.state}"
            )
            return
        if run.progress.state_since is not None and moment < run.progress.state_since:
            since = utc(run.progress.state_since).isoformat()
            self._reject(event, "superseded", f"run {run.run_id} is {run.progress.state} since {since}")
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
        self._evaluate(lines)

    def _on_state(self, event: StateChanged) -> None:
        line = self._model.lines[event.site_id, event.line_id]
        moment = event.event_time.timestamp()
        self._note_seen(line, moment, event)
        if event.station_id is not None:
            return
        line.state.packml = event.state.value
        run = line.run
        target = _PACKML_STOPS.get(event.state)
        if run is not None and (run.progress.state_since is None or moment >= run.progress.state_since):
            if target is not None and run.progress.state is RunState.RUNNING:
                self._move(line, run, target, moment, event)
            elif event.state is PackmlState.EXECUTE and run.progress.state in STOPPED:
                self._move(line, run, RunState.RUNNING, moment, event)
        self._model.save_line(line)
        self._evaluate([line])

    def _on_run_report(self, event: RunEvent) -> None:
        line = self._model.lines[event.site_id, event.line_id]
        if self._run_of(event, event.run_id, line) is not None:
            self._note_seen(line, event.event_time.timestamp(), event)

    def _begin(self, line: Line, run: Run, moment: float, event: MachineEvent) -> None:
        planned_on = self._model.line_of_run[run.site_id, run.run_id]
        if planned_on is not line:
            self._model.move_run(run, line, moment, event.event_id)
        self._move(line, run, RunState.RUNNING, moment, event)

    def _move(self, line: Line, run: Run, state: RunState, moment: float, event: MachineEvent) -> None:
        """Bring a run into a state; a line is on one run at a time."""
        model = self._model
        self._advance(line, moment)
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
            if line.state.run_id == run.run_id:
                line.state.run_id = None
        if state is not progress.state:
            progress.state_since = moment
        progress.state = state
        progress.state_event_id = event.event_id
        line.queue = None
        model.save_run(run)
        self._note_seen(line, moment, event)
        self._mark_dirty(line)

    def _advance(self, line: Line, moment: float) -> None:
        """Count production and down time up to the moment."""
        run = line.run
        advance(line, moment)
        self._model.save_line(line)
        if run is not None:
            self._model.save_run(run)

    def _note_seen(self, line: Line, moment: float, event: MachineEvent) -> None:
        state = line.state
        if state.last_event_at is None or moment >= state.last_event_at:
            state.last_event_at = moment
            state.last_event_id = event.event_id
        else:
            self.counters["late", ""] += 1
        self._model.save_line(line)

    def _mark_dirty(self, line: Line) -> None:
        line.state.dirty = True
        self._model.save_line(line)

    # Pace

    def _drop_old_buckets(self, line: Line) -> None:
        while len(line.buckets) > BUCKETS_KEPT:
            old = line.buckets.pop(0)
            self._model.save_bucket_hour(line, hour_of(old.start_s))

    def _judge_pace(self, line: Line, event: MachineEvent) -> None:
        """A bucket closed or was corrected: drift and pace are judged anew."""
        state, change = step(line.drift, line.buckets)
        if state != line.drift:
            line.drift = state
            self._model.save_drift(line)
        since = state.level_since_s if state.phase is DriftPhase.DRIFTING else state.evidence_from_s
        reading = estimate(line.buckets, since or 0.0)
        line.state.level = reading.level
        line.state.level_sd = reading.level_sd
        line.state.noise_sd_300 = reading.noise_sd_300
        line.state.buckets_n = reading.n_buckets
        if change is not None:
            line.state.drift_confidence = change.detection.confidence
            self._signal_drift(line, change, event)

    def _signal_drift(self, line: Line, change: DriftChange, event: MachineEvent) -> None:
        found = change.detection
        output_id = f"{self._cause}>{topics.SIGNALS}"
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
                "detected_at": utc(self._now if self._now is not None else found.last_s),
                "method": found.method,
                "n": found.n_buckets,
                "window_h": round(found.apt_s / 3600.0, 2),
                "statistic": round(found.statistic, 3),
                "threshold": found.threshold,
                "confidence": round(found.confidence, 3),
                "evidence": [event.event_id],
            }
        )
        self._emit(topics.SIGNALS, join_key(line.site_id, line.line_id), body, output_id, event)

    # Plant model and master data

    def _keep(self, event: Event) -> Word:
        word = self._model.plant.upsert(event)
        if word is Word.SUPERSEDED:
            self._reject(event, "superseded", "a later word on the same entity is known")
        elif word is Word.REPEATED:
            self.counters["duplicate", "content"] += 1
        return word

    def _on_site(self, event: SiteUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._model.link_site(event)
            self._refresh(event.site_id)
            self._evaluate([], self._model.open_orders(event.site_id))

    def _on_area(self, event: AreaUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._model.link_area(event)

    def _on_line(self, event: LineUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._evaluate([self._model.put_line(event)])

    def _on_station(self, event: StationUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._model.link_station(event)

    def _on_calendar(self, event: CalendarUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._refresh(event.site_id)

    def _on_overtime(self, event: OvertimeWindowUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._evaluate([self._model.put_overtime(event)])

    def _on_customer(self, event: CustomerUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._model.rename("customer", event.site_id, event.customer_id, event.name)
            self._evaluate([], self._model.open_orders(event.site_id))

    def _on_person(self, event: PersonUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._model.rename("person", event.site_id, event.person_id, event.name)
            self._dirty_site(event.site_id)

    def _on_plant_change(self, event: Event) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._latest.clear()
            self._refresh(event.site_id)

    def _on_terms_change(self, event: Event) -> None:
        """Trucks, penalties and rules move orders even where no run is left to project."""
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            self._latest.clear()
            self._refresh(event.site_id)
            self._evaluate([], self._model.open_orders(event.site_id))

    def _refresh(self, site_id: str) -> None:
        """What the lines of a site rest on changed: the next tick projects them anew."""
        for line in self._model.refresh_site(site_id):
            self._mark_dirty(line)

    def _dirty_site(self, site_id: str) -> None:
        for (site, _), line in sorted(self._model.lines.items()):
            if site_id in (EVERYWHERE, site):
                self._mark_dirty(line)

    # Orders and runs

    def _on_order(self, event: OrderUpserted) -> None:
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            order = self._model.put_order(event)
            closed_at = order.state.closed_at
            if (
                order.state.status == "cancelled"
                and closed_at is not None
                and event.event_time.timestamp() > closed_at
            ):
                order.state.status, order.state.closed_at = "open", None  # ERP took the cancellation back
            self._evaluate([], [order])

    def _on_order_cancelled(self, event: OrderCancelled) -> None:
        order = self._order_of(event, event.order_id)
        if order is not None and event.event_time < order.event.event_time:
            self._reject(event, "superseded", f"order {order.order_id} was said to stand after that")
        elif order is not None and self._keep(event) is not Word.SUPERSEDED:
            self._close([order], "cancelled", event)

    def _on_order_shipped(self, event: OrderShipped) -> None:
        order = self._order_of(event, event.order_id)
        if order is None or self._keep(event) is Word.SUPERSEDED:
            return
        order.state.shipped_pcs = max(order.state.shipped_pcs, event.shipped_pcs)
        self._model.save_order(order)
        if order.state.shipped_pcs >= order.event.quantity_pcs:
            self._close([order], "shipped", event)

    def _on_departure(self, event: ShipmentDeparted) -> None:
        if self._keep(event) is Word.SUPERSEDED:
            return
        known = [self._model.orders.get((event.site_id, order_id)) for order_id in event.order_ids]
        orders = [order for order in known if order is not None]
        for order in orders:
            order.state.shipped_pcs = order.event.quantity_pcs
        # Together: one truck is one event, and a card speaks once of what it did.
        self._close(orders, "shipped", event)
        if len(orders) < len(known):
            missing = [each for each, order in zip(event.order_ids, known, strict=True) if order is None]
            self._reject(
                event, "unknown_order", f"orders not known: {', '.join(missing[:10])}; the others were taken"
            )

    def _close(self, orders: list[Order], status: str, event: Event) -> None:
        ended = [order for order in orders if order.is_open]
        for order in ended:
            order.state.status = status
            order.state.closed_at = event.event_time.timestamp()
            self._model.save_order(order)
        self._evaluate([], ended)

    def _order_of(self, event: Event, order_id: str) -> Order | None:
        order = self._model.orders.get((event.site_id, order_id))
        if order is None:
            self._reject(event, "unknown_order", f"order {order_id} of site {event.site_id} is not known")
        return order

    def _on_run_planned(self, event: RunPlanned) -> None:
        word = self._keep(event)
        if word in (Word.SUPERSEDED, Word.REPEATED):
            return
        known = self._model.runs.get((event.site_id, event.run_id))
        orders = [] if known is None else self._model.orders_of(known)
        run, lines = self._model.put_run(event)
        if word is Word.CHANGED:
            self._evaluate(lines, [*orders, *self._model.orders_of(run)])
        else:
            for line in lines:
                self._mark_dirty(line)

    def _on_run_cancelled(self, event: RunCancelled) -> None:
        run = self._model.runs.get((event.site_id, event.run_id))
        if run is None:
            self._reject(event, "unknown_run", f"run {event.run_id} is not known")
        elif run.progress.state is not RunState.PLANNED:
            self._reject(
                event, "illegal_transition", f"run_cancelled: run {run.run_id} is {run.progress.state}"
            )
        else:
            orders = self._model.orders_of(run)
            self._evaluate(self._model.drop_run(run), orders)


def _graph_body(element: object, identity: str, output_id: str) -> OutputModel | None:
    if element is None:
        return None
    if isinstance(element, Node):
        return GraphNode(
            output_id=output_id,
            node_id=identity,
            node_type=element.node_type,
            entity_id=element.entity_id,
            site_id=element.site_id,
            label=element.label,
        )
    assert isinstance(element, Edge)
    return GraphEdge(
        output_id=output_id,
        edge_id=identity,
        from_id=element.from_id,
        relation=element.relation,
        to_id=element.to_id,
        since=utc(element.since),
        event_id=element.event_id,
        quantity_pcs=element.quantity_pcs,
    )
