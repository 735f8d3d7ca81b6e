"""Who judges which kind of card, and what the mere passing of time can raise."""

from collections.abc import Callable, Iterable

from schemas import CardKind
from twin.judges import (
    conflict_risk,
    conflicts,
    delivery,
    line_down,
    plan_check,
    quality_risk,
    shortage,
    silence,
)
from twin.judges.risk import Risk, Root
from twin.judges.view import View
from twin.state.model import Model

Judge = Callable[[View], Risk | None]
"""Answers from scratch how a root stands; None where there is nothing to say."""

Watch = Callable[[Model, float | None, float], Iterable[Root]]
"""Roots that time alone may have brought into trouble, from the last minute that was looked at (None: the first) to now;
asked each minute of the clock, so it must be cheap."""

JUDGES: dict[CardKind, Judge] = {
    CardKind.DELIVERY_RISK: delivery.judge,
    CardKind.QUALITY_RISK: quality_risk.judge,
    CardKind.LINE_DOWN: line_down.judge,
    CardKind.PLAN_INFEASIBLE: plan_check.judge,
    CardKind.MATERIAL_SHORTAGE: shortage.judge,
    CardKind.DATA_STALE: silence.judge,
    CardKind.DATA_CONFLICT: conflict_risk.judge,
}

WATCHES: tuple[Watch, ...] = (
    conflicts.watch,
    line_down.watch,
    plan_check.watch,
    quality_risk.watch,
    silence.watch,
)

GONE: dict[CardKind, str] = {
    CardKind.DELIVERY_RISK: "the affected orders are projected in time again",
    CardKind.MATERIAL_SHORTAGE: "there is enough of it again",
    CardKind.QUALITY_RISK: "the share of bad pieces is as before",
    CardKind.LINE_DOWN: "it runs again",
    CardKind.PLAN_INFEASIBLE: "the plan holds the date again",
    CardKind.DATA_STALE: "its data come again",
    CardKind.DATA_CONFLICT: "the systems agree again",
}
"""Why a card of a kind goes by itself, in words."""

AT_ONCE: frozenset[CardKind] = frozenset({CardKind.DATA_STALE, CardKind.DATA_CONFLICT, CardKind.LINE_DOWN})
"""Kinds whose cards go at once: a line that speaks again is not silent for another half hour, and both were given a
grace before they were told. The judge of a line that is down waits by itself, and says so."""
