"""Working time of a line: weekly shifts in local time, breaks, dated exceptions, and fast walks over them.

Law: every answer is a pure function of the description and the arguments. What happens to be materialised already may
change how fast an answer comes, never the answer, not even in its last bit.
"""

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import Final

from twin.state.shifts import (
    FIRST_WEEK,
    LAST_WEEK,
    CalendarDescription,
    DatedSpan,
    Interval,
    ShiftSpan,
    WeeklyPattern,
    WeekSpan,
    week_of,
    week_start,
)

__all__ = ["HORIZON_WEEKS", "CalendarDescription", "DatedSpan", "Interval", "WeekSpan", "WorkCalendar"]

HORIZON_WEEKS: Final = 64
"""How far (448 days) a walk looks for working time before it answers "never".

Also the most weeks kept materialised. Too small: a plant closed for a season never opens again. Too large: memory, and
a slow first answer for a calendar that is never open.
"""

_FARTHEST_WALKS: Final = (
    40  # horizons: work that takes more than 49 years is never done, so that no walk is endless
)

_SUMS_KEPT: Final = 10_000
"""Weeks whose work is remembered as a number, two centuries. Too small: a long walk lays its weeks out again and again.
Too large: memory, 100 bytes a week."""


class WorkCalendar:
    """Answers questions about the working time of one description.

    Whole weeks are materialised on demand, at most HORIZON_WEEKS of them in one piece, with running totals of work; a
    walk is then two bisections however many shifts it crosses.

    Args:
        description: what is worked when.

    Raises:
        ValueError: an unknown zone, weekday or clock text, an exception that does not end after its start, or shifts
            together with always.
    """

    def __init__(self, description: CalendarDescription) -> None:
        self.description = description
        self._pattern = WeeklyPattern(description)
        self._week_cache: dict[int, list[Interval]] = {}
        self._work_of_week: dict[int, float] = {}
        # The materialised weeks. _total[i] is the work from _low_s up to _ends[i], in whole seconds, so every sum and
        # difference of totals is exact. Each list begins with an empty interval at _low_s as a sentinel.
        self._first_week, self._last_week = 0, -1
        self._low_s, self._high_s = 0.0, 0.0
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._total: list[float] = []

    @property
    def work_per_working_day_s(self) -> float:
        """Mean seconds of work per working day of the weekly pattern, exceptions and clock changes left out.

        A day counts as working if a shift starts on it, so a night shift belongs to its first day. 0.0 without shifts.
        """
        return self._pattern.work_per_working_day_s()

    def add_work(self, start: float, work_s: float) -> float:
        """The earliest moment by which work_s seconds of working time after start have passed.

        Work that ends exactly with a shift returns the end of that shift, and no work at all returns start.

        Args:
            start: POSIX seconds.
            work_s: seconds of work; a negative one walks backwards as subtract_work does.

        Returns:
            POSIX seconds; math.inf if a horizon without any working time comes first.
        """
        if work_s <= 0.0:
            return start if work_s == 0.0 else self.subtract_work(start, -work_s)
        if not self._low_s <= start < self._high_s:
            if start == math.inf:
                return math.inf
            self._cover(week_of(start), week_of(start))
        i = bisect_right(self._starts, start) - 1
        end = self._ends[i]
        rest = work_s
        if start < end:
            if work_s <= end - start:
                return start + work_s
            rest = work_s - (end - start)
        if rest == math.inf:
            return math.inf
        total = self._total
        j = bisect_left(total, total[i] + math.ceil(rest), i + 1)  # totals are whole: ceil compares exactly
        if j == len(total):
            return self._add_work_beyond(start, work_s)
        return self._starts[j] + (rest - (total[j - 1] - total[i]))

    def subtract_work(self, end: float, work_s: float) -> float:
        """The latest moment from which work_s seconds of working time pass until end: add_work mirrored.

        Work that begins exactly with a shift returns the start of that shift, and no work at all returns end.

        Returns:
            POSIX seconds; -math.inf if a horizon without any working time comes first.
        """
        if work_s <= 0.0:
            return end if work_s == 0.0 else self.add_work(end, -work_s)
        if not self._low_s < end <= self._high_s:
            if end == -math.inf:
                return -math.inf
            self._cover(week_of(end) - 1, week_of(end))
        i = bisect_left(self._starts, end) - 1
        last = min(end, self._ends[i])
        head = last - self._starts[i]
        if work_s <= head:
            return last - work_s
        rest = work_s - head
        if rest == math.inf:
            return -math.inf
        total = self._total
        j = bisect_right(total, total[i - 1] - math.ceil(rest)) if i else 0
        if j == 0:
            return self._subtract_work_beyond(end, work_s)
        return self._ends[j] - (rest - (total[i - 1] - total[j]))

    def work_between(self, start: float, end: float) -> float:
        """Seconds of working time from start to end; negative if end lies before start.

        Raises:
            ValueError: an infinite start, or an infinite end.
        """
        if not (self._low_s <= start <= end <= self._high_s and start < self._high_s):
            if end < start:
                return -self.work_between(end, start)
            if math.isinf(start) or math.isinf(end):
                raise ValueError(f"no working time can be given from {start} to {end}")
            first, last = week_of(start), week_of(end)
            if last - first >= HORIZON_WEEKS:
                return self._work_between_far(start, end)
            self._cover(first, last)
        i = bisect_right(self._starts, start) - 1
        j = bisect_right(self._starts, end, i) - 1
        first_end, last_end = self._ends[i], self._ends[j]
        if i == j:
            return min(end, first_end) - start if start < first_end else 0.0
        head = first_end - start if start < first_end else 0.0
        tail = end - last_end if end < last_end else 0.0
        return head + (self._total[j] - self._total[i]) + tail

    def next_working(self, moment: float) -> float:
        """The moment itself if it is worked, else the start of the next working interval, math.inf if none comes."""
        if not self._low_s <= moment < self._high_s:
            if moment == math.inf:
                return math.inf
            self._cover(week_of(moment), week_of(moment))
        i = bisect_right(self._starts, moment) - 1
        if moment < self._ends[i]:
            return moment
        if i + 1 < len(self._starts):
            return self._starts[i + 1]
        return self.next_working(moment) if self._grow_right(week_of(moment)) else math.inf

    def is_working(self, moment: float) -> bool:
        """Whether the moment lies in a working interval; the end of a shift does not."""
        if not self._low_s <= moment < self._high_s:
            if math.isinf(moment):
                return False
            self._cover(week_of(moment), week_of(moment))
        return moment < self._ends[bisect_right(self._starts, moment) - 1]

    def current_interval(self, moment: float) -> Interval | None:
        """The working interval that holds the moment, for callers that cache it; None outside of working time.

        Working time that never stops is reported from the start of the previous UTC week to the end of the next one.
        """
        if math.isinf(moment):
            return None
        week = week_of(moment)
        for start, end in self.intervals(week_start(week - 1), week_start(week + 2)):
            if start <= moment < end:
                return start, end
        return None

    def shift_at(self, moment: float) -> ShiftSpan:
        """The shift that holds the moment, or the time between shifts that does; a few shifts are laid out for it."""
        return self._pattern.shift_at(moment)

    def intervals(self, from_s: float, to_s: float) -> list[Interval]:
        """The working intervals between two moments, cut at both, in order; touching ones are one.

        Raises:
            ValueError: an infinite moment.
        """
        if math.isinf(from_s) or math.isinf(to_s):
            raise ValueError(f"no list of intervals can be given from {from_s} to {to_s}")
        merged: list[Interval] = []
        for week in range(max(FIRST_WEEK, week_of(from_s)), min(LAST_WEEK, week_of(to_s)) + 1):
            for start, end in self._week(week):
                cut_start, cut_end = max(float(from_s), start), min(float(to_s), end)
                if cut_start >= cut_end:
                    continue
                if merged and merged[-1][1] == cut_start:
                    merged[-1] = (merged[-1][0], cut_end)
                else:
                    merged.append((cut_start, cut_end))
        return merged

    def _add_work_beyond(self, start: float, work_s: float) -> float:
        """add_work where the materialised weeks end too early: grow them, then go on from horizon to horizon."""
        if self._grow_right(week_of(start)):
            return self.add_work(start, work_s)
        horizon = self._high_s
        worked = self.work_between(start, horizon)
        for _ in range(_FARTHEST_WALKS):
            if worked == 0.0:
                return math.inf
            start, work_s = horizon, work_s - worked
            first = week_of(start)
            worked = self._work_of_weeks(first, first + HORIZON_WEEKS)
            if work_s <= worked:
                self._cover(first, first + HORIZON_WEEKS - 1)
                return self.add_work(start, work_s)
            horizon = week_start(first + HORIZON_WEEKS)
        return math.inf

    def _subtract_work_beyond(self, end: float, work_s: float) -> float:
        """subtract_work where the materialised weeks begin too late."""
        if self._grow_left(week_of(end)):
            return self.subtract_work(end, work_s)
        horizon = self._low_s
        worked = self.work_between(horizon, end)
        for _ in range(_FARTHEST_WALKS):
            if worked == 0.0:
                return -math.inf
            end, work_s = horizon, work_s - worked
            first = week_of(end) - HORIZON_WEEKS
            worked = self._work_of_weeks(first, first + HORIZON_WEEKS)
            if work_s <= worked:
                self._cover(first, first + HORIZON_WEEKS - 1)
                return self.subtract_work(end, work_s)
            horizon = week_start(first)
        return -math.inf

    def _work_between_far(self, start: float, end: float) -> float:
        """work_between over more weeks than are kept: the sum of its pieces."""
        start, end = max(start, week_start(FIRST_WEEK)), min(end, week_start(LAST_WEEK + 1))
        if start >= end:
            return 0.0
        cuts = [*range(week_of(start) + 1, week_of(end), HORIZON_WEEKS - 1)]
        worked = self.work_between(start, week_start(cuts[0]))
        for first, end_week in pairwise(cuts):
            worked += self._work_of_weeks(first, end_week)
        return worked + self.work_between(week_start(cuts[-1]), end)

    def _work_of_weeks(self, first: int, end: int) -> float:
        """Work of the weeks first..end-1, exact.

        A long walk crosses decades by these sums. Without them each step of a run that somebody planned with a trillion
        pieces laid out fifty years of shifts anew.
        """
        known = self._work_of_week
        total = 0.0
        for week in range(first, end):
            worked = known.get(week)
            if worked is None:
                if len(known) >= _SUMS_KEPT:
                    known.clear()
                worked = known[week] = sum(
                    end - start for start, end in self._pattern.intervals_of_week(week)
                )
            total += worked
        return total

    def _grow_right(self, week: int) -> bool:
        """Materialise more weeks after the last one; False if the whole horizon of the week is there already."""
        reach, horizon = self._last_week - week + 1, HORIZON_WEEKS - 1
        if reach > horizon:
            return False
        self._cover(week, week + min(horizon, 2 * reach + 1))
        return True

    def _grow_left(self, week: int) -> bool:
        """Materialise more weeks before the first one; False if the whole horizon of the week is there already."""
        reach, horizon = week - self._first_week + 1, HORIZON_WEEKS - 1
        if reach > horizon:
            return False
        self._cover(week - min(horizon, 2 * reach + 1), week)
        return True

    def _cover(self, first: int, last: int) -> None:
        """Materialise at least the weeks first..last; those already there stay as far as HORIZON_WEEKS allow."""
        assert 0 <= last - first < HORIZON_WEEKS, f"weeks {first}..{last} do not fit"
        low, high = min(first, self._first_week), max(last, self._last_week)
        apart = first > self._last_week + 1 or last < self._first_week - 1
        if self._last_week < self._first_week or (apart and high - low >= HORIZON_WEEKS):
            low, high = first, last
        elif last > self._last_week:
            low = max(low, high - HORIZON_WEEKS + 1)
        else:
            high = min(high, low + HORIZON_WEEKS - 1)
        self._first_week, self._last_week = low, high
        self._low_s, self._high_s = week_start(low), week_start(high + 1)
        self._starts, self._ends, self._total = [self._low_s], [self._low_s], [0.0]
        total = 0.0
        for week in range(low, high + 1):
            for start, end in self._week(week):
                total += end - start
                self._starts.append(start)
                self._ends.append(end)
                self._total.append(total)

    def _week(self, week: int) -> list[Interval]:
        """The working intervals of one UTC week, cut at its borders."""
        known = self._week_cache.get(week)
        if known is None:
            if len(self._week_cache) >= 2 * HORIZON_WEEKS:
                del self._week_cache[next(iter(self._week_cache))]
            known = self._week_cache[week] = self._pattern.intervals_of_week(week)
        return known
