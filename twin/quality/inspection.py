"""Follows bad pieces: counts and inspections go to the series they belong to, and a rise or its end is told.

Pieces made while a line is being set up are left out: the first pieces after a setup are often bad, and nothing shifted.
"""

from schemas import CountCorrected, CountReported, QualityRecorded, Signal, join_key, topics
from twin.judges.causes import quality_root
from twin.judges.risk import Root
from twin.quality.bad_share import QualityBucket, QualityChange, step
from twin.quality.quality_documents import save_series, series_of
from twin.quality.quality_series import Series, SeriesKey
from twin.session import Session
from twin.state.entities import Line, Run
from twin.state.limits import SERIES_PER_LINE_MAX
from twin.state.runs import RunState
from twin.words import utc


class Inspection:
    """Keeps the quality series of every line.

    Args:
        session: shared with the twin's other handlers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def on_pieces(
        self,
        line: Line,
        run: Run,
        moment: float,
        pieces: tuple[float, float, float],
        event: CountReported | CountCorrected,
    ) -> list[Root]:
        """Pieces were counted or corrected: good, scrap and rework, as deltas.

        Returns:
            Roots to judge, where a rise began or ended.
        """
        good, scrap, rework = pieces
        if run.progress.state is RunState.SETUP or not (good or scrap or rework):
            return []
        item_id = run.plan.item_id
        key: SeriesKey = ("count", event.station_id or "", item_id)
        if isinstance(event, CountCorrected) and key not in line.quality.series:
            known = line.quality.counted(item_id, event.station_id)
            key = key if known is None else known.key
        return self._take(line, run, key, moment, (good + scrap + rework, scrap, rework), event)

    def on_inspection(self, line: Line, run: Run, moment: float, event: QualityRecorded) -> list[Root]:
        """Pieces of a run were inspected; what failed counts as scrap, for nobody says what becomes of it."""
        if event.inspected_count <= 0:
            return []
        key: SeriesKey = ("inspection", event.station_id or "", run.plan.item_id)
        bad = event.bad_count
        return self._take(line, run, key, moment, (event.inspected_count, bad, 0.0), event)

    def _take(
        self,
        line: Line,
        run: Run,
        key: SeriesKey,
        moment: float,
        pieces: tuple[float, float, float],
        event: CountReported | CountCorrected | QualityRecorded,
    ) -> list[Root]:
        if key not in line.quality.series and len(line.quality.series) >= SERIES_PER_LINE_MAX:
            return []
        series = series_of(line, key)
        made, scrap, rework = pieces
        if key[0] == "inspection" and scrap <= 0:
            series.note_clean(moment, event.event_id)
        series.hot.last_event_id = event.event_id
        began = run.progress.first_started_at
        closed = series.add(run.run_id, moment, moment if began is None else began, made, scrap, rework)
        if not closed:
            save_series(self._session.model.store, line, series)
            if line.quality.risen:
                line.queue = None  # what its runs still yield has changed
            return []
        # Good pieces alone raise no rate: without a rise to end there is nothing to judge.
        is_news = series.is_shifted or any(bucket.bad > 0 for bucket in closed)
        roots = self._judge(line, series, event) if is_news else []
        save_series(self._session.model.store, line, series, _hours([*closed, *series.shrink()]))
        if line.quality.risen or roots:
            line.queue = None
        return roots

    def _judge(
        self, line: Line, series: Series, event: CountReported | CountCorrected | QualityRecorded
    ) -> list[Root]:
        hot = series.hot
        item = self._session.model.plant.item(line.site_id, series.item_id)
        hot.expected_scrap = 0.0 if item is None else item.expected_scrap
        hot.state, change = step(hot.state, series.buckets, series.prior)
        if change is None:
            return []
        line.quality.note_phases()
        self._signal(line, series, change, event)
        return [quality_root(line, series)]

    def _signal(
        self,
        line: Line,
        series: Series,
        change: QualityChange,
        event: CountReported | CountCorrected | QualityRecorded,
    ) -> None:
        session, found = self._session, change.reading
        name = "quality_shifted" if change.kind == "shifted" else "quality_cleared"
        key = join_key(line.site_id, line.line_id)
        output_id = f"{session.cause}>{topics.SIGNALS}>{name}/{join_key(*series.key)}"
        body = Signal.model_validate(
            {
                "output_id": output_id,
                "signal": name,
                "site_id": line.site_id,
                "line_id": line.line_id,
                "station_id": series.station_id,
                "run_id": line.state.run_id,
                "item_id": series.item_id,
                "metric": "bad_share",
                "delta": round(found.rate - found.base_rate, 6),
                "since": utc(found.since_s),
                "detected_at": utc(session.now if session.now is not None else found.last_s),
                "method": found.method,
                "n": int(found.pieces.made),
                "window_h": round((found.last_s - found.since_s) / 3600.0, 2),
                "statistic": round(found.statistic, 3),
                "threshold": found.threshold,
                "confidence": round(found.confidence, 3),
                "evidence": [event.event_id],
            }
        )
        session.emit(topics.SIGNALS, key, body, output_id, event)


def _hours(buckets: list[QualityBucket]) -> list[int]:
    return list({int(bucket.start_s // 3600): None for bucket in buckets})
