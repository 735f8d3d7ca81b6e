"""The quality series of a line as documents: made when first heard of, written when they change, dropped when forgotten."""

from collections.abc import Iterable

from schemas import join_key
from twin.quality.quality_series import QualityHour, QualitySeries, Series, SeriesKey
from twin.state.entities import Line
from twin.state.store import DocumentStore


def series_of(line: Line, key: SeriesKey) -> Series:
    """A quality series of the line, made if it is not known yet."""
    series = line.quality.series.get(key)
    if series is None:
        document_key = join_key(line.site_id, "quality", line.line_id, *key)
        series = line.quality.series[key] = Series(key, QualitySeries(), document_key)
    return series


def save_series(store: DocumentStore, line: Line, series: Series, hours: Iterable[int] = ()) -> None:
    """A quality series changed, and its closed buckets of these hours; an hour without any is removed."""
    store.put(series.document_key, series.hot)
    for hour in hours:
        buckets = series.hour(hour)
        key = join_key(line.site_id, "quality_hour", line.line_id, *series.key, str(hour))
        if buckets:
            store.put(key, QualityHour(buckets))
        else:
            store.remove(key)


def drop_series(store: DocumentStore, line: Line, series: Series) -> None:
    """Forget a series that nothing was heard of for long."""
    for hour in {int(bucket.start_s // 3600): None for bucket in series.buckets}:
        store.remove(join_key(line.site_id, "quality_hour", line.line_id, *series.key, str(hour)))
    store.remove(series.document_key)
    del line.quality.series[series.key]
    line.quality.note_phases()
