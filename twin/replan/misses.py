"""How likely an order that is projected in time misses its departure all the same, by how much room it is given.

The same model as P(late) of a card (twin/forecast/assessment.py), for a run that a plan is still to place: what the line makes until
the goods are needed errs by its pace, and stops may come. Pure; times are POSIX seconds.
"""

from itertools import pairwise
from math import exp, sqrt

from twin.forecast.assessment import long_stops_expected, probability_late
from twin.forecast.experience import Experience, Habits
from twin.state.entities import Line

ROOMS_S = (0.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 57600.0)
"""Room between readiness and need, working time: within two neighbours the probability is that of their middle. Finer: the
search has more steps to look at; beyond the last one only the rarest stops matter."""

LEAST = 0.02
"""Probabilities below it are left out: a fiftieth of a day's penalty moves no run."""

OPEN_S = 24.0 * 3600.0
"""Working time before the need whose uncertainty counts. What goes wrong earlier can be answered by another plan: longer,
and room is kept for what will be known by then; shorter, and plans are made to the minute."""

MINUTE_S = 60.0
OFF_MINUTE_S = 0.5
"""Moments lie so much before whole minutes: shifts and plans begin and end on these, and nobody may have to decide whether
a run that ends there ends before or after."""


def miss_chances(
    line: Line, habits: Habits, experience: Experience, now: float, need_by: float, transfer_s: float
) -> list[tuple[float, float]]:
    """Moments after which an order is ready too late to be sure, and the probability that it misses its departure.

    Args:
        line: that makes it, or may make it.
        habits: of the line.
        experience: of its site.
        now: the shard's clock.
        need_by: ready by then, where it is made, it catches the last departure that keeps its promise.
        transfer_s: from there to the order's site, where the moments hold.

    Returns:
        (moment, probability), both rising; nothing where it cannot be in time any more, or hardly ever misses it.
    """
    if need_by <= now:
        return []
    work_s = min(OPEN_S, line.calendar.work_between(now, need_by))
    pace = line.state.pace
    noise_var = (pace.noise_sd_300**2 * 300.0 / pace.level**2 + habits.short_var_s) * work_s
    sd_s = sqrt((work_s * pace.level_sd / pace.level) ** 2 + noise_var)
    at_risk = ((habits.stops_per_s * work_s, 0.0),)
    chances: list[tuple[float, float]] = []
    for least_s, most_s in reversed(list(pairwise(ROOMS_S))):
        room_s = (least_s + most_s) / 2.0
        sure = 1.0 - probability_late(-room_s, room_s, sd_s)
        probability = round(1.0 - sure * exp(-long_stops_expected(at_risk, room_s, experience)), 3)
        if probability >= LEAST:
            moment = line.calendar.subtract_work(need_by, most_s) // MINUTE_S * MINUTE_S - OFF_MINUTE_S
            chances.append((moment + transfer_s, probability))
    return chances
