"""Follows the stops of lines and stations: when they begin and end, what is remembered, which are worth a signal.

A station that is down is a stop of its line when the line says that it stopped, or when no pieces have come for
down_after_min of working time since: many a line goes on without one of its stations.
"""

from schemas import MachineEvent, PackmlState, Signal, StateChanged, join_key, topics
from twin.judges.risk import Root
from twin.replan.replan_triggers import note_stop
from twin.session import Session
from twin.shopfloor.busy_time import element_of, recount
from twin.shopfloor.downtime import (
    NO_PIECES_CONFIDENCE,
    down_root,
    expected_end,
    is_long,
    lasted_s,
    stopped_run,
)
from twin.shopfloor.progress import advance
from twin.shopfloor.stops import PresentStop, StationStop
from twin.state.entities import Line, Run
from twin.state.model import Model
from twin.state.runs import RunState
from twin.words import utc

PACKML_STOPS: dict[PackmlState, RunState] = {
    PackmlState.HOLDING: RunState.HELD,
    PackmlState.HELD: RunState.HELD,
    PackmlState.STOPPING: RunState.HELD,
    PackmlState.STOPPED: RunState.HELD,
    PackmlState.ABORTING: RunState.HELD,
    PackmlState.ABORTED: RunState.HELD,
    PackmlState.SUSPENDING: RunState.SUSPENDED,
    PackmlState.SUSPENDED: RunState.SUSPENDED,
}
"""States that hold or suspend a running run."""

_STATION_WORKS = frozenset(
    {PackmlState.EXECUTE, PackmlState.IDLE, PackmlState.COMPLETING, PackmlState.COMPLETE}
)
"""States that end a station's stop; the others (clearing, resetting, starting ...) are the way back."""


def set_expected_end(model: Model, line: Line, until: float, event_id: str, actor: str) -> bool:
    """Somebody says until when the present stop will last.

    Args:
        model: holds the line.
        line: whose stop it is.
        until: POSIX seconds.
        event_id: of what they said.
        actor: who said it.

    Returns:
        False where the line is not down; then nothing changes.
    """
    run = stopped_run(line)
    if run is None:
        return False
    run.progress.stopped_until = until
    model.save_run(run)
    stop = line.stops.present
    if stop is not None:
        stop.expected_by, stop.expected_event_id = f"said by {actor}", event_id
        model.save_stops(line)
    return True


class Stoppages:
    """Keeps the stops of every line.

    Args:
        session: shared with the twin's other handlers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def roots(self, *lines: Line) -> list[Root]:
        """Cards that are to be judged after something happened to these lines."""
        known = self._session.model.cards
        return [
            down_root(line) for line in lines if line.stops.present is not None or down_root(line) in known
        ]

    def follow(self, line: Line, moment: float, event: MachineEvent) -> None:
        """The line's run went into a state: a stop begins, goes on or ends with it."""
        run = stopped_run(line)
        present = line.stops.present
        if present is not None and (run is None or present.run_id != run.run_id):
            self._end(line, moment, event.event_id)
            present = None
        if run is None:
            return
        if present is None:
            since = run.progress.state_since
            stop = PresentStop(run.run_id, moment if since is None else since, "reported", event.event_id)
            line.stops.present = stop
        else:
            stop = present
        stop.reason = getattr(event, "reason", None) or stop.reason
        stop.expected_by = stop.expected_event_id = None
        self._name_station(line, run, stop)
        self._tell_if_long(line, self._session.now)
        self._session.model.save_stops(line)

    def on_said_again(self, line: Line, run: Run, moment: float, event: StateChanged) -> None:
        """The line says that it is down while its run is known to be: its word counts, and so does what it adds."""
        stop = line.stops.present
        if stop is None or stop.run_id != run.run_id:
            return
        stop.by = "reported"
        stop.reason = event.reason or stop.reason
        if event.expected_duration_min is not None:
            run.progress.stopped_until = moment + event.expected_duration_min * 60.0
            stop.expected_by, stop.expected_event_id = None, event.event_id
            self._session.model.save_run(run)
            note_stop(self._session.model, self._session.now, line, event.event_id, stop.reason)
        self._session.model.save_stops(line)

    def on_station(self, line: Line, event: StateChanged, station_id: str) -> bool:
        """A station changed its state.

        Returns:
            Whether the stop of the line that this station alone had caused is over.
        """
        stops, moment = line.stops, event.event_time.timestamp()
        known = stops.stations.get(station_id)
        if known is not None and moment < known.since:
            return False
        target = PACKML_STOPS.get(event.state)
        if target is not None:
            expected = event.expected_duration_min
            stops.stations[station_id] = StationStop(
                since=moment if known is None else known.since,
                is_external=target is RunState.SUSPENDED,
                reason=event.reason or (None if known is None else known.reason),
                expected_until=None if expected is None else moment + expected * 60.0,
                event_id=event.event_id,
            )
        elif event.state in _STATION_WORKS and known is not None:
            del stops.stations[station_id]
            if not stops.stations:
                stops.last_piece_at = None
        else:
            return False
        run, present = stopped_run(line), stops.present
        if run is not None and present is not None:
            if present.by == "station" and not stops.stations:
                return True
            self._name_station(line, run, present)
        self._session.model.save_stops(line)
        return False

    def on_pieces(self, line: Line, run: Run, moment: float) -> bool:
        """Pieces were counted while a station of the line is down.

        Returns:
            Whether the line, held to be down because none came, makes pieces after all.
        """
        stops = line.stops
        if stops.last_piece_at is None or moment > stops.last_piece_at:
            stops.last_piece_at = moment
            self._session.model.save_stops(line)
        present = stops.present
        return (
            present is not None
            and present.by == "station"
            and stopped_run(line) is run
            and moment > present.since
        )

    def at_minute(self, line: Line, now: float) -> None:
        """Time has passed for a line."""
        stops = line.stops
        if stops.present is None and not stops.stations:
            return
        if stops.present is not None and stopped_run(line) is None:
            self._end(line, now, stops.present.event_id)  # its run was replanned away
        if stops.stations:
            self._stop_for_station(line, now)
        self._tell_if_long(line, now)

    def _stop_for_station(self, line: Line, now: float) -> None:
        run, cause = line.run, line.stops.cause
        if run is None or run.progress.state is not RunState.RUNNING or cause is None:
            return
        station = cause[1]
        quiet_since = max(
            station.since,
            line.stops.last_piece_at or station.since,
            run.progress.state_since or station.since,
            line.state.marked_at or station.since,
        )
        limit_s = self._session.model.plant.rules(line.site_id).down_after_min * 60.0
        if line.calendar.work_between(quiet_since, max(quiet_since, now)) < limit_s:
            return
        model = self._session.model
        advance(line, quiet_since)
        counted_as = element_of(line)
        run.progress.state = RunState.SUSPENDED if station.is_external else RunState.HELD
        run.progress.state_since = quiet_since
        run.progress.state_event_id = station.event_id
        run.progress.stopped_until = None
        line.queue = None
        recount(line, quiet_since, counted_as)
        stop = PresentStop(run.run_id, quiet_since, "station", station.event_id)
        line.stops.present = stop
        self._name_station(line, run, stop)
        model.save_stops(line)
        model.save_run(run)
        self._session.mark_dirty(line)

    def _name_station(self, line: Line, run: Run, stop: PresentStop) -> None:
        """The stop's cause is the station that is down, and what was said of the station holds where nothing else was."""
        cause = line.stops.cause
        if cause is None:
            return
        stop.station_id, station = cause
        stop.reason = stop.reason or station.reason
        if run.progress.stopped_until is None and station.expected_until is not None:
            run.progress.stopped_until = station.expected_until
            stop.expected_by, stop.expected_event_id = f"said of {stop.station_id}", station.event_id
            self._session.model.save_run(run)

    def _end(self, line: Line, moment: float, event_id: str) -> None:
        stop = line.stops.present
        assert stop is not None
        work_s = lasted_s(line, stop, moment)
        line.stops.close(moment, work_s)
        self._session.model.save_stops(line)
        if stop.is_told:
            self._signal(line, stop, "line_up", work_s, event_id)

    def _tell_if_long(self, line: Line, now: float | None) -> None:
        stop = line.stops.present
        if now is None or stop is None or stop.is_told or stopped_run(line) is None:
            return
        if is_long(line, self._session.model.plant.rules(line.site_id).down_after_min, now):
            stop.is_told = True
            self._session.model.save_stops(line)
            self._signal(line, stop, "line_down", lasted_s(line, stop, now), stop.event_id)
            note_stop(self._session.model, now, line, stop.event_id, stop.reason)

    def _signal(self, line: Line, stop: PresentStop, signal: str, work_s: float, event_id: str) -> None:
        session = self._session
        now = session.now
        if now is None:
            return
        key = join_key(line.site_id, line.line_id)
        output_id = f"{session.cause}>{topics.SIGNALS}>{signal}/{key}"
        expected = expected_end(line, now)
        body = Signal.model_validate(
            {
                "output_id": output_id,
                "signal": signal,
                "site_id": line.site_id,
                "line_id": line.line_id,
                "station_id": stop.station_id,
                "run_id": stop.run_id,
                "metric": "down_h",
                "since": utc(stop.since),
                "detected_at": utc(now),
                "method": "reported" if stop.by == "reported" else "station down, no pieces",
                "n": max(1, expected.n),
                "window_h": round(work_s / 3600.0, 2),
                "confidence": 1.0 if stop.by == "reported" else NO_PIECES_CONFIDENCE,
                "evidence": list(dict.fromkeys([stop.event_id, event_id])),
            }
        )
        session.emit_now(topics.SIGNALS, key, body, output_id)
