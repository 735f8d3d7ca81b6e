"""A line's working time as walks over sorted spans: the same answers as the twin's calendar gives inside the horizon.

What does not fit before the horizon's end goes on after it as if the line were always open: so every run has an end, and
of two plans that do not fit the one that lacks less ends earlier.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf

Span = tuple[float, float]
"""Start and end, POSIX seconds; the end does not belong to it."""


NOTHING_S = 1e-4
"""Seconds of work that do not run over the end of a shift: sums of floats. Without it a run that ends exactly with a
shift would, by a rounding, end when the next one begins."""


class WorkingTime:
    """Answers questions about the working time of one line.

    Args:
        spans: working time in order, apart or touching.
        horizon_end: from here on the line counts as always open.
    """

    __slots__ = ("_ends", "_starts", "_total")

    def __init__(self, spans: Sequence[Span], horizon_end: float) -> None:
        last = max(horizon_end, spans[-1][1]) if spans else horizon_end
        kept = [*spans, (last, inf)]
        self._starts = [start for start, _ in kept]
        self._ends = [end for _, end in kept]
        self._total = [0.0]  # work before each span
        for start, end in kept[:-1]:
            self._total.append(self._total[-1] + (end - start))

    def add_work(self, start: float, work_s: float) -> float:
        """The earliest moment by which work_s seconds of working time after start have passed; start for no work."""
        if work_s <= 0.0:
            return start
        index = bisect_right(self._starts, start) - 1
        if index >= 0 and start < self._ends[index]:
            if work_s <= self._ends[index] - start + NOTHING_S:
                return min(start + work_s, self._ends[index])
            work_s -= self._ends[index] - start
        # What ends exactly with a span ends there: the last span that begins with less work behind it.
        first = index + 1
        target = self._total[first] + work_s
        at = bisect_left(self._total, target - NOTHING_S, first) - 1
        return min(self._starts[at] + (target - self._total[at]), self._ends[at])

    def subtract_work(self, end: float, work_s: float) -> float:
        """The latest moment from which work_s seconds of working time pass until end; -inf where there is too little."""
        if work_s <= 0.0:
            return end
        index = bisect_left(self._starts, end) - 1
        while index >= 0:
            length = min(end, self._ends[index]) - self._starts[index]
            if work_s <= length:
                return min(end, self._ends[index]) - work_s
            work_s -= length
            index -= 1
        return -inf

    def work_until(self, moment: float) -> float:
        """Seconds of working time before a moment."""
        index = bisect_right(self._starts, moment) - 1
        return 0.0 if index < 0 else self._total[index] + min(moment, self._ends[index]) - self._starts[index]

    def work_between(self, start: float, end: float) -> float:
        """Seconds of working time from start to end; negative if end lies before start."""
        return self.work_until(end) - self.work_until(start)

    def next_working(self, moment: float) -> float:
        """The moment itself if it is worked, else the start of the next span."""
        index = bisect_right(self._starts, moment) - 1
        return moment if index >= 0 and moment < self._ends[index] else self._starts[index + 1]


def united(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that overlap or touch as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def without(window: Span, spans: Sequence[Span]) -> list[Span]:
    """The parts of a window that lie in none of the spans, in order."""
    free: list[Span] = []
    begin, end = window
    for start, stop in spans:
        if stop <= begin:
            continue
        if start >= end:
            break
        if start > begin:
            free.append((begin, start))
        begin = max(begin, stop)
    if begin < end:
        free.append((begin, end))
    return free


def first_part(free: Sequence[Span], seconds: float) -> list[Span]:
    """The first so many seconds of spans."""
    taken: list[Span] = []
    for start, end in free:
        if seconds <= 0.0:
            break
        stop = min(end, start + seconds)
        taken.append((start, stop))
        seconds -= stop - start
    return taken


def length_of(spans: Iterable[Span]) -> float:
    """Seconds in all."""
    return sum(end - start for start, end in spans)


def are_apart(spans: Sequence[Span]) -> bool:
    """Whether spans are in order, not empty, and do not overlap."""
    return all(start < end for start, end in spans) and all(
        first[1] <= second[0] for first, second in pairwise(spans)
    )
