"""Stops that may still come before a run ends: how many are expected, and how much each of them may take unnoticed.

A stop is harmless for as long as the line would have waited anyway: air in the plan between it and the order.
"""

NEAR_AIR_S = 3600.0
NEAR_AIR = 0.25
"""Stops that have nearly the same air before them, within an hour or a quarter, are told together."""

MOST_RISKS = 6
"""From so many on neighbours are put together."""

RISK_MOVED = 0.05
"""Expected stops that must be added or passed before a projection counts as moved: at most so much of P(late)."""

ELAPSED_MOVED = 0.1
ELAPSED_MOVED_S = 300.0
"""A stop of unknown length must have lasted so much longer."""

AtRisk = tuple[tuple[float, float], ...]
"""Stops that may come, as (how many are expected, working time in which such a stop delays nothing)."""

OpenStop = tuple[float, float]
"""A stop of which nobody knows how long it lasts: (working time so far, working time in which it delays nothing)."""


def with_air(at_risk: AtRisk, air_s: float) -> AtRisk:
    """The risks, each with so much more air before it delays anything."""
    return tuple([(number, before_s + air_s) for number, before_s in at_risk])


def risk_moved(old: tuple[AtRisk, OpenStop | None], new: tuple[AtRisk, OpenStop | None]) -> bool:
    """Whether stops that may come, or one that lasts, say something else than before.

    Args:
        old: as it was said last.
        new: as it is worked out now.
    """
    (old_risk, old_stop), (new_risk, new_stop) = old, new
    if (old_stop is None) != (new_stop is None):
        return True
    if old_stop is not None and new_stop is not None:
        limit_s = ELAPSED_MOVED * sum(old_stop) + ELAPSED_MOVED_S
        if any(abs(a - b) > limit_s for a, b in zip(old_stop, new_stop, strict=True)):
            return True
    # Putting neighbours together changes neither sum, so that they tell whether the risk itself moved.
    number, air_s = _sums(old_risk)
    other, other_air_s = _sums(new_risk)
    return abs(number - other) > RISK_MOVED or abs(air_s - other_air_s) > (
        NEAR_AIR * air_s + RISK_MOVED * NEAR_AIR_S
    )


def _sums(at_risk: AtRisk) -> tuple[float, float]:
    """Expected stops, and the same times their air."""
    total = total_air_s = 0.0
    for number, air_s in at_risk:
        total += number
        total_air_s += number * air_s
    return total, total_air_s


def with_stops(at_risk: AtRisk, number: float) -> AtRisk:
    """The risks, least air first, and stops before which there is no air."""
    if not at_risk:
        return ((number, 0.0),)
    first, first_air_s = at_risk[0]
    if first_air_s > NEAR_AIR_S:
        with_it = ((number, 0.0), *at_risk)
        return with_it if len(with_it) <= MOST_RISKS else together([*with_it])
    both = first + number
    return ((both, first * first_air_s / both if both > 0.0 else 0.0), *at_risk[1:])


def together(risks: list[tuple[float, float]]) -> AtRisk:
    """Risks by their air, least first; neighbours with nearly the same air are one with their mean."""
    risks.sort(key=_air_of)
    merged: list[tuple[float, float]] = []
    for number, air_s in risks:
        if merged and air_s - merged[-1][1] <= max(NEAR_AIR_S, NEAR_AIR * air_s):
            other, other_air_s = merged[-1]
            both = other + number
            merged[-1] = (both, (other * other_air_s + number * air_s) / both if both > 0.0 else air_s)
        else:
            merged.append((number, air_s))
    return tuple(merged)


def _air_of(risk: tuple[float, float]) -> float:
    return risk[1]
