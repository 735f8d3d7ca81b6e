"""The pieces of each item that a line or one of its stations made, in buckets, and what follows from their bad ones.

A series is what one source says of one item: counts of the line or of a station, or inspections; they are never added
up, for a piece that an inspection finds bad is counted as scrap too. Answers from scratch.
"""

from bisect import bisect_left

import msgspec

from twin.quality.bad_share import (
    Pieces,
    QualityBucket,
    QualityPhase,
    QualityReading,
    QualityState,
    drop_oldest,
    prior_of,
    read,
)

BUCKET_S = 300.0
"""A bucket spans at least this long. Smaller: more work and documents; larger: a rise is found later."""

BUCKET_PCS = 20.0
"""And holds at least so many pieces."""

BUCKETS_KEPT = 240
"""Closed buckets kept a series; what is older is kept as a sum. Fewer: late corrections find no bucket."""

CLEANS_KEPT = 20
"""Clean inspections kept a series: the last one before a rise begins what is to be held back."""

LEAST_YIELD = 0.25
"""No projection goes on with a smaller share of good pieces: somebody stops a line that makes nearly nothing good."""

SeriesKey = tuple[str, str, str]
"""(source, station_id or "", item_id): source is "count" or "inspection"."""


class QualitySeries(msgspec.Struct):
    """The hot document of a series; its closed buckets are documents of their own, by the hour in which they began.

    Attributes:
        state: what is remembered of a rise.
        expected_scrap: of the item, as it stood when last judged: where the prior comes from.
        open_from: start of the open bucket, None while it is empty; open_run_id: whose pieces are in it.
        made, scrap, rework: in the open bucket.
        last_at: end of the newest piece counted.
        cleans: moments and events of inspections that found nothing bad, the newest CLEANS_KEPT, oldest first.
        last_event_id: the newest report.
    """

    state: QualityState = QualityState()
    expected_scrap: float = 0.0
    open_from: float | None = None
    open_run_id: str = ""
    made: float = 0.0
    scrap: float = 0.0
    rework: float = 0.0
    last_at: float = 0.0
    cleans: list[tuple[float, str]] = []
    last_event_id: str = ""

    def encode(self) -> bytes:
        """JSON of the series."""
        return msgspec.json.encode(self)


class QualityHour(msgspec.Struct):
    """Closed buckets of a series that began within one hour of the clock, oldest first."""

    buckets: list[QualityBucket]

    def encode(self) -> bytes:
        """JSON of the buckets."""
        return msgspec.json.encode(self)


class Series:
    """A series with its buckets; document_key: of its hot document."""

    __slots__ = ("_reading", "_reading_of", "buckets", "document_key", "hot", "key")

    def __init__(self, key: SeriesKey, hot: QualitySeries, document_key: str) -> None:
        self.key = key
        self.hot = hot
        self.document_key = document_key
        self.buckets: list[QualityBucket] = []
        self._reading: QualityReading | None = None
        self._reading_of: tuple[object, ...] | None = None  # what the kept reading was worked out from

    @property
    def source(self) -> str:
        """Counts or inspections."""
        return self.key[0]

    @property
    def station_id(self) -> str | None:
        """The station that it was seen at; None: the line as a whole."""
        return self.key[1] or None

    @property
    def item_id(self) -> str:
        """What is made."""
        return self.key[2]

    @property
    def prior(self) -> Pieces:
        """What was believed of the item before anything was seen."""
        return prior_of(self.hot.expected_scrap)

    @property
    def is_shifted(self) -> bool:
        """Whether more is bad than before."""
        return self.hot.state.phase is QualityPhase.SHIFTED

    def judged(self) -> list[QualityBucket]:
        """The closed buckets, and the open one as far as it has come."""
        hot = self.hot
        if hot.open_from is None or hot.made <= 0.0:
            return self.buckets
        return [
            *self.buckets,
            QualityBucket(
                hot.open_from,
                max(hot.open_from, hot.last_at),
                hot.made,
                hot.scrap,
                hot.rework,
                hot.open_run_id,
                hot.last_event_id,
            ),
        ]

    def reading(self) -> QualityReading | None:
        """How the rise stands, the open bucket included; None where there is none."""
        if not self.is_shifted:
            return None
        hot = self.hot
        newest = self.buckets[-1] if self.buckets else None
        basis = (hot.state, hot.made, hot.scrap, hot.rework, hot.last_at, hot.expected_scrap, newest)
        if basis != self._reading_of:
            self._reading, self._reading_of = read(hot.state, self.judged(), self.prior), basis
        return self._reading

    def add(
        self, run_id: str, moment: float, began: float, made: float, scrap: float, rework: float
    ) -> list[QualityBucket]:
        """Take pieces over (negative ones take away).

        Args:
            run_id: whose pieces they are.
            moment: when they were counted.
            began: not before this moment were they made: begins the first bucket of a series or run.
            made: all of them.
            scrap: those thrown away.
            rework: those to be worked on again.

        Returns:
            Closed buckets that are new or changed.
        """
        hot = self.hot
        if self.buckets and moment <= self.buckets[-1].end_s:
            changed = self._add_to_closed(moment, made, scrap, rework)
            return [] if changed is None else [changed]
        closed: list[QualityBucket] = []
        if hot.open_from is not None and hot.open_run_id != run_id:
            closed += self._close(hot.last_at)
        if hot.open_from is None:
            ended = self.buckets[-1].end_s if self.buckets else began
            hot.open_from, hot.open_run_id = min(moment, max(began, ended)), run_id
        hot.made = max(0.0, hot.made + made)
        hot.scrap = max(0.0, hot.scrap + scrap)
        hot.rework = max(0.0, hot.rework + rework)
        hot.last_at = max(hot.last_at, moment)
        if hot.made >= BUCKET_PCS and hot.last_at - hot.open_from >= BUCKET_S:
            closed += self._close(hot.last_at)
        return closed

    def note_clean(self, moment: float, event_id: str) -> None:
        """An inspection found nothing bad."""
        self.hot.cleans = sorted([*self.hot.cleans, (moment, event_id)])[-CLEANS_KEPT:]

    def shrink(self) -> list[QualityBucket]:
        """Let go of the oldest buckets; says which, for their documents."""
        gone: list[QualityBucket] = []
        while len(self.buckets) > BUCKETS_KEPT:
            gone.append(self.buckets.pop(0))
            self.hot.state = drop_oldest(self.hot.state, gone[-1])
        return gone

    def hour(self, hour: int) -> list[QualityBucket]:
        """Closed buckets that began in an hour of the clock."""
        first = bisect_left(self.buckets, hour * 3600.0, key=_start)
        return self.buckets[first : bisect_left(self.buckets, (hour + 1) * 3600.0, key=_start)]

    def _close(self, moment: float) -> list[QualityBucket]:
        hot = self.hot
        assert hot.open_from is not None
        bad = min(hot.made, hot.scrap + hot.rework)
        scrap = min(hot.scrap, bad)
        bucket = QualityBucket(
            hot.open_from, moment, hot.made, scrap, bad - scrap, hot.open_run_id, hot.last_event_id
        )
        hot.open_from, hot.made, hot.scrap, hot.rework = None, 0.0, 0.0, 0.0
        if bucket.made <= 0.0 or bucket.end_s <= bucket.start_s:
            return []
        self.buckets.append(bucket)
        return [bucket]

    def _add_to_closed(self, moment: float, made: float, scrap: float, rework: float) -> QualityBucket | None:
        index = bisect_left(self.buckets, moment, key=_end)
        if index == 0 and moment < self.buckets[0].start_s:
            return None  # older than what is kept: it is part of a sum by now
        old = self.buckets[index]
        all_made = max(0.0, old.made + made)
        all_scrap = min(all_made, max(0.0, old.scrap + scrap))
        all_rework = min(all_made - all_scrap, max(0.0, old.rework + rework))
        changed = QualityBucket(
            old.start_s, old.end_s, all_made, all_scrap, all_rework, old.run_id, old.event_id
        )
        self.buckets[index] = changed
        self._reading_of = None
        return changed


class LineQuality:
    """The series of a line.

    Attributes:
        series: all of them; risen: those whose rate is raised, by key.
    """

    __slots__ = ("risen", "series")

    def __init__(self) -> None:
        self.series: dict[SeriesKey, Series] = {}
        self.risen: list[Series] = []

    def note_phases(self) -> None:
        """The phase of a series may have changed."""
        self.risen = [series for _, series in sorted(self.series.items()) if series.is_shifted]

    def worst(self, item_id: str) -> tuple[Series, QualityReading] | None:
        """The counted series of an item that rose to the worst rate: the one that its yield follows."""
        found: tuple[Series, QualityReading] | None = None
        for series in self.risen:
            if series.item_id != item_id or series.source != "count":
                continue
            reading = series.reading()
            if reading is not None and (found is None or reading.rate > found[1].rate):
                found = series, reading
        return found

    def shifted_yield(self, item_id: str) -> float | None:
        """Share of good pieces of an item while its rate of bad ones is raised; None where it is not."""
        worst = self.worst(item_id) if self.risen else None
        return None if worst is None else max(LEAST_YIELD, 1.0 - worst[1].rate)

    def counted(self, item_id: str, station_id: str | None) -> Series | None:
        """The counts of an item at a station, else those of the line as a whole, else the largest."""
        mine = [series for _, series in sorted(self.series.items()) if series.key[0::2] == ("count", item_id)]
        for wanted in (station_id, None):
            for series in mine:
                if series.station_id == wanted:
                    return series
        return max(mine, key=lambda series: sum(bucket.made for bucket in series.buckets), default=None)

    def clean_before(self, series: Series, moment: float) -> tuple[float, str] | None:
        """The last inspection up to a moment that found nothing bad of what a series counts: there or of the line."""
        found = [
            clean
            for other in self.series.values()
            if other.source == "inspection"
            and other.item_id == series.item_id
            and (series.station_id is None or other.station_id in (None, series.station_id))
            for clean in other.hot.cleans
            if clean[0] <= moment
        ]
        return max(found, default=None)


def made_since(series: Series, moment: float) -> float:
    """Pieces of a series in buckets that ended after a moment, the open one included."""
    return sum(bucket.made for bucket in series.judged() if bucket.end_s > moment)


def _start(bucket: QualityBucket) -> float:
    return bucket.start_s


def _end(bucket: QualityBucket) -> float:
    return bucket.end_s
