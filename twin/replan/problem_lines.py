"""Lines as a scheduling problem states them: working time, setups, overtime on offer, pace. Answers from scratch."""

from collections.abc import Iterable, Mapping

from schemas import OvertimeOffer, SchedulingLine, SetupMatrix, SetupMatrixUpserted, SetupTime
from twin.forecast.lookahead import LONG_AGO_S, Reading
from twin.state.entities import Line, SiteKey
from twin.state.model import Model
from twin.state.runs import RunState


def scheduling_line(
    model: Model, line: Line, read: Reading, begins: float, horizon_end: float, *, is_hit: bool
) -> SchedulingLine:
    """A line of a problem.

    Args:
        model: the live model.
        line: the line.
        read: as its projection reads it.
        begins: working time is told from here on, or from where its queue is walked, whichever comes first.
        horizon_end: working time is told until then.
        is_hit: what triggered the request concerns it.
    """
    free_from = free_since(line, read)
    spans = line.calendar.intervals(min(free_from, begins), horizon_end)
    matrix = model.plant.setup_matrix(line.site_id, line.line_id)
    return SchedulingLine(
        site_id=line.site_id,
        line_id=line.line_id,
        name=line.name,
        free_from=free_from,
        family=line.state.family,
        setup_id=None if matrix is None else setup_id_of(matrix),
        spans=spans,
        overtime=overtime_offers(model, line, read.minute),
        level=line.state.level,
        drift_ends_per_s=read.habits.drift_ends_per_s,
        short_share=read.habits.short_share,
        is_hit=is_hit,
    )


def free_since(line: Line, read: Reading) -> float:
    """Where its queue is walked from: the last moment of which its progress is known.

    A line that is on no run and was not heard of for long has been free for longer than any setup: that is said, not
    since when.
    """
    long_ago = read.minute - LONG_AGO_S
    head = line.queued()[0] if line.queued() else None
    if head is not None and head.progress.state is not RunState.PLANNED:
        return read.known_at
    return long_ago if line.state.marked_at is None else max(read.known_at, long_ago)


def overtime_offers(model: Model, line: Line, now: float) -> list[OvertimeOffer]:
    """Windows that can still be ordered and whose price is known, by their beginning."""
    default_price = model.plant.overtime_price(line.site_id, line.line_id)
    offers = []
    for window in line.overtime:
        price = default_price if window.cost_per_h is None else window.cost_per_h
        start = window.start_at.timestamp()
        notice_by = start if window.notice_by is None else window.notice_by.timestamp()
        if window.committed or window.withdrawn or price is None or notice_by < now:
            continue
        offers.append(
            OvertimeOffer(
                window_id=window.window_id,
                start=start,
                end=window.end_at.timestamp(),
                notice_by=notice_by,
                cost_per_h=price,
            )
        )
    return sorted(offers, key=lambda offer: (offer.start, offer.window_id))


def setup_matrices(model: Model, lines: Mapping[SiteKey, Line], families: Iterable[str]) -> list[SetupMatrix]:
    """The setups that these lines name, between these families only."""
    matrices: dict[str, SetupMatrixUpserted] = {}
    for line in lines.values():
        matrix = model.plant.setup_matrix(line.site_id, line.line_id)
        if matrix is not None:
            matrices[setup_id_of(matrix)] = matrix
    known = frozenset(families)
    return [
        SetupMatrix(
            setup_id=setup_id,
            entries=_entries(matrix, known),
            default_s=matrix.default_min * 60.0,
            same_family_s=matrix.same_family_min * 60.0,
        )
        for setup_id, matrix in sorted(matrices.items())
    ]


def setup_id_of(matrix: SetupMatrixUpserted) -> str:
    """How lines of a problem name it: site/line, or the site where it is that of every line."""
    return matrix.site_id if matrix.line_id is None else f"{matrix.site_id}/{matrix.line_id}"


def _entries(matrix: SetupMatrixUpserted, families: frozenset[str]) -> list[SetupTime]:
    """Entries between families of the problem, by families; of two for the same pair the first holds, as elsewhere."""
    entries: dict[tuple[str, str], SetupTime] = {}
    for entry in matrix.entries:
        if entry.from_family in families and entry.to_family in families:
            pair = entry.from_family, entry.to_family
            if pair not in entries:
                entries[pair] = SetupTime(
                    from_family=entry.from_family,
                    to_family=entry.to_family,
                    setup_s=entry.setup_min * 60.0,
                    cost=entry.cost,
                )
    return [entry for _, entry in sorted(entries.items())]
